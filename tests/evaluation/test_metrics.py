"""Scores against closed forms."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.evaluation import metrics

CFG = Config()


def test_displacement_errors_in_pixels_and_metres():
    true = np.zeros((1, 5, 3)) + [0.5, 0.5, 2.0]
    said = true + np.array([3 / 64, 4 / 64, 0.0]) * np.arange(1, 6)[:, None]
    scores = metrics.position_scores(said, true, CFG)
    assert scores["ade_px"] == pytest.approx(15)
    assert scores["fde_px"] == pytest.approx(25)
    assert scores["fde_m"] == pytest.approx(25 * 2.0 / 64), "at 2 m a pixel is 2/64 m wide"


def test_copying_the_truth_scores_zero_and_the_last_seen_position_does_not():
    track = np.linspace(0, 1, 6)[None, :, None] * [0.1, 0.0, 0.0] + [0.5, 0.5, 3.0]
    assert metrics.displacement_px(track[:, 1:], track[:, 1:], CFG).max() == 0
    assert metrics.displacement_px(np.repeat(track[:, :1], 5, axis=1), track[:, 1:], CFG).min() > 1


def test_class_scores_of_a_guess_and_of_certainty():
    label = np.array([0, 1, 2, 3])
    guess = np.full((4, 4), 0.25)
    assert metrics.class_nll(guess, label) == pytest.approx(np.log(4))
    assert metrics.class_nll(np.eye(4), label) == pytest.approx(0)
    assert metrics.top1(np.eye(4), label) == 1


def test_wilson_interval_of_the_textbook():
    assert metrics.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I


def test_calibration_error_of_honest_and_of_boastful_confidence():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 40_000)
    prob = np.stack([confidence, 1 - confidence], axis=1)
    honest = (rng.random(40_000) > confidence).astype(int)
    assert metrics.ece(prob, honest) < 0.015
    assert metrics.ece(np.tile([0.9, 0.1], (1000, 1)), np.arange(1000) % 2) == pytest.approx(0.4)


def test_regions_of_a_true_gaussian_cover_what_they_claim():
    rng = np.random.default_rng(0)
    deviation = np.array([0.02, 0.05, 0.1])
    true = rng.normal(0, deviation, (20_000, 2, 3))
    logvar = np.broadcast_to(2 * np.log(deviation), true.shape)
    for level in metrics.LEVELS:
        inside = metrics.square_distance(np.zeros_like(true), logvar, true) <= metrics.gaussian_radius(level)
        assert inside.mean() == pytest.approx(level, abs=0.01)


def test_conformal_regions_cover_what_they_claim_whatever_the_shape_of_the_errors():
    rng = np.random.default_rng(0)
    square = rng.standard_cauchy((6000, 5)) ** 2 * np.arange(1, 6)  # heavy tails, other spreads at every step
    for level in metrics.LEVELS:
        radius = metrics.conformal_radius(square[:2000], level)
        assert (square[2000:] <= radius).mean(axis=0) == pytest.approx(level, abs=0.035)
        gaussian = (square[2000:] <= metrics.gaussian_radius(level)).mean()
        assert abs(gaussian - level) > 0.05, "the Gaussian's own radius would have been wrong here"
    assert metrics.conformal_radius(square[:10], 0.95).tolist() == square[:10].max(axis=0).tolist()


def test_confusion_counts():
    prob = np.eye(3)[[0, 1, 1, 2]]
    assert metrics.confusion(prob, np.array([0, 0, 1, 2])).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
