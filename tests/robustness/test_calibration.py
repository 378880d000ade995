"""Calibration: simulated networks whose temperature is known."""

import numpy as np
import pytest

from trajnb.evaluation import metrics
from trajnb.evaluation.predictions import Predictions
from trajnb.figures import save
from trajnb.robustness import calibration, figures


def simulated(n, factor, seed=0):
    """Class probabilities (N, 4) and labels of a network whose logits are `factor` times the calibrated ones."""
    rng = np.random.default_rng(seed)
    logits_NK = 2.5 * rng.normal(size=(n, 4))
    label_N = (metrics.softmax(logits_NK).cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return metrics.softmax(factor * logits_NK), label_N


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_temperature_is_the_factor_of_the_logits(factor):
    assert calibration.temperature(*simulated(20_000, factor)) == pytest.approx(factor, rel=0.05)


def test_the_temperature_depends_on_probabilities_however_small():
    """One clip in a hundred is wrong by 60 nats; clamped at 1e-12 it would count as 28."""
    logits_NK = np.zeros((1000, 4))
    logits_NK[:, 0] = 60.0
    label_N = np.where(np.arange(1000) % 100, 0, 1)
    best = 60 / np.log(0.99 / (0.01 / 3))  # where softmax gives class 0 its share of 0.99, up to the three others' tie
    assert calibration.temperature(metrics.softmax(logits_NK), label_N) == pytest.approx(best, rel=0.02)


def test_selective_risk_falls_with_confidence_and_ends_at_the_error_rate():
    prob_NK, label_N = simulated(5000, 1.0)
    share_N, risk_N = calibration.selective_risk(prob_NK, label_N)
    assert risk_N[-1] == pytest.approx(1 - metrics.top1(prob_NK, label_N))
    assert risk_N[1000] < risk_N[2500] < risk_N[-1]
    assert share_N[-1] == 1


def test_a_scaled_network_is_calibrated_and_as_accurate():
    prob_NK, label_N = simulated(2000, 2.0)
    scaled_NK = calibration.tempered(prob_NK, calibration.temperature(prob_NK, label_N))
    assert calibration.tempered(prob_NK, 1.0) == pytest.approx(prob_NK)
    assert metrics.ece(scaled_NK, label_N) < 0.5 * metrics.ece(prob_NK, label_N)
    assert metrics.class_nll(scaled_NK, label_N) < metrics.class_nll(prob_NK, label_N)
    assert (scaled_NK.argmax(axis=1) == prob_NK.argmax(axis=1)).all()


def test_a_calibrated_network_lies_on_the_diagonal(tmp_path):
    prob_NK, label_N = simulated(20_000, 1.0)
    figure = figures.reliability({"i3d": Predictions(prob_NK)}, label_N)
    confidence, accuracy = figure.axes[0].lines[1].get_data()
    assert np.nanmax(np.abs(np.subtract(confidence, accuracy))) < 0.15
    assert len(save(figure, tmp_path, "reliability").data) > 3000
