"""The network as attribution methods need it: its layers, the place of each of their cells in the clip, its attention.

A cell's centre follows from kernel, stride and padding of the layers before it. Upsampling a map as if its cells were
tiles, as most tools do, moves the maps of strided networks by up to half a cell: 6 px in I3D's last layer.

Shapes:   T, H, W cells of a layer   G groups   N heads   L queries   S keys
"""

import contextlib
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import nn

from trajnb.models.attention import Attend
from trajnb.models.i3d import I3D, Mixed, Pool, Unit, same_padding
from trajnb.models.magvit import Magvit
from trajnb.models.slowfast import SlowFast
from trajnb.models.trained import load_trained
from trajnb.models.transformer import Transformer

FINE_ROWS = 8  # a map with fewer rows of cells says little about place


class Explained(nn.Module):
    """A network as a map from clip to logits, its feature grid passing through `grid` as (B, D, T, H, W).

    `clip_shape`: frames, rows and columns of the clips it reads.
    """

    def __init__(self, net, clip_shape: tuple[int, int, int]):
        super().__init__()
        self.net, self.grid, self.clip_shape = net.eval(), nn.Identity(), clip_shape

    def forward(self, video_BCTHW):
        grid_BTHWD, _ = self.net.features(video_BCTHW)
        grid_BDTHW = self.grid(rearrange(grid_BTHWD, "b t h w d -> b d t h w"))
        return self.net.head(rearrange(grid_BDTHW, "b d t h w -> b t h w d")).logits_BK

    @torch.no_grad()
    def predicted(self, video_BCTHW):
        """Predicted classes (B,)."""
        return self(video_BCTHW).argmax(dim=1)


def load_explained(cfg) -> Explained:
    """The trained network of one training run."""
    return Explained(load_trained(cfg), (cfg.frames, cfg.size, cfg.size))


def device(module: nn.Module) -> torch.device:
    """Where a module's weights are."""
    return next(module.parameters()).device


class Axis(NamedTuple):
    """Cells along one axis of a clip: the first one's centre, and the distance to the next, in frames or pixels."""

    first: float = 0.5
    step: float = 1.0

    def strided(self, kernel: int, stride: int, before: int):
        """The cells after a kernel that is moved by `stride`, with `before` cells of padding in front."""
        return Axis(self.first + self.step * ((kernel - 1) / 2 - before), self.step * stride)


class Layer(NamedTuple):
    """A module with output (B, D, T, H, W), and the axes of its cells: time, rows, columns."""

    name: str
    module: nn.Module
    axes: tuple[Axis, Axis, Axis]


def layers(explained) -> list[list[Layer]]:
    """The layers of an extractor from input to output; SlowFast has two at each depth, slow and fast.

    The last has the cells of the feature grid.
    """
    return LAYERS[type(explained.net.extractor)](explained)


def last_fine(explained) -> list[Layer]:
    """The last layer with at least FINE_ROWS rows of cells; the finest one where none has."""
    each = layers(explained)
    rows = [explained.clip_shape[1] / depth[0].axes[1].step for depth in each]
    enough = [depth for depth, count in zip(each, rows, strict=True) if count >= FINE_ROWS]
    return enough[-1] if enough else each[int(np.argmax(rows))]


def grid_axes(explained) -> tuple[Axis, Axis, Axis]:
    """The axes of the head's input grid.

    A cell of SlowFast's grid holds one slow frame and the alpha fast frames from there on: its centre is their middle.
    """
    axes, extractor = layers(explained)[-1][0].axes, explained.net.extractor
    return axes if not isinstance(extractor, SlowFast) else (Axis(extractor.alpha / 2, extractor.alpha), *axes[1:])


def tiles(tubelet) -> tuple[Axis, Axis, Axis]:
    """The axes of cells that lie side by side and share no pixel."""
    return tuple(Axis().strided(length, length, 0) for length in tubelet)


def transformer_layers(explained):
    """The output grid."""
    return [[Layer("", explained.grid, tiles(explained.net.extractor.tubelet))]]


def magvit_layers(explained):
    """The output grid: layers before it are finer, but in nano there is one level."""
    with torch.no_grad():
        grid, _ = explained.net.extractor(torch.zeros(1, 1, *explained.clip_shape, device=device(explained)))
    sizes = zip(explained.clip_shape, grid.shape[1:4], strict=True)
    return [[Layer("", explained.grid, tiles(length // cells for length, cells in sizes))]]


def i3d_layers(explained):
    """Every inception block."""
    extractor, blocks = explained.net.extractor, []
    shape = [n // p for n, p in zip(explained.clip_shape, extractor.patch, strict=True)]
    axes = tiles(extractor.patch)
    for layer in extractor.layers:
        if isinstance(layer, Unit | Pool):
            kernel, stride = (getattr(getattr(layer, "conv", layer), name) for name in ("kernel_size", "stride"))
            before = same_padding(shape, kernel, stride)[::2][::-1]  # what is in front of each axis
            axes = tuple(a.strided(*how) for a, *how in zip(axes, kernel, stride, before, strict=True))
            shape = [-(-n // s) for n, s in zip(shape, stride, strict=True)]
        if isinstance(layer, Mixed):
            blocks.append([Layer("", layer, axes)])
    return blocks


def slowfast_layers(explained):
    """Every pair of residual stages. Padding is half a kernel everywhere, so kernels are centred on their cell."""
    extractor, pairs = explained.net.extractor, []
    row = Axis().strided(extractor.patch[1], extractor.patch[1], 0)
    row = Axis(row.first, row.step * extractor.slow_stem.unit.conv.stride[1] * extractor.slow_stem.pool.stride[1])
    for slow, fast in zip(extractor.slow, extractor.fast, strict=True):
        row = Axis(row.first, row.step * slow[0].b.conv.stride[1])
        slow_time, fast_time = Axis(0.5, extractor.alpha), Axis()
        pairs.append([Layer("_slow", slow, (slow_time, row, row)), Layer("_fast", fast, (fast_time, row, row))])
    return pairs


LAYERS = {Transformer: transformer_layers, Magvit: magvit_layers, I3D: i3d_layers, SlowFast: slowfast_layers}


@contextlib.contextmanager
def outputs(modules: dict):
    """{key: output} of {key: module}, filled by forward passes inside the `with` block."""
    found = {}
    hooks = [
        module.register_forward_hook(lambda _, inputs, output, key=key: found.update({key: output}))
        for key, module in modules.items()
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def attention_weights(module: nn.Module):
    """{name: weights (G, N, L, S)} of all attentions in `module`, filled by forward passes inside the `with` block.

    Rows sum to 1 and gradients flow through them; afterwards the fast path is back. Raises ValueError when `module`
    holds no attention, and when one of its attentions was never run.
    """
    attends = {name: part for name, part in module.named_modules() if isinstance(part, Attend)}
    if not attends:
        raise ValueError(f"{type(module).__name__} holds no attention: nothing would be recorded")
    fused = {name: part.fused for name, part in attends.items()}
    with outputs({name: part.weights for name, part in attends.items()}) as weights:
        try:
            for part in attends.values():
                part.fused = False
            yield weights
        finally:
            for name, part in attends.items():
                part.fused = fused[name]
    if missing := sorted(attends.keys() - weights.keys()):
        raise ValueError(f"{', '.join(missing)} of {type(module).__name__} gave no weights: it was not run")
