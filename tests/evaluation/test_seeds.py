"""Statistics over seeds: known kinds, known spreads, and no kind ever better than its like."""

import numpy as np
import pytest

from trajnb.evaluation import seeds

LABELS = np.arange(800) % 4


def kind(top1_S, rng, ade=3.0):
    """Trainings whose top-1 is about `top1_S`."""
    right_SN = (rng.uniform(size=(len(top1_S), len(LABELS))) < np.array(top1_S)[:, None]).astype(float)
    return seeds.Trained(right_SN, ade + rng.normal(size=right_SN.shape) + np.linspace(0, 0.1, len(top1_S))[:, None])


def tables(kinds):
    return seeds.table(kinds, 0.25), seeds.pairs(kinds)


def test_mean_spread_and_intervals_of_seeds():
    rng = np.random.default_rng(0)
    table, pairs = tables({"a": kind([0.7, 0.8, 0.9], rng)})
    row = table[table["score"] == "top1"].iloc[0]
    assert (row["seeds"], row["n"], row["failed"]) == (3, 800, 0)
    assert row["mean"] == pytest.approx(0.8, abs=0.03)
    assert row["sd"] == pytest.approx(0.1, abs=0.03)
    half = 4.302653 * row["sd"] / 3**0.5  # t(0.975, 2)
    assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half))
    assert len(pairs) == 0


def test_one_training_has_an_interval_over_clips_alone():
    table, pairs = tables({"a": kind([0.8], np.random.default_rng(0)), "b": kind([0.8], np.random.default_rng(1))})
    row = table.iloc[0]
    assert np.isnan(row["sd"])
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * (0.8 * 0.2 / 800) ** 0.5, rel=0.3)
    assert len(pairs) == 0


def test_a_training_that_learned_nothing_is_counted_and_stays_in_the_mean():
    table, _ = tables({"a": kind([0.9, 0.9, 0.24], np.random.default_rng(0))})
    row = table[table["score"] == "top1"].iloc[0]
    assert row["failed"] == 1
    assert row["mean"] == pytest.approx(0.68, abs=0.03)


def test_three_seeds_are_not_ranked_however_far_apart():
    rng = np.random.default_rng(0)
    _, pairs = tables({"a": kind([0.9, 0.91, 0.92], rng), "b": kind([0.5, 0.51, 0.52], rng)})
    row = pairs[pairs["score"] == "top1"].iloc[0]
    assert row["better"] == 1
    assert row["verdict"] == "not ranked: 3 seeds"
    assert row["low"] < row["difference"] < row["high"]


def test_what_is_better_is_called_so_whichever_stands_first():
    rng = np.random.default_rng(0)
    good, bad = kind(np.linspace(0.88, 0.92, 6), rng, ade=2.0), kind(np.linspace(0.78, 0.82, 6), rng, ade=4.0)
    for kinds, verdict in (({"good": good, "bad": bad}, "first"), ({"bad": bad, "good": good}, "second")):
        _, pairs = tables(kinds)
        assert set(pairs["verdict"]) == {verdict}, "top-1 up, ADE down"
        ade = pairs[pairs["score"] == "ade_px"].iloc[0]
        assert abs(ade["difference"]) == pytest.approx(2, abs=0.1)


def test_equal_kinds_are_hardly_ever_called_different():
    called = 0
    for turn in range(40):
        rng = np.random.default_rng(turn)
        kinds = {name: kind(rng.normal(0.85, 0.02, 5).clip(0, 1), rng) for name in "abcd"}
        _, pairs = tables(kinds)
        called += pairs["verdict"].isin(["first", "second"]).any()
    assert called <= 6, "5 % of 40 are 2; seven or more come by chance in one of 230 such tests"


def test_networks_without_spread_have_a_p_value():
    assert seeds.welch(np.ones(3), np.ones(3)) == 1
    assert seeds.welch(np.ones(3), np.zeros(3)) == 0
    assert seeds.probability(np.ones(3), np.ones(3)) == 0.5
