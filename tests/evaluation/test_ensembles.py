"""Ensembles: a mixture whose moments are right, of the networks of one seed."""

import numpy as np
import pytest

from trajnb.evaluation import ensembles
from trajnb.evaluation.predictions import Predictions


def test_moments_of_the_mixture_by_hand():
    """Futures in (u, v, log z), so that z is a geometric mean."""
    low, high = (
        Predictions(np.array([[p, 1 - p]]), np.full((1, 1, 3), x), np.full((1, 1, 3), np.log(v)))
        for p, x, v in [(0.5, 1, 2), (0.9, 3, 4)]
    )
    joined = ensembles.join([low, high])
    assert joined.prob_NK == pytest.approx(np.array([[0.7, 0.3]]))
    assert joined.track_NHx3[0, 0] == pytest.approx([2, 2, 3**0.5])
    assert np.exp(joined.logvar_NHx3[0, 0, 0]) == pytest.approx(0.5 * (2 + 1) + 0.5 * (4 + 1))
    assert np.exp(joined.logvar_NHx3[0, 0, 2]) == pytest.approx(3 + (np.log(3) / 2) ** 2)


def test_each_seed_has_its_ensemble():
    one = [Predictions(np.eye(2)[[k, k]], np.full((2, 1, 3), 1.0 + k), np.zeros((2, 1, 3))) for k in (0, 1)]
    found = ensembles.join_all({"a": [one[0], one[1]], "b": [one[0], one[0]]})
    assert list(found) == ["ensemble_all"]
    assert [each.prob_NK[0].tolist() for each in found["ensemble_all"]] == [[1, 0], [0.5, 0.5]]


def test_which_ensembles_a_run_has():
    assert ensembles.of_run(["i3d"]) == {}, "a member alone is none"
    assert ensembles.of_run(["i3d", "slowfast"]) == {"ensemble_all": ("i3d", "slowfast")}
    three = ["magvit", "i3d", "slowfast"]
    assert ensembles.of_run(three) == {"ensemble_all": tuple(three), "ensemble_magvit_i3d": ("magvit", "i3d")}
