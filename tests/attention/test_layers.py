"""Where the cells of a layer lie, by hand: first centre and step along time, rows and columns."""

from trajnb.attention import layers

# I3D's pools of stride 2 reach back (SAME), SlowFast's are centred, slow frames are the first of four.
FINE = {
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
