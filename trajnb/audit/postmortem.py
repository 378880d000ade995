"""The predecessor's two mistakes, made again on purpose: its split, its target, and what its numbers were worth.

Its files were in class order; the first 80 % were its training set, the rest its validation set. What it called the
future position was the position in the last observed frame.
"""

import contextlib
import io
from typing import NamedTuple

import numpy as np
import pandas as pd

from trajnb import data, models
from trajnb.config import Config
from trajnb.evaluation import metrics, oracles, predictions, trackers
from trajnb.models.trained import load_trained
from trajnb.progress import Progress
from trajnb.training import fit, predict, validate

# From the old report, not computed here: top-1 on its validation set; losses of its own.
REPORTED = pd.DataFrame(
    {"val_top1": [0.0, 1.0, 0.074, 1.0], "train_loss": [2.04, 0.77, 0.76, 0.75], "val_loss": [2.98, 1.98, 8.76, 0.13]},
    index=pd.Index(["transformer", "i3d", "slowfast", "magvit"], name="network"),
)
CLASS_ORDER, BY_RECIPE, LAST_SEEN = "class order", "by recipe", "last seen"  # kinds of experiments


class Experiment(NamedTuple):
    """One network trained on one kind of data. Those with the same `data` are trained on the same files."""

    kind: str
    last: str  # class that is last in the order of classes
    cfg: Config

    @property
    def name(self):
        return f"{self.data.removeprefix('data-')}-{self.cfg.model}"

    @property
    def data(self):
        return f"data-{self.kind}{f'-{self.last}' if self.kind == CLASS_ORDER else ''}".replace(" ", "-")


class Outcome(NamedTuple):
    """The training run of one Experiment."""

    experiment: Experiment
    history: pd.DataFrame
    val: data.ClipSet
    predictions: predictions.Predictions  # for `val`
    scores: dict  # a row of postmortem.csv


def experiments(cfg, model):
    """`model` with each class last, the other networks with the last one, all BY_RECIPE, `model` LAST_SEEN."""
    last = cfg.motions[-1]
    planned = [(motion, model) for motion in cfg.motions] + [(last, other) for other in cfg.models if other != model]
    moved = {motion: [*(m for m in cfg.motions if m != motion), motion] for motion in cfg.motions}
    ordered = cfg.replace(split="class_order")
    planned = [Experiment(CLASS_ORDER, end, ordered.replace(motions=moved[end], model=m)) for end, m in planned]
    planned += [Experiment(BY_RECIPE, last, cfg.replace(model=other)) for other in cfg.models]
    return [*planned, Experiment(LAST_SEEN, last, cfg.replace(model=model, target="last_seen"))]


def run_all(cfg, model):
    """[Outcome] of all experiments, a printed line each; finished training runs are not repeated."""
    folder, outcomes, planned = cfg.stage_dir("postmortem"), [], experiments(cfg, model)
    with Progress(len(planned), "post-mortem", "training run", folder / "progress.json") as progress:
        for experiment in planned:
            outcomes.append(run(experiment, folder))
            progress.line(f"{experiment.name:32s} validation top-1 {outcomes[-1].scores['val_top1']:.3f}")
            progress.update()
    return outcomes


def run(experiment, folder):
    """Make the experiment's data and train its network, in subfolders of `folder`, unless that is done; Outcome."""
    cfg, data_dir = experiment.cfg, folder / experiment.data
    try:
        data.load(cfg, "train", data_dir)
    except (FileNotFoundError, ValueError):
        data.make(cfg, data_dir)
    clips = {which: data.load(cfg, which, data_dir) for which in ("train", "val", "test")}
    train, val, test = clips.values()
    with contextlib.redirect_stdout(io.StringIO()):  # a line an epoch of every training run would bury the rest
        history = pd.DataFrame(fit(models.build(cfg), train, val, cfg, folder / experiment.name))
    net = load_trained(cfg, folder / experiment.name)
    correct_N = predict(net, test, cfg)["logits_NK"].argmax(axis=1) == test.label_N
    last_N = test.label_N == cfg.motions.index(experiment.last)
    on_train = validate(net, train.spread(len(val)), cfg)
    scores = {
        **{"training_run": experiment.name, "split": experiment.kind, "last": experiment.last, "network": cfg.model},
        **{"epochs": len(history), **{f"n_{which}": len(part) for which, part in clips.items()}},
        **{f"train_{name.removeprefix('val_')}": value for name, value in on_train.items()},
        **history[["val_top1", "val_loss", "val_ade_px"]].iloc[-1].to_dict(),
        **{"test_top1": correct_N.mean(), "test_top1_last": correct_N[last_N].mean()},
    }
    return Outcome(experiment, history, val, predictions.from_output(predict(net, val, cfg)), scores)


def position_errors(outcome):
    """Mean distance in pixels on the validation clips of LAST_SEEN, from the old target and from the true future.

    Rows: the network trained on the last seen position; that position as measured, repeated; constant velocity.
    """
    val, cfg = outcome.val, outcome.val.cfg
    future = data.ClipSet(cfg.replace(target="future"), val.seed, val.table)
    measured_NTx3 = trackers.track(*oracles.measured_track(val, cfg), cfg)
    forecasts = {
        f"{cfg.model}, trained on the last seen position": outcome.predictions.track_NHx3,
        "the last measured position, repeated": np.repeat(measured_NTx3[:, -1:], cfg.horizon, axis=1),
        "constant velocity": trackers.constant_velocity(measured_NTx3, cfg.horizon),
    }
    errors = {}
    for name, clips in (("from the old target, px", val), ("from the true future, px", future)):
        target_NHx3 = clips.track_NFx3[:, cfg.frames :]
        errors[name] = {row: metrics.displacement_px(f, target_NHx3, cfg).mean() for row, f in forecasts.items()}
    return pd.DataFrame(errors)
