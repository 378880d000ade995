"""What a net costs: parameters, multiply-adds, megabytes, milliseconds.

Multiply-adds (1 = one multiplication and one addition) of convolutions, linear maps and attention products are counted
by torch.utils.flop_counter; norms, activations, pooling and the search for the nearest code count nothing.
"""

import copy

import safetensors.torch
import torch
from torch import nn
from torch.utils import benchmark
from torch.utils.flop_counter import FlopCounterMode

from trajnb.models import TrajectoryNet
from trajnb.models.attention import Attend


def cost(net: TrajectoryNet, shape: tuple[int, ...]) -> dict:
    """One net's parameters, multiply-adds (one clip of `shape` (C, T, H, W)) and megabytes at inference;
    `training_macs`: of the forward pass with observed queries and any decoder."""
    copied = copy.deepcopy(net).eval().requires_grad_(True)
    output, _ = copied(torch.zeros(1, *shape, device=next(net.parameters()).device))
    sum(part.sum() for part in output if part is not None).backward()
    # What an evaluation of one clip touches: no observed queries, no decoder.
    needed = {name: weight.detach().cpu() for name, weight in copied.named_parameters() if weight.grad is not None}
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


def latency_ms(net: nn.Module, shape: tuple[int, ...]) -> float:
    """Median milliseconds for one clip of `shape` (C, T, H, W), batch 1, on the device and with the threads at hand."""
    names = {"net": net.eval(), "video_1CTHW": torch.rand(1, *shape, device=next(net.parameters()).device)}
    timer = benchmark.Timer("net(video_1CTHW)", globals=names, num_threads=torch.get_num_threads())
    with torch.inference_mode():
        return 1e3 * timer.blocked_autorange().median
