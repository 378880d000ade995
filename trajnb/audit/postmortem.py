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
    """One network trained on one kind of data, the folder `data`, and its results."""

    kind: str
    last: str  # class that is last in the order of classes
    cfg: Config
    history: pd.DataFrame | None = None
    val: data.ClipSet | None = None
    predictions: "predictions.Predictions | None" = None  # for `val`
    scores: dict | None = None  # a row of postmortem.csv

    @property
    def name(self):
        return f"{self.data.removeprefix('data-')}-{self.cfg.model}"

    @property
    def data(self):
        return f"data-{self.kind}{f'-{self.last}' if self.kind == CLASS_ORDER else ''}".replace(" ", "-")


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
    """All experiments with results, a printed line each; finished training runs are not repeated."""
    folder, planned = cfg.stage_dir("postmortem"), experiments(cfg, model)
    with Progress(len(planned), "post-mortem", "training run") as progress:
        for k, experiment in enumerate(planned):
            planned[k] = run(experiment, folder)
            progress.line(f"{experiment.name:32s} validation top-1 {planned[k].scores['val_top1']:.3f}")
            progress.update()
    return planned


def run(experiment, folder):
    """The experiment with results: its data and network, in subfolders of `folder`, are made unless they are there."""
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
    scores = {"training_run": experiment.name, "split": experiment.kind, "last": experiment.last, "network": cfg.model}
    scores |= {"epochs": len(history)} | {f"n_{which}": len(part) for which, part in clips.items()}
    on_train = validate(net, train.spread(len(val)), cfg)
    scores |= {f"train_{name.removeprefix('val_')}": value for name, value in on_train.items()}
    scores |= history[["val_top1", "val_loss", "val_ade_px"]].iloc[-1].to_dict() | {"test_top1": correct_N.mean()}
    scores["test_top1_last"] = correct_N[test.label_N == cfg.motions.index(experiment.last)].mean()
    predicted = predictions.from_output(predict(net, val, cfg))
    return experiment._replace(history=history, val=val, predictions=predicted, scores=scores)


def position_errors(experiment):
    """Mean distance in pixels on the validation clips of LAST_SEEN, from the old target and from the true future.

    Rows: the network trained on the last seen position; that position as measured, repeated; constant velocity.
    """
    val, cfg = experiment.val, experiment.cfg
    measured_NTx3 = trackers.track(*oracles.measured_track(val, cfg), cfg)
    forecasts = {
        f"{cfg.model}, trained on the last seen position": experiment.predictions.track_NHx3,
        "the last measured position, repeated": np.repeat(measured_NTx3[:, -1:], cfg.horizon, axis=1),
        "constant velocity": trackers.constant_velocity(measured_NTx3, cfg.horizon),
    }
    future = data.ClipSet(cfg.replace(target="future"), val.seed, val.table)
    errors = {
        name: [metrics.displacement_px(f, clips.track_NFx3[:, cfg.frames :], cfg).mean() for f in forecasts.values()]
        for name, clips in (("from the old target, px", val), ("from the true future, px", future))
    }
    return pd.DataFrame(errors, index=list(forecasts))
