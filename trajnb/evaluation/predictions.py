"""What networks and baselines predict for clips: made, saved and read back.

Shapes:   N clips   H future frames   K classes   track (u, v, z): u and v in frame widths, z in metres
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from trajnb import files
from trajnb.evaluation import metrics
from trajnb.models.trained import load_trained
from trajnb.training import predict


class Predictions(NamedTuple):
    """What one contender says about every test clip, or about the first ones; None where it says nothing."""

    prob_NK: np.ndarray | None = None
    track_NHx3: np.ndarray | None = None
    logvar_NHx3: np.ndarray | None = None  # of (u, v, log z)


def training_runs(cfg):
    """{model: [Config of each of its trainings]}: several when the run has several seeds."""
    wanted = range(cfg.seed, cfg.seed + cfg.seeds)
    return {model: [cfg.replace(model=model, seed=seed) for seed in wanted] for model in cfg.models}


def of_training_run(cfg, test):
    """Predictions (Predictions) of the trained network of one training run for test clips."""
    return from_output(predict(load_trained(cfg), test, cfg))


def from_output(predictions):
    """Raw predictions (training or test) as probabilities and positions."""
    mean_NHx3 = predictions["mean_NHx3"]
    track_NHx3 = np.concatenate([mean_NHx3[..., :2], np.exp(mean_NHx3[..., 2:])], axis=-1)
    return Predictions(metrics.softmax(predictions["logits_NK"]), track_NHx3, predictions["logvar_NHx3"])


def clips_of(said, test):
    """The clips that `said` is about: all test clips, or the first ones."""
    return test.take(slice(len(said.track_NHx3 if said.prob_NK is None else said.prob_NK)))


def numbered(networks, cfg):
    """{model-sSEED: Predictions} of {model: [Predictions of each seed]}."""
    return {f"{model}-s{cfg.seed + k}": said for model, all_ in networks.items() for k, said in enumerate(all_)}


def table(said, test, cfg):
    """Predictions clip by clip: index, motion, predicted class, probabilities, future (u, v, z) of every step."""
    table = clips_of(said, test).table[["index", "motion"]].copy()
    if said.prob_NK is not None:
        table["predicted"] = np.array(cfg.motions)[said.prob_NK.argmax(axis=1)]
        table[[f"p_{motion}" for motion in cfg.motions]] = said.prob_NK
    if said.track_NHx3 is not None:
        names = [f"{axis}{step}" for step in range(1, cfg.horizon + 1) for axis in "uvz"]
        table[names] = said.track_NHx3.reshape(len(table), -1)
        if said.logvar_NHx3 is not None:
            table[[f"log_var_{name}" for name in names]] = said.logvar_NHx3.reshape(len(table), -1)
    return table


def save_validation(networks, val, cfg):
    """Write what {model: [Predictions of each seed]} say about validation clips into predictions/val of the stage."""
    for name, said in numbered(networks, cfg).items():
        path = cfg.stage_dir("evaluate") / "predictions" / "val" / f"{name}.parquet"
        files.write_parquet(path, table(said, val, cfg))


def load(path, cfg):
    """What a network said (Predictions), from the Parquet file that `save` has left; FileNotFoundError if it has not."""
    table = pd.read_parquet(path)
    names = [f"{axis}{step}" for step in range(1, cfg.horizon + 1) for axis in "uvz"]
    track, spread = (table[[before + n for n in names]].to_numpy() for before in ("", "log_var_"))
    shape = len(table), cfg.horizon, 3
    return Predictions(table[[f"p_{m}" for m in cfg.motions]].to_numpy(), track.reshape(shape), spread.reshape(shape))


def load_networks(cfg, where="predictions"):
    """{model: [Predictions of each of its trainings]} as 03_evaluate has kept them; `where`: or "predictions/val"."""
    folder = cfg.stage_dir("evaluate") / where
    return {
        model: [load(folder / f"{model}-s{one.seed}.parquet", cfg) for one in several]
        for model, several in training_runs(cfg).items()
    }
