"""Ensembles: weights that find the better member, a mixture whose moments are right."""

import numpy as np
import pytest

from trajnb.evaluation import ensembles
from trajnb.evaluation.leaderboard import Said


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    future_NHx3 = np.stack([rng.uniform(0, 1, (500, 5)), rng.uniform(0, 1, (500, 5)), rng.uniform(2, 4, (500, 5))], -1)
    return rng.integers(0, 4, 500), future_NHx3


def member(truth, right, error, seed):
    """A network that gives the true class the probability `right` and errs by `error`, which it knows."""
    label_N, future_NHx3 = truth
    prob_NK = np.full((500, 4), (1 - right) / 3)
    prob_NK[np.arange(500), label_N] = right
    noise = np.random.default_rng(seed).normal(0, error, future_NHx3.shape)
    track_NHx3 = np.concatenate(
        [future_NHx3[..., :2] + noise[..., :2], future_NHx3[..., 2:] * np.exp(noise[..., 2:])], -1
    )
    return Said(prob_NK, track_NHx3, np.full(future_NHx3.shape, 2 * np.log(error)))


def test_weights_go_to_the_member_that_knows(truth):
    weights = ensembles.fit([member(truth, 0.9, 0.01, 1), member(truth, 0.3, 0.2, 2)], *truth)
    assert weights.class_M[0] > 0.99
    assert weights.future_M[0] > 0.95
    assert weights.class_M.sum() == pytest.approx(1)


def test_equals_share_alike(truth):
    weights = ensembles.fit([member(truth, 0.7, 0.05, 1), member(truth, 0.7, 0.05, 2)], *truth)
    assert weights.class_M == pytest.approx([0.5, 0.5], abs=0.01)
    assert weights.future_M == pytest.approx([0.5, 0.5], abs=0.1)


def test_independent_errors_average_out(truth):
    said = [member(truth, 0.7, 0.05, seed) for seed in range(4)]
    joined = ensembles.join(said, ensembles.fit(said, *truth))
    error, alone = (np.abs(one.track_NHx3 - truth[1])[..., :2].mean() for one in (joined, said[0]))
    assert error < 0.6 * alone
    assert joined.prob_NK.sum(axis=1) == pytest.approx(1)


def test_moments_of_the_mixture_by_hand():
    low, high = (
        Said(np.full((1, 2), 0.5), np.full((1, 1, 3), x), np.full((1, 1, 3), np.log(v))) for x, v in [(1, 2), (3, 4)]
    )
    joined = ensembles.join([low, high], ensembles.Weights(np.array([0.5, 0.5]), np.array([0.25, 0.75])))
    assert joined.track_NHx3[0, 0, 0] == pytest.approx(2.5)
    assert np.exp(joined.logvar_NHx3[0, 0, 0]) == pytest.approx(0.25 * (2 + 1.5**2) + 0.75 * (4 + 0.5**2))
    assert np.log(joined.track_NHx3[0, 0, 2]) == pytest.approx(0.75 * np.log(3))


def test_only_ensembles_whose_members_are_there():
    assert ensembles.members(["transformer"]) == {}
    assert ensembles.members(["i3d", "transformer"]) == {"ensemble_all": ("i3d", "transformer")}
    assert ensembles.members(["magvit", "i3d", "slowfast"])["ensemble_magvit_i3d"] == ("magvit", "i3d")
