"""Where in an extractor one can look, and which place of the clip each cell there stands for.

A cell's centre follows from kernel, stride and padding of what lies before it. Stretching a map as if its cells were
tiles, as most tools do, moves the maps of strided networks by up to half a cell: 6 px in I3D's last stage.

Shapes:   T, H, W cells of a map
"""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import nn

from trajnb.models.i3d import I3D, Mixed, Same, same_padding
from trajnb.models.magvit import Magvit
from trajnb.models.slowfast import SlowFast
from trajnb.models.transformer import Transformer

FINE_ROWS = 8  # a map with fewer rows of cells says little about place


class Explained(nn.Module):
    """A net as attribution methods want it: clip -> logits, its grid passing through `grid` as (B, D, T, H, W).

    `clip_shape`: frames, rows and columns of the clips it reads.
    """

    def __init__(self, net, clip_shape: tuple[int, int, int]):
        super().__init__()
        self.net, self.grid, self.clip_shape = net.eval(), nn.Identity(), clip_shape

    def forward(self, video_BCTHW):
        grid_BTHWD, _ = self.net.features(video_BCTHW)
        grid_BDTHW = self.grid(rearrange(grid_BTHWD, "b t h w d -> b d t h w"))
        return self.net.head(rearrange(grid_BDTHW, "b d t h w -> b t h w d")).logits_BK


class Axis(NamedTuple):
    """Cells along one axis of a clip: the first one's centre, and the distance to the next, in frames or pixels."""

    first: float = 0.5
    step: float = 1.0

    def strided(self, kernel: int, stride: int, before: int):
        """The cells after a kernel that is moved by `stride`, with `before` cells of padding in front."""
        return Axis(self.first + self.step * ((kernel - 1) / 2 - before), self.step * stride)


class Stage(NamedTuple):
    """A module with output (B, D, T, H, W), and the axes of its cells: time, rows, columns."""

    name: str
    module: nn.Module
    axes: tuple[Axis, Axis, Axis]


def stages(explained) -> list[list[Stage]]:
    """The stages of an extractor that keep place, from its input upward, and of SlowFast two at a time, slow and fast.

    The last one has the grid's cells.
    """
    return WALKS[type(explained.net.extractor)](explained)


def fine(explained) -> list[Stage]:
    """The last stage whose map has at least FINE_ROWS rows; the finest one where none has."""
    found = stages(explained)
    rows = [explained.clip_shape[1] / together[0].axes[1].step for together in found]
    enough = [together for together, count in zip(found, rows, strict=True) if count >= FINE_ROWS]
    return enough[-1] if enough else found[int(np.argmax(rows))]


def grid_axes(explained) -> tuple[Axis, Axis, Axis]:
    """The axes of the grid that the head sees.

    A cell of SlowFast's holds one slow frame and the alpha fast frames from there on; it is placed at their middle.
    """
    axes = stages(explained)[-1][0].axes
    extractor = explained.net.extractor
    return axes if not isinstance(extractor, SlowFast) else (Axis(extractor.alpha / 2, extractor.alpha), *axes[1:])


def tiles(tubelet) -> tuple[Axis, Axis, Axis]:
    """The axes of cells that lie side by side and share no pixel."""
    return tuple(Axis().strided(length, length, 0) for length in tubelet)


def transformer_walk(explained):
    return [[Stage("", explained.grid, tiles(explained.net.extractor.tubelet))]]


def magvit_walk(explained):
    """The grid alone: levels before it are finer, but in nano there is one level."""
    with torch.no_grad():
        grid, _ = explained.net.extractor(torch.zeros(1, 1, *explained.clip_shape, device=device(explained)))
    sizes = zip(explained.clip_shape, grid.shape[1:4], strict=True)
    return [[Stage("", explained.grid, tiles(length // cells for length, cells in sizes))]]


def i3d_walk(explained):
    """Every inception block."""
    extractor, found = explained.net.extractor, []
    shape = [n // p for n, p in zip(explained.clip_shape, extractor.patch, strict=True)]
    axes = tiles(extractor.patch)
    for layer in extractor.layers:
        if isinstance(same := getattr(layer, "same", None), Same):
            before = same_padding(shape, same.kernel, same.stride)[::2][::-1]  # what is in front of each axis
            axes = tuple(a.strided(*how) for a, *how in zip(axes, same.kernel, same.stride, before, strict=True))
            shape = [-(-n // stride) for n, stride in zip(shape, same.stride, strict=True)]
        if isinstance(layer, Mixed):
            found.append([Stage("", layer, axes)])
    return found


def slowfast_walk(explained):
    """Every pair of residual stages. All kernels are centred on the cell they start from: padding is half a kernel."""
    extractor, found = explained.net.extractor, []
    row = Axis().strided(extractor.patch[1], extractor.patch[1], 0)
    row = Axis(row.first, row.step * extractor.slow_stem.unit.conv.stride[1] * extractor.slow_stem.pool.stride[1])
    for slow, fast in zip(extractor.slow, extractor.fast, strict=True):
        row = Axis(row.first, row.step * slow[0].b.conv.stride[1])
        times = {"slow": Axis(0.5, extractor.alpha), "fast": Axis()}
        found.append([Stage(f"_{n}", part, (times[n], row, row)) for n, part in (("slow", slow), ("fast", fast))])
    return found


WALKS = {Transformer: transformer_walk, Magvit: magvit_walk, I3D: i3d_walk, SlowFast: slowfast_walk}


def device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
