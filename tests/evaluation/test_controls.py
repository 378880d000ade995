"""Controls: they must find a leak that is there, and nothing where there is none."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import controls
from trajnb.world import recipes

CFG = Config()


def clips_of(n, seed):
    return ClipSet(CFG, seed, recipes.draw(CFG, seed, np.arange(n)))


def test_a_leak_in_the_brightness_is_found():
    clips = clips_of(400, 0)
    clips.table["brightness"] = 0.6 + 0.1 * clips.label_N
    assert controls.nuisance_top1(clips) > 0.9


def test_a_leak_in_one_frame_is_found():
    clips = clips_of(400, 0)
    clips.track_NFx3[:, 7, 0] = 0.2 * clips.label_N + 0.1
    single = controls.single_frame_top1(clips)
    assert single[7] > 0.9
    assert np.delete(single, 7).max() < 0.45


def test_the_single_frame_baseline_returns_probabilities_for_test_clips():
    prob, frame = controls.single_frame(clips_of(200, 0), clips_of(80, 1), clips_of(60, 2))
    assert prob.shape == (60, 4)
    assert prob.sum(axis=1) == pytest.approx(1)
    assert 0 <= frame < CFG.frames


def test_constant_velocity_continues_a_line_and_misses_a_fall():
    time = np.arange(21.0)
    line = np.stack([3 * time, -time], axis=1)[None]
    said = controls.constant_velocity(line[:, :16], np.full((1, 16), 2.0), 5)
    assert said[0] == pytest.approx(np.column_stack([line[0, 16:], np.full(5, 2.0)]))
    fall = np.stack([time, time**2], axis=1)[None]
    said = controls.constant_velocity(fall[:, :16], np.full((1, 16), 2.0), 5)
    assert said[0, 0, 1] == pytest.approx(256 - 2), "one step ahead it lacks one acceleration"
