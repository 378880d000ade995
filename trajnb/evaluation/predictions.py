"""What networks and baselines predict for clips: made, saved and read back.

Shapes:   N clips   H future frames   K classes   track (u, v, z): u and v in frame widths, z in metres
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from trajnb import files
from trajnb.config import short
from trajnb.evaluation import metrics

REGION = 0.80  # probability of the ellipses around predicted positions
RADIUS = chi2.ppf(REGION, 2) ** 0.5  # of such an ellipse, in standard deviations


class Predictions(NamedTuple):
    """Of one model for all clips of a set, or for the first ones; None where a baseline makes none."""

    prob_NK: np.ndarray | None = None
    track_NHx3: np.ndarray | None = None
    logvar_NHx3: np.ndarray | None = None  # of (u, v, log z)


def training_runs(cfg):
    """{model: [Config of each training run]}: several when the run has several seeds."""
    seeds = range(cfg.seed, cfg.seed + cfg.seeds)
    return {model: [cfg.replace(model=model, seed=seed) for seed in seeds] for model in cfg.models}


def of_training_runs(runs, clips):
    """{name: [Predictions]} of the trained networks of {name: [Config]} for clips."""
    return {name: [of_training_run(cfg, clips) for cfg in several] for name, several in runs.items()}


def of_training_run(cfg, clips):
    """The Predictions of a trained network for clips."""
    from trajnb.models.trained import load_trained  # here: torch, which an exported network does without
    from trajnb.training import predict

    return from_output(predict(load_trained(cfg), clips, cfg))


def from_output(raw):
    """Probabilities and positions from the outputs of `training.predict`."""
    mean_NHx3 = raw["mean_NHx3"]
    track_NHx3 = np.concatenate([mean_NHx3[..., :2], np.exp(mean_NHx3[..., 2:])], axis=-1)
    return Predictions(metrics.softmax(raw["logits_NK"]), track_NHx3, raw["logvar_NHx3"])


def half_axes(logvar_x3):
    """Half axes (..., 2) in frame widths of the ellipses that hold a predicted position with probability REGION."""
    return RADIUS * np.exp(logvar_x3[..., :2] / 2)


def clips_of(predictions, test):
    """The clips that were predicted: all test clips, or the first ones."""
    return test.take(slice(len(predictions.track_NHx3 if predictions.prob_NK is None else predictions.prob_NK)))


def columns(cfg, prefix=""):
    """Names of a table's future positions: u1 v1 z1 u2 ..."""
    return [f"{prefix}{axis}{step}" for step in range(1, cfg.horizon + 1) for axis in "uvz"]


def table(predictions, test, cfg):
    """Clip by clip: index, motion, predicted class, probabilities, future (u, v, z) and log-variances of every step."""
    table = clips_of(predictions, test).table[["index", "motion"]].copy()
    if predictions.prob_NK is not None:
        table["predicted"] = np.array(cfg.motions)[predictions.prob_NK.argmax(axis=1)]
        table[[f"p_{motion}" for motion in cfg.motions]] = predictions.prob_NK
    for prefix, values in {"": predictions.track_NHx3, "log_var_": predictions.logvar_NHx3}.items():
        if values is not None:
            table[columns(cfg, prefix)] = values.reshape(len(table), -1)
    return table


def save(networks, others, clips, cfg):
    """Write a table for each of {model: [Predictions of each seed]} and {name: Predictions} into predictions/."""
    numbered = {f"{model}-s{cfg.seed + k}": one for model, several in networks.items() for k, one in enumerate(several)}
    for name, predictions in (numbered | others).items():
        path = cfg.stage_dir("evaluate") / "predictions" / f"{short(name)}.parquet"
        files.write_parquet(path, table(predictions, clips, cfg))


def load_networks(cfg):
    """{model: [Predictions of each seed]} from the files that `save` wrote; FileNotFoundError where one is missing."""
    found = {}
    for model, several in training_runs(cfg).items():
        found[model] = []
        for one in several:
            table = pd.read_parquet(cfg.stage_dir("evaluate") / "predictions" / f"{short(model)}-s{one.seed}.parquet")
            prob_NK, shape = table[[f"p_{motion}" for motion in cfg.motions]].to_numpy(), (len(table), cfg.horizon, 3)
            track, logvar = (table[columns(cfg, prefix)].to_numpy().reshape(shape) for prefix in ("", "log_var_"))
            found[model].append(Predictions(prob_NK, track, logvar))
    return found
