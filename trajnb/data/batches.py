"""Clips in memory, and batches of them on the device that trains.

Shapes:   N clips   K steps   B clips of a batch   T observed frames   S pixels a side
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import torch

from trajnb import config
from trajnb.data.dataset import Batch, ClipSet, Rendered, Stream


class Resident:
    """Clips whose pixels (N, 1, T, S, S) uint8 lie on a device; otherwise as the set they come from."""

    def __init__(self, clips, device="cpu"):
        self.label_N, self.track_NFx3 = clips.label_N, clips.track_NFx3
        self.whole = Batch(*(part.to(device) for part in clips.batch(np.arange(len(clips)))))

    def __len__(self):
        return len(self.label_N)

    def batch(self, rows):
        """The Batch of row numbers (numpy, or a tensor on the device)."""
        return Batch(*(part[rows] for part in self.whole))

    def for_epoch(self, epoch):
        return self


def in_memory(clips, device):
    """The clips rendered on `device` once, where they fit and stay the same in every epoch; else as they are."""
    return Resident(clips, device) if fits(clips, device) else clips


def rendered(clips):
    """The clips with their pixels in memory, where they fit; else as they are."""
    return Rendered(clips) if fits(clips, torch.device("cpu")) else clips


def fits(clips, device) -> bool:
    """Whether the pixels of these clips, in every epoch the same, take less than their share of free memory."""
    if not isinstance(clips, ClipSet) or isinstance(clips, Stream):
        return False
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return len(clips) * clips.cfg.frames * clips.cfg.size**2 <= config.HELD * free


def batches(clips, rows_KB, device):
    """Batches of the rows (K, B) on `device`; a GPU does not wait for them."""
    if isinstance(clips, Resident):
        yield from map(clips.batch, torch.from_numpy(rows_KB).to(device))
    elif device.type == "cpu":
        yield from map(clips.batch, rows_KB)
    else:
        yield from ahead(lambda rows_B: to_device(clips.batch(rows_B), device), rows_KB)


def ahead(function, items):
    """function(item) of each item, in order; a thread works on the next two while one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(function, item) for item in items[:2]]
        for item in [*items[2:], None, None][: len(items)]:
            result = waiting.pop(0).result()
            if item is not None:
                waiting.append(pool.submit(function, item))
            yield result


def to_device(batch, device):
    """Copied from pinned memory, which the host need not wait for."""
    # At the end of every epoch and before every checkpoint it does wait: no more can be on their way.
    return Batch(*(part.pin_memory().to(device, non_blocking=True) for part in batch))
