"""Intervals and tests: by hand, on known spreads, and a network or an architecture against its like."""

from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t

from trajnb.config import Config
from trajnb.evaluation import statistics
from trajnb.evaluation.predictions import Predictions
from trajnb.evaluation.statistics import SeedScores


def test_holm_by_hand():
    assert statistics.holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm(np.array([0.6, 0.9])).max() == 1


def test_the_bootstrap_interval_is_that_of_the_mean():
    value_N = np.random.default_rng(0).normal(2.0, 1.0, 400)
    mean, low, high = statistics.bootstrap_interval(value_N)
    half = 1.96 * value_N.std() / 20
    assert (low, mean, high) == pytest.approx((mean - half, value_N.mean(), mean + half), abs=0.01)
    assert statistics.bootstrap_interval(value_N) == (mean, low, high), "the same resamples every time"
    assert statistics.bootstrap_interval(np.full(5, 0.7)) == (0.7, 0.7, 0.7)
    assert np.isnan(statistics.bootstrap_interval(np.array([1.0, np.nan, 2.0]))).all()


def test_a_pair_by_hand():
    """The first alone is right on three clips, the second on one; 1 px apart on average, sd sqrt(2 / 3) px."""
    test = SimpleNamespace(cfg=Config(), label_N=np.zeros(6, int), track_NFx3=np.full((6, 18, 3), 0.5))

    def off(*pixels):
        return 0.5 + np.array(pixels)[:, None, None] / 64 * [[3 / 5, 4 / 5, 9]] + np.zeros((6, 2, 3))

    first = Predictions(np.eye(2)[[0, 0, 0, 1, 0, 1]], off(3, 2, 2, 3, 4, 4))
    second = Predictions(np.eye(2)[[1, 1, 1, 0, 0, 1]], off(2, 2, 1, 1, 3, 3))
    row = statistics.comparisons({"a": [first], "b": [second]}, test).iloc[0]
    sd = np.std([1, 0, 1, 2, 1, 1], ddof=1) / 6**0.5
    expected = {"first": "a", "second": "b", "n": 6, "only_first": 3, "only_second": 1, "top1_difference": 2 / 6}
    expected |= {"top1_p": 0.625, "ade_difference_px": 1, "ade_low": 1 - 1.959964 * sd, "ade_high": 1 + 1.959964 * sd}
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["ade_p"] == pytest.approx(2 * (1 - NormalDist().cdf(1 / sd)), rel=1e-6)
    three = statistics.comparisons({"a": [first], "b": [second], "c": [first]}, test)
    assert three[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert three["top1_p"].tolist() == [1, 1, 1]
    assert three["ade_p"].tolist() == pytest.approx([3 * row["ade_p"], 1, 3 * row["ade_p"]])
    assert three.columns.tolist() == statistics.PAIR_COLUMNS
    alone = statistics.comparisons({"a": [first]}, test)
    assert alone.columns.tolist() == statistics.PAIR_COLUMNS and len(alone) == 0
    seeds = statistics.comparisons({"a": [first, second, first], "b": [second, first, second]}, test)
    assert seeds["score"].tolist() == ["top1", "ade_px"]
    assert seeds["difference"].tolist() == pytest.approx([1 / 9, 1 / 3])


def runs(*correct):
    """Scores of training runs that are right on so many of ten clips, each of those 2 px nearer than the others."""
    top1_SN = np.stack([np.arange(10) < count for count in correct]).astype(float)
    return SeedScores(top1_SN, 5 - 2 * top1_SN)


def test_mean_spread_and_intervals_of_seeds():
    half = 4.302653 * 0.1 / 3**0.5  # t(0.975, 2)
    expected = {"seeds": 3, "mean": 0.8, "least": 0.7, "largest": 0.9, "sd": 0.1, "low": 0.8 - half, "high": 0.8 + half}
    assert statistics.spread(runs(7, 8, 9).top1) == pytest.approx(expected)
    half = 1.959964 * np.sqrt(0.8 * 0.2 / 9)  # an interval over clips alone
    expected = {"seeds": 1, "mean": 0.8, "least": 0.8, "largest": 0.8, "sd": np.nan, "low": 0.8 - half}
    row = statistics.spread(runs(8).top1)
    assert row == pytest.approx(expected | {"high": 0.8 + half}, nan_ok=True)
    assert len(statistics.seed_pairs({"a": runs(8), "b": runs(8)})) == 0, "one seed compares no architectures"


def test_three_seeds_by_hand_are_not_ranked_however_far_apart():
    """Deviations of 0.2 and 0.1 leave Welch's 50 / 17 degrees of freedom; p is doubled, as there are two scores."""
    row = statistics.seed_pairs({"a": runs(6, 8, 10), "b": runs(0, 1, 2)}).iloc[0]
    error, freedom = ((0.2**2 + 0.1**2) / 3) ** 0.5, 50 / 17
    half = t.ppf(0.975, freedom) * error
    assert [row["difference"], row["low"], row["high"]] == pytest.approx([0.7, 0.7 - half, 0.7 + half])
    assert row["p"] == pytest.approx(2 * 2 * t.sf(0.7 / error, freedom)) and row["p"] < statistics.ALPHA
    assert (row["score"], row["better"], row["verdict"]) == ("top1", 1, "not ranked: 3 seeds")


def test_the_better_one_is_found_in_either_order():
    good, bad = runs(8, 9, 9, 8), runs(5, 6, 6, 5)
    for pair, verdict, sign in (((good, bad), "first", 1), ((bad, good), "second", -1)):
        pairs = statistics.seed_pairs(dict(zip("ab", pair, strict=True)))
        assert set(pairs["verdict"]) == {verdict}, "top-1 up, ADE down"
        assert pairs["difference"].tolist() == pytest.approx([0.3 * sign, -0.6 * sign])
    near = statistics.seed_pairs({"a": good, "b": runs(7, 7, 9, 8)})
    assert near["better"].tolist() == [0.75, 0.75]
    assert set(near["verdict"]) == {"no difference shown"}, "likely, but not significant"


def test_networks_without_spread_have_a_p_value():
    ones = SeedScores(np.ones((4, 9)), np.ones((4, 9)))
    alike = statistics.seed_pairs({"a": ones, "b": ones})
    assert alike["p"].tolist() == [1, 1] and alike["better"].tolist() == [0.5, 0.5]
    assert set(alike["verdict"]) == {"no difference shown"}
    unlike = statistics.seed_pairs({"a": ones, "b": SeedScores(0 * ones.top1, 3 * ones.ade_px)})
    assert unlike["p"].tolist() == [0, 0]
    assert unlike[["difference", "low", "high"]].to_numpy().tolist() == [[1] * 3, [-2] * 3]
