"""The predecessor's mistakes, made again on purpose: its split, its target, and what its numbers were worth.

Its files stood in class order; the first 80 % were its training set, the rest its validation set. What it called the
future position was the last one its networks had seen.
"""

import contextlib
import io
import time
from typing import NamedTuple

import numpy as np
import pandas as pd

from trajnb import audit, data, files, models
from trajnb.config import Config
from trajnb.evaluation import metrics, predictions, trackers
from trajnb.models.trained import load_trained
from trajnb.progress import Progress, duration
from trajnb.training import fit, predict, validate

# What the old report says of its networks: quoted, not computed here. Top-1 on its validation set; losses of its own.
REPORTED = pd.DataFrame(
    {"val_top1": [0.0, 1.0, 0.074, 1.0], "train_loss": [2.04, 0.77, 0.76, 0.75], "val_loss": [2.98, 1.98, 8.76, 0.13]},
    index=pd.Index(["transformer", "i3d", "slowfast", "magvit"], name="network"),
)
ORDER, HONEST, SEEN = "class order", "by recipe", "last seen"  # kinds of settings


class Setting(NamedTuple):
    """One training. Those with the same `data` learn from the same files."""

    kind: str
    last: str  # class that stands last in the order of classes
    cfg: Config

    @property
    def name(self):
        return f"{self.data.removeprefix('data-')}-{self.cfg.model}"

    @property
    def data(self):
        return f"data-{self.kind}{f'-{self.last}' if self.kind == ORDER else ''}".replace(" ", "-")


class Taught(NamedTuple):
    """What came of one Setting."""

    setting: Setting
    verdict: str  # the audit's, in a sentence
    history: pd.DataFrame
    val: data.ClipSet
    on_val: Predictions
    scores: dict  # a row of `table`


def settings(cfg, one):
    """Every Setting: `one` network with each class last, the others with the last one, all by recipe, `one` on SEEN."""
    found = [Setting(ORDER, last, at_the_end(cfg, last).replace(model=one)) for last in cfg.motions]
    last = cfg.motions[-1]
    found += [Setting(ORDER, last, at_the_end(cfg, last).replace(model=model)) for model in cfg.models if model != one]
    found += [Setting(HONEST, last, cfg.replace(model=model)) for model in cfg.models]
    return [*found, Setting(SEEN, last, cfg.replace(model=one, target="last_seen"))]


def at_the_end(cfg, last):
    """The parameters of the old split with one class last; the others keep their order."""
    motions = [motion for motion in cfg.motions if motion != last]
    return cfg.replace(split="class_order", motions=[*motions, last])


def teach_all(cfg, one):
    """[Taught] of every Setting, one line each; what is finished is not repeated, what was cut goes on."""
    folder, found = cfg.stage_dir("postmortem"), []
    planned = settings(cfg, one)
    with Progress(len(planned), "post-mortem", "training", folder / "progress.json") as progress:
        for setting in planned:
            start = time.monotonic()
            found.append(teach(setting, folder))
            top1, spent = found[-1].scores["val_top1"], duration(time.monotonic() - start)
            progress.line(f"{setting.name:32s} validation top-1 {top1:.3f}  ({spent})")
            progress.update()
    return found


def teach(setting, folder):
    """Train one network in a folder of its own, in spite of what the audit says; Taught."""
    own = setting.cfg.replace(force=True)
    mine, its_data = folder / setting.name, folder / setting.data
    provide(own, its_data)
    verdict = audit.admit(own, mine, its_data)
    train, val, test = (data.load(own, which, its_data) for which in ("train", "val", "test"))
    with contextlib.redirect_stdout(io.StringIO()):  # a line an epoch of every training would bury the rest
        history = pd.DataFrame(fit(models.build(own), train, val, own, mine))
    net = load_trained(own, mine)
    on_val = predictions.from_output(predict(net, val, own))
    row = scores(setting, history, net, {"train": train, "val": val, "test": test})
    return Taught(setting, verdict, history, val, on_val, row | {"mark": files.mark(mine)})


