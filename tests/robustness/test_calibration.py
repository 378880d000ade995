"""Calibration: simulated networks whose honesty is known."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.evaluation import metrics
from trajnb.evaluation.predictions import Predictions
from trajnb.robustness import calibration


def simulated(n, sureness, seed=0):
    """Class probabilities (N, 4) and labels of a network whose logits are `sureness` times the honest ones."""
    rng = np.random.default_rng(seed)
    logits_NK = 2.5 * rng.normal(size=(n, 4))
    label_N = (metrics.softmax(logits_NK).cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return metrics.softmax(sureness * logits_NK), label_N


def sure_and_right(prob_NK, label_N):
    return prob_NK.max(axis=1), prob_NK.argmax(axis=1) == label_N


@pytest.mark.parametrize("sureness", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_what_was_done(sureness):
    assert calibration.temperature(*simulated(20_000, sureness)) == pytest.approx(sureness, rel=0.05)


def test_the_temperature_sees_probabilities_however_small():
    """One clip in a hundred is wrong by 60 nats; clamped at 1e-12 it would count as 28."""
    logits_NK = np.zeros((1000, 4))
    logits_NK[:, 0] = 60.0
    label_N = np.where(np.arange(1000) % 100, 0, 1)
    best = 60 / np.log(0.99 / (0.01 / 3))  # where softmax gives class 0 its share of 0.99, up to the three others' tie
    assert calibration.temperature(metrics.softmax(logits_NK), label_N) == pytest.approx(best, rel=0.02)


def test_a_temperature_changes_no_name_and_one_changes_nothing():
    prob_NK, _ = simulated(500, 2.0)
    assert np.array_equal(calibration.tempered(prob_NK, 3.0).argmax(axis=1), prob_NK.argmax(axis=1))
    assert calibration.tempered(prob_NK, 1.0) == pytest.approx(prob_NK)


def test_an_honest_network_has_no_error_on_average_where_the_plain_one_has():
    many = [simulated(1000, 1.0, seed) for seed in range(60)]
    squares = [calibration.square_error(*sure_and_right(*one)) for one in many]
    assert abs(np.mean(squares)) < 3 * np.std(squares) / 60**0.5, "free of bias"
    assert np.mean([metrics.ece(*one) for one in many]) > 0.02, "the plain error is not"


def test_the_interval_holds_the_true_error(monkeypatch):
    monkeypatch.setattr(calibration, "RESAMPLES", 150)
    true = np.mean([calibration.square_error(*sure_and_right(*simulated(200_000, 1.3, s))) for s in range(3)]) ** 0.5
    found = [calibration.error_interval(*sure_and_right(*simulated(2000, 1.3, s))) for s in range(40)]
    assert np.mean([low <= true <= high for _, low, high in found]) >= 0.85
    assert np.mean([low > 0 for _, low, _ in found]) > 0.7, "and shows that there is one"


def test_selective_risk_falls_where_doubt_is_honest_and_ends_at_the_error():
    prob_NK, label_N = simulated(5000, 1.0)
    share_N, wrong_N = calibration.risk(prob_NK, label_N)
    assert wrong_N[-1] == pytest.approx(1 - metrics.top1(prob_NK, label_N))
    assert wrong_N[1000] < wrong_N[2500] < wrong_N[-1]
    assert share_N[-1] == 1


def test_the_brier_score_is_the_mean_square():
    prob_NK, label_N = simulated(300, 1.0)
    row = calibration.row(prob_NK, label_N)
    assert row["brier"] == pytest.approx(((prob_NK - np.eye(4)[label_N]) ** 2).sum(axis=1).mean())
    assert row["n"] == 300


class Clips:
    """Tracks alone."""

    def __init__(self, rng, n, cfg):
        self.track_NFx3, self.label_N = rng.normal(size=(n, cfg.frames + cfg.horizon, 3)), rng.integers(4, size=n)


def test_regions_cover_and_their_size_is_told():
    cfg, rng = Config(), np.random.default_rng(0)
    val, test = Clips(rng, 3000, cfg), Clips(rng, 3000, cfg)

    def said(clips, claimed):
        prob_NK = np.full((3000, 4), 0.25)
        true_NHx3 = clips.track_NFx3[:, cfg.frames :]
        return Predictions(
            prob_NK, true_NHx3 + 0.1 * rng.normal(size=true_NHx3.shape), np.full(true_NHx3.shape, np.log(claimed**2))
        )

    found = calibration.regions({"a": said(val, 0.05)}, {"a": said(test, 0.05)}, val, test, cfg)
    own, fitted = (found[(found["regions"] == kind) & (found["claimed"] == 0.8)] for kind in ("own", "calibrated"))
    assert own["covered"].max() < 0.45, "half the true deviation is claimed"
    assert fitted["covered"].to_numpy() == pytest.approx(0.8, abs=0.03)
    assert fitted["radius_px"].to_numpy() == pytest.approx(0.1 * cfg.size * (-2 * np.log(0.2)) ** 0.5, rel=0.05)
    assert found["step"].max() == cfg.horizon


def test_each_network_is_shown_as_it_is_and_scaled():
    prob_NK, label_N = simulated(2000, 2.0)
    said, clips = Predictions(prob_NK), type("Clips", (), {"label_N": label_N})
    table = calibration.table({"a": said}, calibration.scaled({"a": said}, {"a": said}, clips), clips)
    raw, scaled = table.iloc[0], table.iloc[1]
    assert scaled["rms_error"] < raw["rms_low"]
    assert scaled["nll"] < raw["nll"]
    assert scaled["aurc"] == pytest.approx(raw["aurc"], rel=0.1)
