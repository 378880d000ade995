"""Several networks as one: the mean of their class probabilities, and of their Gaussians' mixture mean and variance.

Source:   Deep Ensembles, section 2.4, https://arxiv.org/abs/1612.01474, with members of different architectures.
"""

import numpy as np

from trajnb.evaluation.predictions import Predictions

MEMBERS = {"ensemble_all": (), "ensemble_magvit_i3d": ("magvit", "i3d")}  # (): every network of the run


def of_run(models):
    """{name: members} of the ensembles that a run of these models has; a member alone is no ensemble."""
    found = {name: members or tuple(models) for name, members in MEMBERS.items()}
    return {name: members for name, members in found.items() if len(members) > 1 and set(members) <= set(models)}


def join_all(networks):
    """{name: [Predictions of each seed]} from networks {model: [Predictions of each seed]}, a seed at a time."""
    joined = {}
    for name, members in of_run(networks).items():
        joined[name] = [join(of_seed) for of_seed in zip(*(networks[model] for model in members), strict=True)]
    return joined


def join(members) -> Predictions:
    """The Predictions of the mixture of members [Predictions] with equal shares."""
    track_MNHx3 = np.stack([one.track_NHx3 for one in members])
    mean_MNHx3 = np.concatenate([track_MNHx3[..., :2], np.log(track_MNHx3[..., 2:])], axis=-1)  # (u, v, log z)
    variance_MNHx3 = np.exp(np.stack([one.logvar_NHx3 for one in members]))
    mean_NHx3 = mean_MNHx3.mean(axis=0)
    variance_NHx3 = (variance_MNHx3 + (mean_MNHx3 - mean_NHx3) ** 2).mean(axis=0)
    track_NHx3 = np.concatenate([mean_NHx3[..., :2], np.exp(mean_NHx3[..., 2:])], axis=-1)
    return Predictions(np.mean([one.prob_NK for one in members], axis=0), track_NHx3, np.log(variance_NHx3))
