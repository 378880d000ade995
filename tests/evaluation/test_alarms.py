"""Alarms: each goes off where it must, with clips enough to tell, and none does on a plausible leaderboard."""

import numpy as np
import pandas as pd
import pytest

from trajnb.evaluation import alarms, metrics

PLAUSIBLE = {"model": "i3d", "n_test": 10_000, "test_top1": 0.97, "ece": 0.01, "least_named": 0.24}
PLAUSIBLE |= {"n_val": 1500, "train_top1": 0.98, "val_top1": 0.97, "train_loss": -0.4, "val_loss": -0.3}
BASELINES = [{"model": "chance", "test_top1": 0.25}, {"model": "true_oracle", "test_top1": 0.98}]


def found(**changes):
    return alarms.sentences(pd.DataFrame([PLAUSIBLE | changes, *BASELINES]), ["i3d"])


def test_a_plausible_row_raises_none():
    assert found() == []


def test_empty_cells_and_missing_columns_raise_none():
    empty = dict.fromkeys(["ece", "least_named", "n_val", "train_top1", "val_top1", "train_loss", "val_loss"], np.nan)
    assert found(**empty) == []
    table = pd.DataFrame([PLAUSIBLE, *BASELINES])[["model", "n_test", "test_top1"]]
    assert alarms.sentences(table, ["i3d"]) == [], "a leaderboard of an older version"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_top1": 0.23}, "significantly below chance (0.230 against 0.250)"),
        ({"test_top1": 0.99}, "beyond the true oracle (0.990 against 0.980"),
        ({"ade_over_pixel_oracle": 0.9}, "predicts positions better than the pixel oracle (0.90 of"),
        ({"val_top1": 0.80}, "far better on training clips than on validation clips (top-1 0.980 against 0.800)"),
        ({"val_loss": 0.3}, "far lower loss on training clips than on validation clips (-0.40 against 0.30 nats)"),
        ({"least_named": 0.01}, "hardly ever predicts one of the classes (1.00% of the predictions, 25%"),
        ({"ece": 0.08}, "is miscalibrated (calibration error 0.080, above 0.065)"),
    ],
)
def test_each_alarm(changes, words):
    (sentence,) = found(**changes)
    assert sentence.startswith("ALARM: i3d ")
    assert words in sentence


def test_passing_the_pixel_oracle_alone_is_an_alarm_too():
    table = pd.DataFrame([PLAUSIBLE, *BASELINES, {"model": "pixel_oracle", "test_top1": 0.90}])
    (sentence,) = alarms.sentences(table, ["i3d"])
    assert "is beyond the pixel oracle (0.970 against 0.900" in sentence
    table.loc[table["model"] == "pixel_oracle", "test_top1"] = 0.966
    assert alarms.sentences(table, ["i3d"]) == [], "within three standard errors"


def test_too_few_clips_raise_none():
    for changes in ({"test_top1": 0.23}, {"test_top1": 0.99}, {"ece": 0.08}):
        assert found(n_test=400, **changes) == []
    for changes in ({"val_top1": 0.85}, {"val_loss": 0.3}):
        assert found(n_val=60, **changes) == []


@pytest.mark.parametrize("n", [200, 1000, 10_000])
def test_an_honest_calibration_is_never_called_broken(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        prob_NK = rng.dirichlet(np.ones(4) * rng.choice([0.2, 1.0, 5.0]), n)
        label_N = (prob_NK.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        ece = metrics.ece(prob_NK, label_N)
        assert not [alarm for alarm in found(ece=ece, n_test=n, test_top1=0.9) if "miscalibrated" in alarm]


def controls(**rows):
    """Alarms of an honest network's controls: name=(top-1, class NLL)."""
    others = [{"model": n, "n_test": 1000, "test_top1": top1, "test_nll": nll} for n, (top1, nll) in rows.items()]
    table = pd.DataFrame([PLAUSIBLE, BASELINES[0] | {"test_nll": np.log(4)}, *others])
    return alarms.sentences(table, ["i3d"])


def test_a_network_that_classifies_shuffled_clips_does_not_use_motion():
    (alarm,) = controls(i3d_shuffled=(0.96, 0.1))
    assert "i3d_shuffled classifies shuffled clips as well as clips in order (0.960 against 0.970 in order)" in alarm
    assert controls(i3d_shuffled=(0.45, 1.2), i3d_reversed=(0.96, 0.1)) == []


def test_permuted_labels_that_come_true_are_an_alarm_and_an_accident_is_none():
    (alarm,) = controls(i3d_trained_permuted=(0.9, 0.3))
    assert "was trained on permuted labels and is sure of the true ones (class NLL 0.30, 1.39 is a guess)" in alarm
    assert controls(i3d_trained_permuted=(0.5, 1.37)) == [], "two motions may have got their own name"
    assert controls(i3d_trained_permuted=(0.1, 1.41)) == []
