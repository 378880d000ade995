"""Paired comparisons: by hand, and a network against itself."""

from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.evaluation import comparisons
from trajnb.evaluation.leaderboard import Predictions

CFG = Config()


class Clips(SimpleNamespace):
    def __len__(self):
        return len(self.label_N)


@pytest.fixture
def test():
    rng = np.random.default_rng(0)
    return Clips(label_N=np.arange(400) % 4, track_NFx3=rng.uniform(1.2, 1.8, (400, 21, 3)))


def network(test, wrong, error_px, seed):
    """Names the first `wrong` clips (in an order of its own) falsely; errs by `error_px` on average."""
    rng = np.random.default_rng(seed)
    label_N = test.label_N.copy()
    rows = rng.permutation(len(label_N))[:wrong]
    label_N[rows] = (label_N[rows] + 1) % 4
    future = test.track_NFx3[:, 16:] + rng.normal(0, error_px / 64, (len(label_N), 5, 3))
    return Predictions(np.eye(4)[label_N], future)


def test_one_against_itself_shows_nothing(test):
    one = network(test, 40, 1.0, 1)
    row = comparisons.pairs({"a": one, "b": one}, test, CFG).iloc[0]
    assert (row["top1_difference"], row["top1_p"], row["ade_p"]) == (0, 1, 1)


def test_mcnemar_by_hand(test):
    """20 clips that only the first names right against 0: two coin series, 2 x 2^-20."""
    good, bad = network(test, 0, 1.0, 1), network(test, 20, 1.0, 1)
    row = comparisons.pairs({"good": good, "bad": bad}, test, CFG).iloc[0]
    assert (row["only_first"], row["only_second"]) == (20, 0)
    assert row["top1_difference"] == pytest.approx(0.05)
    assert row["top1_p"] == pytest.approx(2 * 0.5**20)


def test_difference_of_errors_has_its_sign_and_interval(test):
    row = comparisons.pairs({"near": network(test, 0, 1.0, 1), "far": network(test, 0, 2.0, 2)}, test, CFG).iloc[0]
    assert row["ade_low"] < row["ade_difference_px"] < row["ade_high"] < 0
    assert row["ade_p"] < 1e-6


def test_holm_by_hand():
    assert comparisons.holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert comparisons.holm(np.array([0.6, 0.9])).max() == 1


def test_equal_networks_are_rarely_called_different(test):
    """A against A with other mistakes: at most about 5 % of 200 draws below 0.05."""
    false = 0
    for seed in range(200):
        row = comparisons.pair(("a", "b"), [network(test, 60, 1, seed), network(test, 60, 1, 1000 + seed)], test, CFG)
        false += row["ade_p"] < 0.05
        false += row["top1_p"] < 0.05
    assert false / 400 < 0.09


def test_a_pair_by_hand():
    """The first alone is right on three clips, the second on one; 1 px apart on average, sd sqrt(2 / 3) px."""
    test = Clips(label_N=np.zeros(6, int), track_NFx3=np.full((6, 18, 3), 0.5))

    def off(*pixels):
        return 0.5 + np.array(pixels)[:, None, None] / 64 * [[3 / 5, 4 / 5, 9]] + np.zeros((6, 2, 3))

    first = Predictions(np.eye(2)[[0, 0, 0, 1, 0, 1]], off(3, 2, 2, 3, 4, 4))
    second = Predictions(np.eye(2)[[1, 1, 1, 0, 0, 1]], off(2, 2, 1, 1, 3, 3))
    row = comparisons.pair(("a", "b"), [first, second], test, CFG)
    sd = np.std([1, 0, 1, 2, 1, 1], ddof=1) / 6**0.5
    expected = {"first": "a", "second": "b", "n": 6, "only_first": 3, "only_second": 1, "top1_difference": 2 / 6}
    expected |= {"top1_p": 0.625, "ade_difference_px": 1, "ade_low": 1 - 1.959964 * sd, "ade_high": 1 + 1.959964 * sd}
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["ade_p"] == pytest.approx(2 * (1 - NormalDist().cdf(1 / sd)), rel=1e-6)
    three = comparisons.pairs({"a": first, "b": second, "c": first}, test, CFG)
    assert three[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert three["top1_p"].tolist() == [1, 1, 1]
    assert three["ade_p"].tolist() == pytest.approx([3 * row["ade_p"], 1, 3 * row["ade_p"]])
    assert three.columns.tolist() == comparisons.COLUMNS
