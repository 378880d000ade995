"""Calibration: simulated networks whose calibration error is known."""

import numpy as np
import pytest

from trajnb.evaluation import metrics
from trajnb.evaluation.predictions import Predictions
from trajnb.robustness import calibration


def simulated(n, factor, seed=0):
    """Class probabilities (N, 4) and labels of a network whose logits are `factor` times the calibrated ones."""
    rng = np.random.default_rng(seed)
    logits_NK = 2.5 * rng.normal(size=(n, 4))
    label_N = (metrics.softmax(logits_NK).cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return metrics.softmax(factor * logits_NK), label_N


def confidence_and_correct(prob_NK, label_N):
    return prob_NK.max(axis=1), prob_NK.argmax(axis=1) == label_N


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


def test_a_temperature_changes_no_predicted_class_and_one_changes_nothing():
    prob_NK, _ = simulated(500, 2.0)
    assert np.array_equal(calibration.tempered(prob_NK, 3.0).argmax(axis=1), prob_NK.argmax(axis=1))
    assert calibration.tempered(prob_NK, 1.0) == pytest.approx(prob_NK)


def test_the_error_of_a_calibrated_network_is_zero_on_average_where_the_plain_one_is_not():
    many = [simulated(1000, 1.0, seed) for seed in range(60)]
    squares = [calibration.squared_error(*confidence_and_correct(*one)) for one in many]
    assert abs(np.mean(squares)) < 3 * np.std(squares) / 60**0.5, "unbiased"
    assert np.mean([metrics.ece(*one) for one in many]) > 0.02, "the plain error is biased"


def test_the_interval_holds_the_true_error(monkeypatch):
    monkeypatch.setattr(calibration, "RESAMPLES", 150)
    large = [calibration.squared_error(*confidence_and_correct(*simulated(200_000, 1.3, s))) for s in range(3)]
    true = np.mean(large) ** 0.5
    found = [calibration.error_interval(*confidence_and_correct(*simulated(2000, 1.3, s))) for s in range(40)]
    assert np.mean([low <= true <= high for _, low, high in found]) >= 0.85
    assert np.mean([low > 0 for _, low, _ in found]) > 0.7, "and shows that there is one"


def test_selective_risk_falls_with_confidence_and_ends_at_the_error_rate():
    prob_NK, label_N = simulated(5000, 1.0)
    share_N, risk_N = calibration.selective_risk(prob_NK, label_N)
    assert risk_N[-1] == pytest.approx(1 - metrics.top1(prob_NK, label_N))
    assert risk_N[1000] < risk_N[2500] < risk_N[-1]
    assert share_N[-1] == 1


def test_each_network_has_a_raw_and_a_scaled_row():
    prob_NK, label_N = simulated(2000, 2.0)
    predictions, clips = {"i3d": Predictions(prob_NK)}, type("Clips", (), {"label_N": label_N})
    table = calibration.table(predictions, predictions, clips, clips)
    assert table["probabilities"].tolist() == ["raw", "scaled"]
    raw, scaled = table.iloc[0], table.iloc[1]
    assert scaled["calibration_error"] < raw["calibration_error_low"]
    assert scaled["nll"] < raw["nll"]
    assert scaled["aurc"] == pytest.approx(raw["aurc"], rel=0.1)
    assert raw["brier"] == pytest.approx(((prob_NK - np.eye(4)[label_N]) ** 2).sum(axis=1).mean())
