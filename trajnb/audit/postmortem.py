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
from trajnb.audit.read import Dataset
from trajnb.config import Config
from trajnb.evaluation import predictions
from trajnb.models.trained import load_trained
from trajnb.training import fit, predict, validate

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


def run(experiment, folder):
    """The experiment with results, in subfolders of `folder`; a finished training run is not repeated."""
    cfg, data_dir = experiment.cfg, folder / experiment.data
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


def dataset(cfg, folder):
    """The training and validation clips in a data folder, with true positions, as if they were anybody's clips."""
    clips = {which: data.load(cfg, which, folder) for which in ("train", "val")}
    table = pd.concat(part.table for part in clips.values()).rename(columns={"motion": "label"})
    table["path"] = [f"{label}/{k:06d}.npy" for label, k in zip(table["label"], table["index"], strict=True)]
    uv_NFx2 = np.concatenate([part.track_NFx3[..., :2] for part in clips.values()]).astype(float)
    video_NTSS = np.concatenate([part.render(np.arange(len(part))) for part in clips.values()])
    table = table[["path", "label", "split"]].reset_index(drop=True)
    read = [(video_TSS, cfg.frame_rate) for video_TSS in video_NTSS].__getitem__
    return Dataset(folder.name, table, read, np.split(uv_NFx2, [cfg.frames], 1))
