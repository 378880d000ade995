"""Where a cell lies: light at a cell's centre changes that cell most, and its neighbours on both sides alike."""

import numpy as np
import pytest
import torch

from trajnb import models
from trajnb.attention import layers
from trajnb.config import Config

SEEDS = 6  # untrained networks: one initialisation may be blind somewhere
FINE = {  # by hand: I3D's pools of stride 2 reach back (SAME), SlowFast's are centred, slow frames the first of four
    "transformer": {"": [(1, 2), (4, 8), (4, 8)]},
    "i3d": {"": [(1, 2), (6, 8), (6, 8)]},
    "slowfast": {"_slow": [(0.5, 4), (2, 8), (2, 8)], "_fast": [(0.5, 1), (2, 8), (2, 8)]},
    "magvit": {"": [(2, 4), (4, 8), (4, 8)]},
}
GRID = {
    "transformer": [(1, 2), (4, 8), (4, 8)],
    "i3d": [(3, 4), (14, 16), (14, 16)],
    "slowfast": [(2, 4), (2, 16), (2, 16)],
    "magvit": [(2, 4), (4, 8), (4, 8)],
}


def test_the_axes_of_the_nano_networks(explained):
    fine = {layer.name: [tuple(axis) for axis in layer.axes] for layer in layers.last_fine(explained)}
    assert fine == FINE[explained.name]
    assert [tuple(axis) for axis in layers.grid_axes(explained)] == GRID[explained.name]


@pytest.mark.parametrize("axis", [1, 2])
def test_light_at_a_cells_centre_changes_it_most_and_both_sides_alike(explained, axis):
    each = {}
    for seed in range(SEEDS):
        net = models.build(Config(model=explained.name, seed=seed))
        for name, change in changes(layers.Explained(net, explained.clip_shape), axis).items():
            each.setdefault(name, []).append(change / change.max())
    for name, many in each.items():
        change = np.mean(many, axis=0)
        middle = len(change) // 2
        near = change[middle - 2 : middle + 3] - change.min()
        assert change.argmax() == middle, (name, change)
        assert abs((near * np.arange(-2, 3)).sum() / near.sum()) < 0.12, (name, change)


def changes(explained, axis):
    """{layer: mean change of each cell along `axis`} when a spot at the centre of a middle cell lights up."""
    result = {}
    for layer in layers.last_fine(explained):
        dark = 0.3 + 0.05 * torch.rand(1, 1, *explained.clip_shape, generator=torch.Generator().manual_seed(0))
        light = dark.clone()
        rows, columns = (spot(explained.clip_shape[k], layer.axes[k]) for k in (1, 2))
        light[..., rows, columns] = 0.9
        with torch.no_grad(), layers.outputs({"layer": layer.module}) as found:
            explained(dark)
            before = found["layer"]
            explained(light)
        change = (found["layer"] - before).abs()
        result[layer.name] = change.mean(dim=[k for k in range(5) if k != axis + 2]).numpy()
    return result


def spot(length, axis):
    """The two pixels around the centre of the middle cell."""
    centre = int(axis.first + axis.step * (round(length / axis.step) // 2))
    return slice(centre - 1, centre + 1)
