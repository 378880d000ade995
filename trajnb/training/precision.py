"""Whether bfloat16 is faster and exact enough: a probe on the net, clips and device at hand, for `precision: auto`.

The answer depends on the machine, so it is saved with the training run: a resumed run goes on in the arithmetic it
began in, and so does evaluation, since a network carries its precision (models.TrajectoryNet).
"""

import statistics
import time

import numpy as np
import torch

from trajnb import files
from trajnb.training.augment import as_float

LEAST_SPEEDUP = 1.15  # below this the time saved is not worth the digits lost
LARGEST_ERROR = 0.1  # of the spread of predictions over clips; nano nets have 0.01 to 0.05, the base Transformer 0.07
ROUNDS = 5
FILE = "precision.json"


def resolve(cfg, net, clips, folder, device):
    """`cfg` with `precision: auto` replaced by what is better here, or by what the training in `folder` began with.

    A probe writes precision.json: chosen; seconds of a forward and backward pass in each; error of bfloat16.
    """
    if cfg.precision != "auto":
        return cfg
    if not (folder / FILE).is_file():
        video_BCTHW = as_float(clips.batch(np.arange(min(cfg.batch_size, len(clips)))).video.to(device))
        seconds, error = pass_seconds(net, video_BCTHW), bfloat16_error(net, video_BCTHW)
        low = seconds["float32"] / seconds["bfloat16"] >= LEAST_SPEEDUP and error <= LARGEST_ERROR
        probe = {"chosen": "bfloat16" if low else "float32", "seconds": seconds, "error": error}
        files.write_json(folder / FILE, probe)
    return cfg.replace(precision=files.read_json(folder / FILE)["chosen"])


def pass_seconds(net, video_BCTHW):
    """{arithmetic: median seconds of a forward and backward pass}; the net is left as it was."""
    seconds = {"float32": [], "bfloat16": []}
    saved = {name: value.clone() for name, value in net.state_dict().items()}  # batch normalisation keeps averages
    for k in range(1 + ROUNDS):
        for name, times in seconds.items():
            start = time.perf_counter()
            forward_backward(net.train(), video_BCTHW, name)
            times += [time.perf_counter() - start] if k else []  # the first pass warms up
    net.load_state_dict(saved)
    return {name: statistics.median(times) for name, times in seconds.items()}


def forward_backward(net, video_BCTHW, precision):
    """Forward and backward of a loss that reaches every output; waits for the device."""
    net.precision = precision
    output, aux = net(video_BCTHW)
    loss = sum(part.square().mean() for part in output if part is not None) + aux.get("loss", 0.0)
    loss.backward()
    net.zero_grad(set_to_none=True)
    if video_BCTHW.is_cuda:
        torch.cuda.synchronize(video_BCTHW.device)  # a GPU's clock would stop when the work is queued, not done


@torch.no_grad()
def bfloat16_error(net, video_BCTHW) -> float:
    """Root mean square change of predictions by bfloat16 over their spread; the larger one of logits and futures.

    NaN where bfloat16 fails.
    """
    outputs = {}
    for net.precision in ("float32", "bfloat16"):
        output, _ = net.eval()(video_BCTHW)
        outputs[net.precision] = output.logits_BK, output.future_BFx6
    pairs = zip(outputs["float32"], outputs["bfloat16"], strict=True)
    # The spread is over the clips, because what all clips have in common is no prediction.
    return torch.stack([rms(low - exact) / rms(exact - exact.mean(0)) for exact, low in pairs]).max().item()


def rms(x):
    return x.square().mean().sqrt()
