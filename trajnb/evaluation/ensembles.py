"""Several networks as one: a mixture whose weights are chosen on validation clips.

Class probabilities are averaged; of the mixture of the members' Gaussians mean and variance are kept (Deep Ensembles,
section 2.4, https://arxiv.org/abs/1612.01474, with weights instead of equal shares).

Shapes:   M members   N clips   H future frames   K classes
"""

from typing import NamedTuple

import numpy as np

from trajnb.evaluation import metrics
from trajnb.evaluation.predictions import Predictions

ENSEMBLES = {"ensemble_all": (), "ensemble_magvit_i3d": ("magvit", "i3d")}  # (): every network of the run
ROUNDS = 200  # of expectation-maximisation; it moves by less than 1e-6 long before


class Ensemble(NamedTuple):
    """One seed's: weights (M,) of the members' classes and futures, each adding up to 1; predictions for test clips."""

    members: tuple[str, ...]
    class_M: np.ndarray
    future_M: np.ndarray
    predictions: Predictions


def fit_all(on_val, on_test, val):
    """{name: [Ensemble of each seed]} of networks {model: [Predictions of each seed]}: those of one seed together.

    Weights come from predictions for validation clips; a member alone is no ensemble.
    """
    found = {}
    for name, members in ENSEMBLES.items():
        members = tuple(members or on_val)
        if len(members) > 1 and set(members) <= set(on_val):
            seeds = zip(*([*zip(on_val[m], on_test[m], strict=True)] for m in members), strict=True)
            found[name] = [fit(members, *zip(*of_seed, strict=True), val) for of_seed in seeds]
    return found


def fit(members, on_val, on_test, val):
    """The Ensemble of members under whose weights the mixture makes the validation clips most likely."""
    class_NM = np.stack([one.prob_NK[np.arange(len(val.label_N)), val.label_N] for one in on_val], axis=1)
    future_NM = np.stack([log_likelihood(one, metrics.future(val)).ravel() for one in on_val], axis=1)
    odds_NM = np.exp(future_NM - future_NM.max(axis=1, keepdims=True))
    weights = mixture_weights(class_NM), mixture_weights(odds_NM)
    return Ensemble(members, *weights, join(on_test, *weights))


def log_likelihood(predictions, future_NHx3):
    """Log-density (N, H), up to a constant, of true futures (u, v, z) under one member's Gaussians of (u, v, log z)."""
    error_NHx3 = as_log(predictions.track_NHx3) - as_log(future_NHx3)
    return -0.5 * (error_NHx3**2 / np.exp(predictions.logvar_NHx3) + predictions.logvar_NHx3).sum(axis=-1)


def mixture_weights(likelihood_NM):
    """The shares (M,) that make data most likely, by expectation-maximisation from equal shares."""
    share_M = np.full(likelihood_NM.shape[1], 1 / likelihood_NM.shape[1])
    for _ in range(ROUNDS):
        joint_NM = share_M * np.maximum(likelihood_NM, 1e-300)
        share_M = (joint_NM / joint_NM.sum(axis=1, keepdims=True)).mean(axis=0)
    return share_M


def join(members, class_M, future_M) -> Predictions:
    """Averaged probabilities, and mean and variance of the mixture of futures."""
    prob_NK = np.tensordot(class_M, np.stack([one.prob_NK for one in members]), axes=1)
    mean_MNHx3 = np.stack([as_log(one.track_NHx3) for one in members])
    variance_MNHx3 = np.exp(np.stack([one.logvar_NHx3 for one in members]))
    mean_NHx3 = np.tensordot(future_M, mean_MNHx3, axes=1)
    variance_NHx3 = np.tensordot(future_M, variance_MNHx3 + (mean_MNHx3 - mean_NHx3) ** 2, axes=1)
    track_NHx3 = np.concatenate([mean_NHx3[..., :2], np.exp(mean_NHx3[..., 2:])], axis=-1)
    return Predictions(prob_NK, track_NHx3, np.log(variance_NHx3))


def as_log(track_x3):
    """(u, v, z) -> (u, v, log z)."""
    return np.concatenate([track_x3[..., :2], np.log(track_x3[..., 2:])], axis=-1)
