"""Intervals and tests: by hand, on known spreads, and a network or an architecture against its like."""

from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.evaluation import statistics
from trajnb.evaluation.predictions import Predictions
from trajnb.evaluation.statistics import SeedScores

LABELS = np.arange(800) % 4


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


def architecture(top1_S, rng, ade=3.0):
    """Training runs whose top-1 is about `top1_S`."""
    correct_SN = (rng.uniform(size=(len(top1_S), len(LABELS))) < np.array(top1_S)[:, None]).astype(float)
    return SeedScores(correct_SN, ade + rng.normal(size=correct_SN.shape) + np.linspace(0, 0.1, len(top1_S))[:, None])


def test_mean_spread_and_intervals_of_seeds():
    rng = np.random.default_rng(0)
    scores = {"a": architecture([0.7, 0.8, 0.9], rng), "b": architecture([0.8], rng)}
    row = statistics.spread(scores["a"].top1)
    assert row["seeds"] == 3
    assert (row["mean"], row["sd"]) == pytest.approx((0.8, 0.1), abs=0.03)
    half = 4.302653 * row["sd"] / 3**0.5  # t(0.975, 2)
    assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half))
    row = statistics.spread(scores["b"].top1)  # an interval over clips alone
    assert np.isnan(row["sd"])
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * (0.8 * 0.2 / 800) ** 0.5, rel=0.3)
    assert len(statistics.seed_pairs({"a": scores["b"], "b": scores["b"]})) == 0, "one seed compares no architectures"


def test_three_seeds_are_not_ranked_however_far_apart():
    rng = np.random.default_rng(0)
    scores = {"a": architecture([0.9, 0.91, 0.92], rng), "b": architecture([0.5, 0.51, 0.52], rng)}
    row = statistics.seed_pairs(scores).iloc[0]
    assert (row["score"], row["better"], row["verdict"]) == ("top1", 1, "not ranked: 3 seeds")
    assert row["low"] < row["difference"] < row["high"]


def test_welch_s_interval_by_hand():
    """Two seeds each, both 0.1 apart: standard error 0.1 / sqrt 2, two degrees of freedom, t 4.303."""
    correct = {"a": [8, 9], "b": [5, 6]}
    top1 = {name: np.stack([np.arange(10) < n for n in numbers]).astype(float) for name, numbers in correct.items()}
    row = statistics.seed_pairs({name: SeedScores(one, one) for name, one in top1.items()}).iloc[0]
    half = 4.30265273 * 0.1 / 2**0.5
    assert [row["difference"], row["low"], row["high"]] == pytest.approx([0.3, 0.3 - half, 0.3 + half])


def test_the_better_one_is_found_in_either_order():
    rng = np.random.default_rng(0)
    good, bad = (architecture(np.linspace(low, low + 0.04, 6), rng, ade) for low, ade in ((0.88, 2.0), (0.78, 4.0)))
    for pair, verdict, difference_px in (((good, bad), "first", -2), ((bad, good), "second", 2)):
        pairs = statistics.seed_pairs(dict(zip("ab", pair, strict=True)))
        assert set(pairs["verdict"]) == {verdict}, "top-1 up, ADE down"
        assert pairs["difference"][1] == pytest.approx(difference_px, abs=0.1)


def test_equal_architectures_are_hardly_ever_called_different():
    called = 0
    for turn in range(20):
        rng = np.random.default_rng(turn)
        scores = {name: architecture(rng.normal(0.85, 0.02, 5).clip(0, 1), rng) for name in "abcd"}
        pairs = statistics.seed_pairs(scores)
        called += pairs["verdict"].isin(["first", "second"]).any()
    assert called <= 4, "5 % of 20 is 1; five or more come by chance in one of 390 such tests"


def test_networks_without_spread_have_a_p_value():
    ones = SeedScores(np.ones((4, 9)), np.ones((4, 9)))
    alike = statistics.seed_pairs({"a": ones, "b": ones})
    assert alike["p"].tolist() == [1, 1] and alike["better"].tolist() == [0.5, 0.5]
    assert set(alike["verdict"]) == {"no difference shown"}
    unlike = statistics.seed_pairs({"a": ones, "b": SeedScores(0 * ones.top1, 3 * ones.ade_px)})
    assert unlike["p"].tolist() == [0, 0] and unlike[["difference", "low", "high"]].to_numpy().tolist() == [
        [1] * 3,
        [-2] * 3,
    ]
