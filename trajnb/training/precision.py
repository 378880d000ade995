"""Whether bfloat16 pays: a probe on the net, the clips and the device at hand, asked for by `precision: auto`.

It does on GPUs and on processors with bfloat16 arithmetic, for some nets; on others it is emulated and slower. The
answer depends on the machine, so it is kept with the training: what is resumed goes on in the arithmetic it began in.
"""

import statistics
import time

import numpy as np
import torch

from trajnb import files
from trajnb.training.augment import as_float

PAYS = 1.15  # times as fast, at least: less is not worth the digits
ROUNDS = 5
FILE = "precision.json"


def resolve(cfg, net, clips, folder, device):
    """`cfg` with `precision: auto` replaced by what pays here, or by what the training in `folder` began with.

    Writes precision.json (chosen; seconds of a forward and backward pass in each) when it has probed.
    """
    if cfg.precision != "auto":
        return cfg
    if not (folder / FILE).is_file():
        seconds = probe(net, clips.batch(np.arange(min(cfg.batch_size, len(clips)))).video, device)
        pays = seconds["float32"] / seconds["bfloat16"] >= PAYS
        files.write_json(folder / FILE, {"chosen": "bfloat16" if pays else "float32", "seconds": seconds})
    return cfg.replace(precision=files.read_json(folder / FILE)["chosen"])


def probe(net, video_BCTHW, device):
    """{arithmetic: median seconds of a forward and backward pass} for uint8 clips; the net is left as it was."""
    video_BCTHW, seconds = as_float(video_BCTHW.to(device)), {"float32": [], "bfloat16": []}
    kept = {name: value.clone() for name, value in net.state_dict().items()}  # batch normalisation keeps averages
    for k in range(1 + ROUNDS):
        for name, times in seconds.items():
            start = time.perf_counter()
            one_pass(net.train(), video_BCTHW, device, name == "bfloat16")
            times += [time.perf_counter() - start] if k else []  # the first warms up
    net.load_state_dict(kept)
    return {name: statistics.median(times) for name, times in seconds.items()}


def one_pass(net, video_BCTHW, device, low):
    """Forward and backward of a loss that reaches every output; waits for the device."""
    with torch.autocast(device.type, torch.bfloat16, enabled=low):
        output, aux = net(video_BCTHW)
        loss = sum(part.float().square().mean() for part in output if part is not None) + aux.get("loss", 0.0)
    loss.backward()
    net.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
