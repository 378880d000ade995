"""The network as attribution methods need it: its layers, the place of each of their cells in the clip, its attention.

A cell's centre follows from kernel, stride and padding of the layers before it: upsampling a map as if its cells were
tiles, as most tools do, moves it by up to half a cell.

Shapes:   T, H, W cells of a layer   G groups   N heads   L queries   S keys
"""

import contextlib
from typing import NamedTuple

import torch
from einops import rearrange
from torch import nn

from trajnb.models.attention import Attend
from trajnb.models.i3d import I3D, Mixed, Pool, Unit, same_padding
from trajnb.models.slowfast import SlowFast
from trajnb.models.trained import load_trained

FINE_ROWS = 8  # a map with fewer rows of cells says little about place


class Explained(nn.Module):
    """A network from clips of `clip_shape` (T, H, W) to logits; its features pass `grid` as (B, D, T, H, W)."""

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
    return Explained(load_trained(cfg), (cfg.frames, cfg.size, cfg.size))


def device(module: nn.Module) -> torch.device:
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


def last_fine(explained) -> list[Layer]:
    """The last layer with at least FINE_ROWS rows of cells; the first one, which is the finest, where none has."""
    each = LAYERS.get(type(explained.net.extractor), grid_layers)(explained)
    enough = [depth for depth in each if explained.clip_shape[1] / depth[0].axes[1].step >= FINE_ROWS]
    return enough[-1] if enough else each[0]


def grid_axes(explained) -> tuple[Axis, Axis, Axis]:
    """The axes of the head's input grid; a cell of SlowFast's is centred on its alpha fast frames."""
    extractor = explained.net.extractor
    axes = LAYERS.get(type(extractor), grid_layers)(explained)[-1][0].axes
    return axes if not isinstance(extractor, SlowFast) else (Axis(extractor.alpha / 2, extractor.alpha), *axes[1:])


def tiles(tubelet) -> tuple[Axis, Axis, Axis]:
    """The axes of cells that lie side by side and share no pixel."""
    return tuple(Axis().strided(length, length, 0) for length in tubelet)


def grid_layers(explained):
    """The output grid, whose cells share no pixel."""
    with torch.no_grad():
        grid, _ = explained.net.extractor(torch.zeros(1, 1, *explained.clip_shape, device=device(explained)))
    sizes = zip(explained.clip_shape, grid.shape[1:4], strict=True)
    return [[Layer("", explained.grid, tiles(length // cells for length, cells in sizes))]]


def i3d_layers(explained):
    """Every inception block."""
    extractor, blocks = explained.net.extractor, []
    axes = tiles(extractor.patch)
    shape = [n // p for n, p in zip(explained.clip_shape, extractor.patch, strict=True)]
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
    stem, first = extractor.slow_stem, extractor.patch[1] / 2
    step = extractor.patch[1] * stem.unit.conv.stride[1] * stem.pool.stride[1]
    for slow, fast in zip(extractor.slow, extractor.fast, strict=True):
        step *= slow[0].b.conv.stride[1]
        rows, times = [Axis(first, step)] * 2, {"_slow": Axis(0.5, extractor.alpha), "_fast": Axis()}
        pairs.append([Layer(n, m, (times[n], *rows)) for n, m in zip(times, (slow, fast), strict=True)])
    return pairs


# Layers before the feature grid; SlowFast has two at each depth, slow and fast. Other extractors have the grid alone.
LAYERS = {I3D: i3d_layers, SlowFast: slowfast_layers}


@contextlib.contextmanager
def attention_weights(module: nn.Module):
    """{name: weights (G, N, L, S)} of all attentions in `module`, filled by forward passes inside the `with` block.

    Gradients flow through them; afterwards the fast path is back.
    """
    weights = {}

    def recorder(name):
        return lambda _, inputs, output: weights.update({name: output})

    with contextlib.ExitStack() as after:
        for name, part in module.named_modules():
            if isinstance(part, Attend):
                part.fused = False
                after.callback(setattr, part, "fused", True)
                after.enter_context(part.weights.register_forward_hook(recorder(name)))
        yield weights