def scores(setting, history, net, clips):
    """A row of `table`: scores on training and validation clips alike, and on test clips, all classes and the last."""
    own, count = setting.cfg, {f"n_{which}": len(part) for which, part in clips.items()}
    by_heart = validate(net, clips["train"].spread(count["n_val"]), own)
    right_N = predict(net, clips["test"], own)["logits_NK"].argmax(axis=1) == clips["test"].label_N
    last_N = clips["test"].label_N == own.motions.index(setting.last)
    return {
        **{"training": setting.name, "kind": setting.kind, "last": setting.last, "network": own.model},
        **{"epochs": len(history), **count},
        **{f"train_{name.removeprefix('val_')}": value for name, value in by_heart.items()},
        **history[["val_top1", "val_loss", "val_ade_px"]].iloc[-1].to_dict(),
        **{"test_top1": right_N.mean(), "test_top1_last": right_N[last_N].mean()},
    }


def provide(cfg, folder):
    """Make the data in `folder` unless they are there and are these."""
    try:
        data.load(cfg, "train", folder)
    except (FileNotFoundError, ValueError):
        data.make(cfg, folder)


def table(taught):
    """A row for each training: scores on its own training and validation clips, and on honest test clips (pandas)."""
    return pd.DataFrame([one.scores for one in taught])


def file_tables(taught, cfg, folder):
    """{title: recipe table} of the files in class order, the run's last class last, and of those split by recipe."""
    last = cfg.motions[-1]
    titles = {f"{ORDER}, {last} last": (ORDER, last), f"split {HONEST}": (HONEST, last)}
    data_of = {(one.setting.kind, one.setting.last): one.setting.data for one in taught}
    return {title: pd.read_parquet(folder / data_of[key] / "recipes.parquet") for title, key in titles.items()}


def by_epoch(taught, one):
    """Validation top-1 of network `one` in class order: a row for each last class, a column for each epoch."""
    rows = {t.setting.last: t for t in taught if t.setting.kind == ORDER and t.setting.cfg.model == one}
    histories = {last: t.history.set_index("epoch")["val_top1"] for last, t in rows.items()}
    return pd.DataFrame(histories).T.rename_axis(index="last class")


def beside_the_report(taught, cfg):
    """{"reported", ORDER, HONEST}: tables with a row for each network of the run, at the one setting all share."""
    rows = table(taught)
    rows = rows[rows["last"] == cfg.motions[-1]].set_index("network")
    parts = {kind: rows[rows["kind"] == kind].reindex(cfg.models) for kind in (ORDER, HONEST)}
    return {"reported": REPORTED.reindex(cfg.models)} | parts


def old_future(taught):
    """Mean distance in pixels on validation clips, from the old target and from where the object goes (pandas).

    Rows: the network taught to say the last seen position, repeating that position as measured, steady velocity from
    measured positions.
    """
    (one,) = (t for t in taught if t.setting.kind == SEEN)
    cfg, val = one.val.cfg, one.val
    truth = data.ClipSet(cfg.replace(target="future"), val.seed, val.table)
    measured_NTx3 = trackers.measured(val)
    said = {
        f"{cfg.model}, taught the last seen position": one.on_val.track_NHx3,
        "the last measured position, repeated": np.repeat(measured_NTx3[:, -1:], cfg.horizon, axis=1),
        "constant velocity": trackers.constant_velocity(measured_NTx3, cfg.horizon),
    }
    targets = {"from the old target, px": val, "from where the object goes, px": truth}
    return pd.DataFrame({column: distances_px(said, clips) for column, clips in targets.items()})


def distances_px(said, clips):
    """{name: mean distance in pixels} of forecasts {name: (N, H, 3)} from the targets of clips."""
    cfg, target_NHx3 = clips.cfg, clips.track_NFx3[:, clips.cfg.frames :]
    return {name: metrics.displacement_px(track_NHx3, target_NHx3, cfg).mean() for name, track_NHx3 in said.items()}
