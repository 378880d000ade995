"""What a net costs: parameters, multiply-adds, megabytes, milliseconds.

Multiply-adds (1 = one multiplication and one addition) are counted by closed form for convolutions, linear maps and
attention products; norms, activations and pooling count nothing. torch's own counter gives 0 for attention on a CPU.
"""

import copy
import statistics
import time

import safetensors.torch
import torch
from torch import nn

from trajnb.models import TrajectoryNet
from trajnb.models.attention import Attend

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def cost(net: TrajectoryNet, shape: tuple[int, ...]) -> dict:
    """One net's parameters (backbone, head, both), multiply-adds (one clip of `shape` (C, T, H, W)) and megabytes.

    All of them describe inference, but for `training_macs`: the forward pass with seen queries and any decoder.
    """
    needed = inference_weights(net, shape)
    size = {
        part: sum(w.numel() for name, w in needed.items() if name.startswith(part)) for part in ("extractor", "head")
    }
    return {
        "backbone_parameters": size["extractor"],
        "head_parameters": size["head"],
        "parameters": sum(size.values()),
        "backbone_macs": macs(net.extractor.eval(), shape),
        "macs": macs(net.eval(), shape),
        "training_macs": macs(net, shape, training=True),
        "model_mb": len(safetensors.torch.save(needed)) / 1e6,
    }


def inference_weights(net: nn.Module, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """The parameters that an evaluation of one clip touches, by name: no seen queries, no decoder."""
    net = copy.deepcopy(net).eval().requires_grad_(True)
    output, _ = net(torch.zeros(1, *shape, device=device_of(net)))
    sum(part.sum() for part in output if part is not None).backward()
    return {name: w.detach().cpu() for name, w in net.named_parameters() if w.grad is not None}


def macs(net: nn.Module, shape: tuple[int, ...], training: bool = False) -> int:
    """Multiply-adds of a forward pass of one clip (C, T, H, W); run on the meta device, so it costs no arithmetic."""
    net, counts = copy.deepcopy(net).to("meta").train(training), []
    for module in net.modules():
        module.register_forward_hook(lambda module, inputs, output: counts.append(module_macs(module, inputs, output)))
    with torch.no_grad():
        net(torch.zeros(1, *shape, device="meta"))
    return sum(counts)


def module_macs(module: nn.Module, inputs: tuple, output) -> int:
    """Closed forms; 0 for what is not a matrix product."""
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    if isinstance(module, CONVOLUTIONS):
        return output.numel() * module.weight[0].numel()
    if isinstance(module, TRANSPOSED):
        return inputs[0].numel() * module.weight[0].numel()
    if isinstance(module, Attend):  # q k' and weights v: groups x queries x keys x width each
        query_GLD, key_GSD, _ = inputs
        return 2 * query_GLD.numel() * key_GSD.shape[1]
    return 0


def latency_ms(nets: dict[str, nn.Module], shape: tuple[int, ...], rounds: int = 21) -> dict[str, float]:
    """Median milliseconds for one clip of `shape` (C, T, H, W), batch 1; the nets take turns, so noise hits all."""
    seconds = {name: [] for name in nets}
    with torch.inference_mode():
        for _ in range(rounds + 2):  # the first two warm up
            for name, net in nets.items():
                seconds[name].append(seconds_once(net.eval(), shape))
    return {name: 1e3 * statistics.median(taken[2:]) for name, taken in seconds.items()}


def seconds_once(net: nn.Module, shape: tuple[int, ...]) -> float:
    device = device_of(net)
    video_1CTHW = torch.rand(1, *shape, device=device)
    start = time.perf_counter()
    net(video_1CTHW)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def device_of(net: nn.Module) -> torch.device:
    return next(net.parameters()).device
