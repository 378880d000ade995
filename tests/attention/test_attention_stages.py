"""Where a cell lies: light at a cell's centre moves that cell, and its neighbours on both sides alike."""

import numpy as np
import pytest
import torch

from trajnb import models
from trajnb.attention import stages
from trajnb.attention.recorder import keep
from trajnb.config import Config

SEEDS = 6  # untrained networks: one set of weights may be blind somewhere


def test_the_last_fine_stage_has_eight_rows(explained):
    for stage in stages.fine(explained):
        assert explained.clip_shape[1] / stage.axes[1].step == 8


def test_the_axes_of_the_nano_networks(explained):
    """By hand: I3D's pools of stride 2 reach back (SAME), SlowFast's are centred, its slow frames the first of four."""
    axes = {part.name: [tuple(axis) for axis in part.axes] for part in stages.fine(explained)}
    assert (
        axes
        == {
            "transformer": {"": [(1, 2), (4, 8), (4, 8)]},
            "i3d": {"": [(1, 2), (6, 8), (6, 8)]},
            "slowfast": {"_slow": [(0.5, 4), (2, 8), (2, 8)], "_fast": [(0.5, 1), (2, 8), (2, 8)]},
            "magvit": {"": [(2, 4), (4, 8), (4, 8)]},
        }[name_of(explained)]
    )
    grid = [tuple(axis) for axis in stages.grid_axes(explained)]
    assert (
        grid
        == {
            "transformer": [(1, 2), (4, 8), (4, 8)],
            "i3d": [(3, 4), (14, 16), (14, 16)],
            "slowfast": [(2, 4), (2, 16), (2, 16)],
            "magvit": [(2, 4), (4, 8), (4, 8)],
        }[name_of(explained)]
    )


@pytest.mark.parametrize("axis", [1, 2])
def test_light_at_a_cells_centre_moves_it_and_both_sides_alike(explained, axis):
    moved = {}
    for seed in range(SEEDS):
        net = models.build(Config(model=name_of(explained), seed=seed))
        for name, change in changes(stages.Explained(net, explained.clip_shape), axis).items():
            moved.setdefault(name, []).append(change / change.max())
    for name, many in moved.items():
        change = np.mean(many, axis=0)
        middle = len(change) // 2
        near = change[middle - 2 : middle + 3] - change.min()
        assert change.argmax() == middle, (name, change)
        assert abs((near * np.arange(-2, 3)).sum() / near.sum()) < 0.12, (name, change)


def name_of(explained):
    return next(name for name, kind in models.EXTRACTORS.items() if isinstance(explained.net.extractor, kind))


def changes(explained, axis):
    """{stage: mean change of each cell along `axis`} when a spot at the centre of a middle cell lights up."""
    found, result = {}, {}
    for stage in stages.fine(explained):
        hook = stage.module.register_forward_hook(keep(found, stage.name))
        dark = 0.3 + 0.05 * torch.rand(1, 1, *explained.clip_shape, generator=torch.Generator().manual_seed(0))
        rows, columns = (spot(explained.clip_shape[k], stage.axes[k]) for k in (1, 2))
        light = dark.clone()
        light[..., rows, columns] = 0.9
        with torch.no_grad():
            explained(dark)
            before = found[stage.name]
            explained(light)
        hook.remove()
        result[stage.name] = (
            (found[stage.name] - before).abs().mean(dim=[k for k in range(5) if k != axis + 2])[:].numpy()
        )
    return result


def spot(length, axis):
    """The two pixels around the centre of the middle cell."""
    centre = int(axis.first + axis.step * (round(length / axis.step) // 2))
    return slice(centre - 1, centre + 1)
