"""Whether bfloat16 pays and is exact enough: a probe on the net, clips and device at hand, for `precision: auto`.

It pays on GPUs and on processors with bfloat16 arithmetic, for some nets; on others it is emulated and slower. The
answer depends on the machine, so it is kept with the training: what is resumed goes on in the arithmetic it began in,
and so does what is evaluated, since a network carries its precision (models.TrajectoryNet).
"""

import statistics
import time

import numpy as np
import torch

from trajnb import files
from trajnb.training.augment import as_float

PAYS = 1.15  # times as fast, at least: less is not worth the digits
EXACT = 0.1  # of the predictions' spread over clips, at most; nano and base nets have 0.01 to 0.07 before training
ROUNDS = 5
FILE = "precision.json"


def resolve(cfg, net, clips, folder, device):
    """`cfg` with `precision: auto` replaced by what pays here, or by what the training in `folder` began with.

    Writes precision.json (chosen; seconds of a forward and backward pass in each; error of bfloat16) when it has
    probed.
    """
    if cfg.precision != "auto":
        return cfg
    if not (folder / FILE).is_file():
        video_BCTHW = clips.batch(np.arange(min(cfg.batch_size, len(clips)))).video
        seconds, wrong = probe(net, video_BCTHW, device), error(net, video_BCTHW, device)
        low = seconds["float32"] / seconds["bfloat16"] >= PAYS and wrong <= EXACT
        found = {"chosen": "bfloat16" if low else "float32", "seconds": seconds, "error": wrong}
        files.write_json(folder / FILE, found)
    return cfg.replace(precision=files.read_json(folder / FILE)["chosen"])


def probe(net, video_BCTHW, device):
    """{arithmetic: median seconds of a forward and backward pass} for uint8 clips; the net is left as it was."""
    video_BCTHW, seconds = as_float(video_BCTHW.to(device)), {"float32": [], "bfloat16": []}
    kept = {name: value.clone() for name, value in net.state_dict().items()}  # batch normalisation keeps averages
    for k in range(1 + ROUNDS):
        for name, times in seconds.items():
            start = time.perf_counter()
            one_pass(net.train(), video_BCTHW, device, name)
            times += [time.perf_counter() - start] if k else []  # the first warms up
    net.load_state_dict(kept)
    return {name: statistics.median(times) for name, times in seconds.items()}


@torch.no_grad()
def error(net, video_BCTHW, device) -> float:
    """Root mean square change of predictions by bfloat16, over their spread; the largest of logits and futures.

    The spread is over the clips, uint8, because what clips have in common is no prediction. NaN where bfloat16 fails.
    """
    video_BCTHW, found = as_float(video_BCTHW.to(device)), {}
    for name in ("float32", "bfloat16"):
        net.precision = name
        output, _ = net.eval()(video_BCTHW)
        found[name] = output.logits_BK, output.future_BFx6
    pairs = zip(found["float32"], found["bfloat16"], strict=True)
    return torch.stack([rms(low - exact) / rms(exact - exact.mean(0)) for exact, low in pairs]).max().item()


def rms(x):
    return x.square().mean().sqrt()


def one_pass(net, video_BCTHW, device, name):
    """Forward and backward of a loss that reaches every output; waits for the device."""
    net.precision = name
    output, aux = net(video_BCTHW)
    loss = sum(part.square().mean() for part in output if part is not None) + aux.get("loss", 0.0)
    loss.backward()
    net.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
