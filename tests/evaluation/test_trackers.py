"""Forecasts in closed form: a line, a fall, and what a filter of no noise must be, a least-squares parabola."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import metrics, oracles, trackers
from trajnb.world import recipes

TIME = np.arange(21.0)
FALL = np.stack([0.1 * TIME, 0.02 * TIME**2 - 0.1 * TIME, 3 - 0.01 * TIME], axis=1)[None]


def test_constant_acceleration_continues_a_fall_and_constant_velocity_a_line():
    assert trackers.constant_acceleration(FALL[:, :16], 5) == pytest.approx(FALL[:, 16:])
    line = np.stack([3 * TIME, -TIME, np.full(21, 2.0)], axis=1)[None]
    assert trackers.constant_velocity(line[:, :16], 5) == pytest.approx(line[:, 16:])
    missed = FALL[0, 16] - trackers.constant_velocity(FALL[:, :16], 5)[0, 0]
    assert missed == pytest.approx([0, 0.04, 0]), "one step ahead it lacks one acceleration"


def test_kalman_without_noise_is_the_least_squares_parabola():
    track = FALL[:, :16] + np.random.default_rng(0).normal(0, 0.01, (1, 16, 3))
    fitted = np.polynomial.polynomial.polyfit(TIME[:16], track[0], 2)
    parabola = np.polynomial.polynomial.polyval(TIME[16:], fitted).T
    assert trackers.kalman(track, 5, 0.0)[0] == pytest.approx(parabola, abs=1e-3)


def test_the_noise_is_chosen_where_the_error_is_smallest():
    cfg = Config()
    clips = ClipSet(cfg, 0, recipes.draw(cfg, 0, np.arange(200)))
    track, future = trackers.track(*oracles.measured_track(clips, cfg), cfg), metrics.future(clips)
    forecasts = {noise: trackers.kalman(track, cfg.horizon, noise) for noise in trackers.NOISES}
    errors = {noise: metrics.displacement_px(one, future, cfg).mean() for noise, one in forecasts.items()}
    assert trackers.best_noise(track, clips) == min(errors, key=errors.get)
    assert min(errors.values()) < metrics.displacement_px(trackers.constant_acceleration(track, 5), future, cfg).mean()


def test_constant_velocity_is_measured_in_the_frames():
    cfg = Config()
    clips = ClipSet(cfg, 0, recipes.draw(cfg, 0, np.arange(200)))
    straight = clips.label_N == cfg.motions.index("linear")
    forecast = trackers.measured_constant_velocity(clips)
    off_px = np.linalg.norm((forecast - clips.track_NFx3[:, cfg.frames :])[..., :2], axis=-1).mean(axis=1) * cfg.size
    assert 0 < off_px[straight].mean() < 1, "nearly right on straight lines, but measured"
    assert off_px[~straight].mean() > 3
