"""Clips in memory, and batches of them on the device that trains: B clips in each of K steps."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import psutil
import torch

from trajnb import config
from trajnb.data.dataset import Batch, ClipSet, Rendered

CPU = torch.device("cpu")


def in_memory(clips, device=CPU):
    """The clips rendered on `device` once, where they take less than their share of free memory; else as they are."""
    if not isinstance(clips, ClipSet):
        return clips
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    needed = len(clips) * clips.cfg.frames * clips.cfg.size**2
    return Rendered(clips, device) if needed <= config.HELD * free else clips


def batches(clips, rows_KB, device):
    """Batches of the rows (K, B) on `device`; a GPU does not wait for them."""
    if isinstance(clips, Rendered):
        yield from map(clips.batch, torch.from_numpy(rows_KB).to(device))
    elif device.type == "cpu":
        yield from map(clips.batch, rows_KB)
    else:
        yield from ahead(lambda rows_B: to_device(clips.batch(rows_B), device), rows_KB)


def ahead(function, items):
    """function(item) of each item, in order; a thread works on the next two while one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        yield from (one.result() for one in waiting)


def to_device(batch, device):
    """Copied from pinned memory, which the host need not wait for."""
    # At the end of every epoch and before every checkpoint it does wait: no more can be on their way.
    return Batch(*(part.pin_memory().to(device, non_blocking=True) for part in batch))
