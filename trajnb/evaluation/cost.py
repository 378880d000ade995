"""What a net costs: parameters, multiply-adds, megabytes, milliseconds; and the Pareto front.

Multiply-adds (1 = one multiplication and one addition) of convolutions, linear maps and attention products are counted
by torch.utils.flop_counter; norms, activations, pooling and the search for the nearest code count nothing.
"""

import copy
import statistics
import time

import numpy as np
import safetensors.torch
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trajnb.models import TrajectoryNet
from trajnb.models.attention import Attend

SCORES = {"test_top1": 1, "ade_px": -1}  # which way is better


def cost(net: TrajectoryNet, shape: tuple[int, ...]) -> dict:
    """One net's parameters, multiply-adds (one clip of `shape` (C, T, H, W)) and megabytes at inference.

    `training_macs`: of the forward pass with observed queries and any decoder.
    """
    needed = inference_weights(net, shape)
    backbone = sum(weight.numel() for name, weight in needed.items() if name.startswith("extractor"))
    parameters = sum(weight.numel() for weight in needed.values())
    return {
        "backbone_parameters": backbone,
        "head_parameters": parameters - backbone,
        "parameters": parameters,
        "backbone_macs": macs(net.extractor, shape),
        "macs": macs(net, shape),
        "training_macs": macs(net, shape, training=True),
        "model_mb": len(safetensors.torch.save(needed)) / 1e6,
    }


def inference_weights(net: nn.Module, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """The parameters that an evaluation of one clip touches, by name: no observed queries, no decoder."""
    net = copy.deepcopy(net).eval().requires_grad_(True)
    output, _ = net(torch.zeros(1, *shape, device=next(net.parameters()).device))
    sum(part.sum() for part in output if part is not None).backward()
    return {name: weight.detach().cpu() for name, weight in net.named_parameters() if weight.grad is not None}


def macs(net: nn.Module, shape: tuple[int, ...], training: bool = False) -> int:
    """Multiply-adds of a forward pass of one clip (C, T, H, W); run on the meta device, so it costs no arithmetic."""
    net = copy.deepcopy(net).to("meta").train(training).requires_grad_(False)
    for module in net.modules():
        if isinstance(module, Attend):
            module.fused = False  # torch counts no fused attention on a CPU
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, *shape, device="meta"))
    search = [counts for name, counts in counter.get_flop_counts().items() if name.endswith(".quantiser")]
    return (counter.get_total_flops() - sum(sum(counts.values()) for counts in search)) // 2


def latency_ms(nets: dict[str, nn.Module], shape: tuple[int, ...], rounds: int = 21) -> dict[str, float]:
    """Median milliseconds for one clip of `shape` (C, T, H, W), batch 1; the nets take turns, so noise hits all."""
    seconds = {name: [] for name in nets}
    with torch.inference_mode():
        for name, net in list(nets.items()) * (rounds + 2):
            video_1CTHW = torch.rand(1, *shape, device=next(net.eval().parameters()).device)
            start = time.perf_counter()
            net(video_1CTHW)
            if video_1CTHW.is_cuda:
                torch.cuda.synchronize(video_1CTHW.device)
            seconds[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(taken[2:]) for name, taken in seconds.items()}  # the first two warm up


def front(cost_N, gain_N):
    """Whether (N,) each model is on the Pareto front: no other has as much gain for less, or more for as little."""
    cost_N, gain_N = np.asarray(cost_N, float), np.asarray(gain_N, float)
    cheaper_NN, better_NN = cost_N <= cost_N[:, None], gain_N >= gain_N[:, None]
    strictly_NN = (cost_N < cost_N[:, None]) | (gain_N > gain_N[:, None])
    return ~(cheaper_NN & better_NN & strictly_NN).any(axis=1)
