"""Scores against closed forms."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.evaluation import metrics

CFG = Config()


def test_class_scores_by_hand():
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    prob = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.0, 0.125, 0.875], [1.0, 0.0, 0.0]])
    label = np.array([0, 1, 1, 0])
    assert metrics.top1(prob, label) == 0.75
    assert metrics.class_nll(prob, label) == pytest.approx(np.log([2, 2, 8, 1]).mean())
    assert metrics.ece(prob, label) == pytest.approx((2 * 0.5 + 0.875 + 0) / 4), "both of confidence 0.5 are right"
    assert metrics.class_nll(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(12 * np.log(10))
    assert str(metrics.class_nll(np.eye(3), np.arange(3))) == "0.0"
    share, risk = metrics.selective_risk(prob, label)
    assert share.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4]), "the surest first: right, wrong, right, right"


def test_reliability_by_hand():
    prob = np.array([[0.55, 0.45], [0.65, 0.35], [0.25, 0.75], [0.0, 1.0]])
    count, confidence, right = metrics.reliability(prob, np.array([0, 1, 1, 1]), bins=4)
    assert count.tolist() == [0, 0, 2, 2]
    assert confidence[2:] == pytest.approx([0.6, 0.875])
    assert right[2:].tolist() == [0.5, 1]
    assert np.isnan(confidence[:2]).all() and np.isnan(right[:2]).all()
    assert len(metrics.reliability(prob, np.zeros(4, int))[0]) == 15


def test_metres_become_frame_widths_and_back():
    track = metrics.to_track(np.array([[[0.5, -0.25, 4.0]]]), CFG)
    assert track.tolist() == [[[40 / 64, 28 / 64, 4.0]]]
    assert metrics.displacement_px(track - [0.125, 0, 2], track, CFG).tolist() == [[8]], "depth is nothing in the image"
    assert metrics.displacement_px(track + [3 / 64, 4 / 64, 0], track, CFG).tolist() == [[5]]
    nearer = track - [0.125, 0, 2]  # in the picture's middle column, 2 m away: x 0, y -4 px * 2 m / 64 px
    assert metrics.displacement_m(nearer, track, CFG)[0] == pytest.approx(np.sqrt(0.5**2 + 0.125**2 + 2**2))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_temperature_is_the_factor_of_the_logits_and_undoes_it(factor):
    rng = np.random.default_rng(0)
    logits_NK = 2.5 * rng.normal(size=(20_000, 4))
    calibrated_NK, prob_NK = metrics.softmax(logits_NK), metrics.softmax(factor * logits_NK)
    label_N = (calibrated_NK.cumsum(axis=1) < rng.uniform(size=(20_000, 1))).sum(axis=1)
    assert metrics.temperature(prob_NK, label_N) == pytest.approx(factor, rel=0.05)
    assert metrics.tempered(prob_NK, factor) == pytest.approx(calibrated_NK)


def test_the_temperature_depends_on_probabilities_however_small():
    """One clip in a hundred is wrong by 60 nats; clamped at 1e-12 it would count as 28."""
    logits_NK = np.zeros((1000, 4))
    logits_NK[:, 0] = 60.0
    label_N = np.where(np.arange(1000) % 100, 0, 1)
    best = 60 / np.log(0.99 / (0.01 / 3))  # where softmax gives class 0 its share of 0.99, up to the three others' tie
    assert metrics.temperature(metrics.softmax(logits_NK), label_N) == pytest.approx(best, rel=0.02)
