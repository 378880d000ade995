"""One clip by hand: each number acts as it says, on the same shape, and nothing is refused."""

import itertools

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import scenes
from trajnb.data.scenes import SPANS, Scene
from trajnb.world import recipes

CFG = Config(motions=["linear", "parabolic", "circular", "random", "helical"])


def path(scene):
    return scenes.clip(CFG, scene).xyz_NFx3[0]


def holds(scene):
    return [bool(holds_N[0]) for _, _, holds_N in scenes.checks(CFG, scene.motion, path(scene)[None])]


@pytest.mark.parametrize("motion", CFG.motions)
def test_every_shape_fits_at_the_start_and_stays_before_the_camera(motion):
    for number in range(0, 100, 9):
        if motion != "helical":  # far from any circle and at one speed: not every number has such a shape
            assert all(holds(Scene(motion, number))), number
        nearest = path(Scene(motion, number, speed=SPANS["speed"][1], depth_m=SPANS["depth_m"][0]))[:, 2].min()
        assert nearest >= recipes.DEPTH_NEAREST_M, number


def test_gravity_is_gravity_and_acts_on_the_falling_path_alone():
    for share in SPANS["gravity"]:
        second_difference = np.diff(path(Scene("parabolic", gravity=share)), 2, axis=0)
        expected = np.array([0, share * CFG.gravity / CFG.frame_rate**2, 0])
        np.testing.assert_allclose(second_difference, np.broadcast_to(expected, second_difference.shape), atol=1e-9)
    for motion in ("linear", "circular", "random", "helical"):
        np.testing.assert_array_equal(path(Scene(motion, gravity=0.0)), path(Scene(motion, gravity=2.0)))


@pytest.mark.parametrize("motion", ["linear", "circular"])
def test_speed_is_speed(motion):
    for speed in SPANS["speed"]:
        steps = np.linalg.norm(np.diff(path(Scene(motion, speed=speed)), axis=0), axis=1) * CFG.frame_rate
        assert steps == pytest.approx(speed, rel=0.01), "a chord is a little shorter than its arc"


@pytest.mark.parametrize("motion", CFG.motions)
def test_depth_moves_the_same_shape(motion):
    near, far = (path(Scene(motion, depth_m=depth)) for depth in SPANS["depth_m"])
    middle = CFG.frames // 2
    assert (near[middle, 2], far[middle, 2]) == pytest.approx(SPANS["depth_m"])
    np.testing.assert_allclose(near - near[middle], far - far[middle], atol=1e-9)


def test_what_a_data_set_would_refuse_is_told():
    assert holds(Scene("parabolic")) == [True, True, True]
    assert holds(Scene("parabolic", gravity=0.0)) == [True, True, False], "a line"
    assert holds(Scene("linear", speed=0.5, depth_m=4.0)) == [True, False], "too short"
    assert holds(Scene("parabolic", gravity=2.5, speed=4.0, depth_m=2.0))[:2] == [False, False], "out of the picture"


@pytest.mark.parametrize("motion", CFG.motions)
def test_the_ends_of_all_spans_make_a_clip(motion):
    for ends in itertools.product(*SPANS.values()):
        clips = scenes.clip(CFG, Scene(motion, *ends))
        assert np.isfinite(clips.track_NFx3).all()
        assert clips.batch(np.arange(1)).video.shape == (1, 1, CFG.frames, CFG.size, CFG.size)
