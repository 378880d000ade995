"""Several networks as one: a mixture whose weights are chosen on validation clips.

Class probabilities are averaged; futures are mixtures of the members' Gaussians, of which mean and variance are kept
(Deep Ensembles, section 2.4, https://arxiv.org/abs/1612.01474, with weights instead of equal shares).

Shapes:   M members   N clips   H future frames   K classes
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from trajnb.evaluation.predictions import Predictions

ENSEMBLES = {"ensemble_all": None, "ensemble_magvit_i3d": ("magvit", "i3d")}  # None: every network of the run
ROUNDS = 200  # of expectation-maximisation; it moves by less than 1e-6 long before


class Weights(NamedTuple):
    """Shares (M,) of the members, each adding up to 1."""

    class_M: np.ndarray
    future_M: np.ndarray


class Ensemble(NamedTuple):
    members: tuple[str, ...]
    weights: Weights
    said: Predictions  # predictions for the test clips


def joined(on_val, on_test, val, cfg):
    """{name: [Ensemble of each seed]} of predictions {model: [Predictions of each seed]}: the networks of one seed together.

    Weights come from validation clips, predictions are for test clips.
    """
    future_NHx3, found = val.track_NFx3[:, cfg.frames :], {}
    for name, names in members(on_val).items():
        found[name] = []
        for seed in range(min(len(on_val[one]) for one in names)):
            weights = fit([on_val[one][seed] for one in names], val.label_N, future_NHx3)
            found[name].append(Ensemble(names, weights, join([on_test[one][seed] for one in names], weights)))
    return found


def shares(found):
    """A row for each ensemble and kind of prediction, a column for each member: the weights, means over seeds."""
    rows = {}
    for name, several in found.items():
        for kind in Weights._fields:
            mean_M = np.mean([getattr(one.weights, kind) for one in several], axis=0)
            rows[name, kind.removesuffix("_M")] = dict(zip(several[0].members, mean_M, strict=True))
    return pd.DataFrame(rows).T


def members(networks):
    """{ensemble: names of its members} that a run with these networks can form; a member alone is no ensemble."""
    chosen = {name: tuple(names or networks) for name, names in ENSEMBLES.items()}
    return {name: names for name, names in chosen.items() if len(names) > 1 and set(names) <= set(networks)}


def fit(said, label_N, future_NHx3) -> Weights:
    """The weights under which the mixture of `said` [Predictions of each member] makes the validation clips most likely."""
    rows = np.arange(len(label_N))
    class_NM = np.stack([one.prob_NK[rows, label_N] for one in said], axis=1)
    future_NM = np.stack([log_likelihood(one, future_NHx3) for one in said], axis=-1).reshape(-1, len(said))
    odds_NM = np.exp(future_NM - future_NM.max(axis=1, keepdims=True))
    return Weights(mixture_weights(class_NM), mixture_weights(odds_NM))


def log_likelihood(one, future_NHx3):
    """Log-density (N, H), up to a constant, of true futures (u, v, z) under one member's Gaussians of (u, v, log z)."""
    error_NHx3 = as_log(one.track_NHx3) - as_log(future_NHx3)
    return -0.5 * (error_NHx3**2 / np.exp(one.logvar_NHx3) + one.logvar_NHx3).sum(axis=-1)


def mixture_weights(likelihood_NM):
    """The shares (M,) that make data most likely, by expectation-maximisation from equal shares."""
    share_M = np.full(likelihood_NM.shape[1], 1 / likelihood_NM.shape[1])
    for _ in range(ROUNDS):
        claim_NM = share_M * np.maximum(likelihood_NM, 1e-300)
        share_M = (claim_NM / claim_NM.sum(axis=1, keepdims=True)).mean(axis=0)
    return share_M


def join(said, weights: Weights) -> Predictions:
    """What the ensemble says: averaged probabilities, and mean and variance of the mixture of futures."""
    prob_NK = np.tensordot(weights.class_M, np.stack([one.prob_NK for one in said]), axes=1)
    mean_MNHx3 = np.stack([as_log(one.track_NHx3) for one in said])
    variance_MNHx3 = np.exp(np.stack([one.logvar_NHx3 for one in said]))
    mean_NHx3 = np.tensordot(weights.future_M, mean_MNHx3, axes=1)
    variance_NHx3 = np.tensordot(weights.future_M, variance_MNHx3 + (mean_MNHx3 - mean_NHx3) ** 2, axes=1)
    track_NHx3 = np.concatenate([mean_NHx3[..., :2], np.exp(mean_NHx3[..., 2:])], axis=-1)
    return Predictions(prob_NK, track_NHx3, np.log(variance_NHx3))


def as_log(track_x3):
    """(u, v, z) -> (u, v, log z)."""
    return np.concatenate([track_x3[..., :2], np.log(track_x3[..., 2:])], axis=-1)
