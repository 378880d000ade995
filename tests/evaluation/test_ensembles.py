"""Ensembles: weights that find the better member, a mixture whose moments are right."""

from types import SimpleNamespace

import numpy as np
import pytest

from trajnb.evaluation import ensembles
from trajnb.evaluation.predictions import Predictions


def fitted(members, truth):
    """The Ensemble of members, with the same clips for validation and test."""
    val = SimpleNamespace(label_N=truth[0], track_NFx3=truth[1], cfg=SimpleNamespace(frames=0))
    return ensembles.fit(("a",) * len(members), members, members, val)


def test_moments_of_the_mixture_by_hand():
    low, high = (
        Predictions(np.full((1, 2), 0.5), np.full((1, 1, 3), x), np.full((1, 1, 3), np.log(v)))
        for x, v in [(1, 2), (3, 4)]
    )
    joined = ensembles.join([low, high], np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    assert joined.track_NHx3[0, 0, 0] == pytest.approx(2.5)
    assert np.exp(joined.logvar_NHx3[0, 0, 0]) == pytest.approx(0.25 * (2 + 1.5**2) + 0.75 * (4 + 0.5**2))
    assert np.log(joined.track_NHx3[0, 0, 2]) == pytest.approx(0.75 * np.log(3))


def test_weights_by_hand():
    """Two of three clips are possible under the first member alone; of certain futures each counts its own errors."""
    assert ensembles.mixture_weights(np.array([[2.0, 0.0], [0.5, 0.0], [0.0, 3.0]])) == pytest.approx([2 / 3, 1 / 3])
    assert ensembles.mixture_weights(np.array([[3.0, 1.0, 1.0]]))[0] > 0.999
    future = np.array([[[0.5, 0.5, 2.0]], [[0.5, 0.5, 3.0]], [[0.5, 0.5, 4.0]]])
    deviation = np.log(np.array([0.1, 0.1, 0.2]) ** 2) + np.zeros((3, 1, 3))
    near = Predictions(np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]]), future * [1.2, 1.4, 2.0], deviation)
    expected = -0.5 * (1 + 4 + (np.log(2) / 0.2) ** 2 + 2 * np.log(0.1) * 2 + 2 * np.log(0.2))
    assert ensembles.log_likelihood(near, future) == pytest.approx(np.full((3, 1), expected))
    far = Predictions(near.prob_NK[:, ::-1], future * [1.2, 1.4, 1.0], deviation + 200.0)
    ensemble = fitted([near, far], (np.array([0, 0, 0]), future))
    assert ensemble.class_M == pytest.approx(ensembles.mixture_weights(np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])))
    assert ensemble.future_M == pytest.approx([1, 0])


def test_each_seed_has_its_ensemble():
    one = [Predictions(np.eye(2)[[k, k]], np.full((2, 1, 3), 1.0 + k), np.zeros((2, 1, 3))) for k in (0, 1)]
    val = SimpleNamespace(label_N=np.array([0, 0]), track_NFx3=np.ones((2, 3, 3)), cfg=SimpleNamespace(frames=2))
    networks = {"a": [one[0], one[1]], "b": [one[1], one[0]]}
    found = ensembles.fit_all(networks, networks, val)
    assert list(found) == ["ensemble_all"]
    assert [each.class_M.tolist() for each in found["ensemble_all"]] == [[1, 0], [0, 1]]
    assert all(each.predictions.prob_NK.tolist() == [[1, 0], [1, 0]] for each in found["ensemble_all"])
    assert ensembles.fit_all({"a": networks["a"]}, networks, val) == {}, "a member alone is none"
    three = {name: networks["a"] for name in ("magvit", "i3d", "slowfast")}
    members = {name: each[0].members for name, each in ensembles.fit_all(three, three, val).items()}
    assert members == {"ensemble_all": ("magvit", "i3d", "slowfast"), "ensemble_magvit_i3d": ("magvit", "i3d")}
