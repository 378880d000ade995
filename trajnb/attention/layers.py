"""The network as attribution methods need it: its layers, the place of each of their cells in the clip, its attention.

A cell's centre follows from kernel, stride and padding of the layers before it: upsampling a map as if its cells were
tiles, as most tools do, moves it by up to half a cell.

Shapes:   N clips (B of a batch)   T, H, W cells of a layer   S pixels a side
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import nn

from trajnb.models.i3d import I3D, Mixed, Pool, Unit, same_padding
from trajnb.models.slowfast import SlowFast
from trajnb.models.trained import load_trained

FINE_ROWS = 8  # a map with fewer rows of cells says little about place
# A module with output (B, D, T, H, W), and the axes of its cells: time, rows, columns.
Layer = namedtuple("Layer", "name module axes")


class Explained(nn.Module):
    """A network from clips of `clip_shape` (T, H, W) to logits; its features pass `grid` as (B, D, T, H, W).

    grid_axes: of that grid. fine: the last layers with at least FINE_ROWS rows of cells; the first ones, which are the
    finest, where none has.
    """

    def __init__(self, net, clip_shape: tuple[int, int, int]):
        super().__init__()
        self.net, self.grid, self.clip_shape = net.eval(), nn.Identity(), clip_shape
        depths, self.grid_axes = LAYERS.get(type(net.extractor), grid_layers)(self)
        enough = [layers for layers in depths if clip_shape[1] / layers[0].axes[1].step >= FINE_ROWS]
        self.fine = enough[-1] if enough else depths[0]

    def forward(self, video_BCTHW):
        grid_BTHWD, _ = self.net.features(video_BCTHW)
        grid_BDTHW = self.grid(rearrange(grid_BTHWD, "b t h w d -> b d t h w"))
        return self.net.head(rearrange(grid_BDTHW, "b d t h w -> b t h w d")).logits_BK

    @torch.no_grad()
    def predict(self, clips):
        """Clips (N, 1, T, S, S) in [0, 1] on the network's device, and their predicted classes (N,)."""
        device = next(self.parameters()).device
        video_NCTSS = torch.from_numpy(clips.render(np.arange(len(clips)))).to(device).float()[:, None] / 255
        return video_NCTSS, self(video_NCTSS).argmax(dim=1)


def load_explained(cfg) -> Explained:
    return Explained(load_trained(cfg), (cfg.frames, cfg.size, cfg.size))


class Axis(NamedTuple):
    """Cells along one axis of a clip: the first one's centre, and the distance to the next, in frames or pixels."""

    first: float = 0.5
    step: float = 1.0

    def strided(self, kernel: int, stride: int, before: int):
        """The cells after a kernel that is moved by `stride`, with `before` cells of padding in front."""
        return Axis(self.first + self.step * ((kernel - 1) / 2 - before), self.step * stride)


def tiles(tubelet) -> tuple[Axis, Axis, Axis]:
    """The axes of cells that lie side by side and share no pixel."""
    return tuple(Axis().strided(length, length, 0) for length in tubelet)


def grid_layers(explained):
    """The grid alone, whose cells share no pixel."""
    with torch.no_grad():
        grid, _ = explained.net.extractor(next(explained.parameters()).new_zeros(1, 1, *explained.clip_shape))
    axes = tiles(n // cells for n, cells in zip(explained.clip_shape, grid.shape[1:4], strict=True))
    return [[Layer("", explained.grid, axes)]], axes


def i3d_layers(explained):
    """Every inception block."""
    extractor, blocks = explained.net.extractor, []
    axes = tiles(extractor.patch)
    shape = [n // p for n, p in zip(explained.clip_shape, extractor.patch, strict=True)]
    for layer in extractor.layers:
        if isinstance(layer, Mixed):
            blocks.append([Layer("", layer, axes)])
        elif isinstance(layer, Unit | Pool):
            conv = getattr(layer, "conv", layer)
            before = same_padding(shape, conv.kernel_size, conv.stride)[::2][::-1]  # what is in front of each axis
            axes = tuple(map(Axis.strided, axes, conv.kernel_size, conv.stride, before))
            shape = [-(-n // s) for n, s in zip(shape, conv.stride, strict=True)]
    return blocks, blocks[-1][0].axes


def slowfast_layers(explained):
    """Every pair of residual stages. Padding is half a kernel everywhere, so kernels are centred on their cell; a cell
    of the grid is centred on its alpha fast frames."""
    extractor, pairs = explained.net.extractor, []
    stem, first = extractor.slow_stem, extractor.patch[1] / 2
    step = extractor.patch[1] * stem.unit.conv.stride[1] * stem.pool.stride[1]
    for slow, fast in zip(extractor.slow, extractor.fast, strict=True):
        step *= slow[0].b.conv.stride[1]
        rows, times = [Axis(first, step)] * 2, Axis(0.5, extractor.alpha)
        pairs.append([Layer("_slow", slow, (times, *rows)), Layer("_fast", fast, (Axis(), *rows))])
    return pairs, (Axis(extractor.alpha / 2, extractor.alpha), *rows)


# ([[Layer]] from first to last depth, axes of the grid); SlowFast has two layers at each depth, slow and fast. Other
# extractors have the grid alone.
LAYERS = {I3D: i3d_layers, SlowFast: slowfast_layers}
