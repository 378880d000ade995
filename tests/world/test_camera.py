"""The pinhole by hand, and the room it leaves for a path."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.world import camera

CFG = Config(frame_margin_px=4.0)  # a frame of 64 px, focal length 64 px


def test_projection_and_its_inverse():
    xyz = np.array([[[0.0, 0.0, 2.0], [0.5, -0.25, 4.0]]])
    uv = camera.project(xyz, CFG.replace(focal_px=32.0))
    assert uv.tolist() == [[[32, 32], [36, 30]]]
    assert np.allclose(camera.unproject(uv, xyz[..., 2], CFG.replace(focal_px=32.0)), xyz)


def test_place_picks_a_share_of_the_room_of_all_frames():
    """28 px of 64 are 0.875 m to each side at 2 m, 1.75 m at 4 m."""
    xyz = np.array([[[0.25, 0.0, 2.0], [1.5, 1.0, 4.0]]])
    low, high = np.array([-0.875 - 0.25, -0.875]), np.array([1.75 - 1.5, 1.75 - 1.0])  # the nearer frame, the farther
    for share in ([0.0, 1.0], [0.25, 0.5]):
        shift, fits = camera.place(xyz, np.array([share]), CFG)
        assert shift[0] == pytest.approx(low + share * (high - low))
        assert fits.tolist() == [True]


def test_place_says_what_does_not_fit():
    """A path exactly as wide as the room has no place; what does not fit goes to the middle, in one direction alone."""
    xyz = np.zeros((2, 2, 3)) + [0.0, 0.0, 2.0]
    xyz[0, :, 0], xyz[1, :, 1] = [-0.875, 0.875], [1.0, 4.0]
    shift, fits = camera.place(xyz, np.full((2, 2), 0.5), CFG)
    assert fits.tolist() == [False, False]
    assert shift[:, 0].tolist() == [0, 0]
    assert shift[1, 1] == -2.5
