"""The comparison: one row per extractor and preset, then the baselines; no number stands alone.

Shapes:   N test clips   H future frames   K classes   track (u, v, z): u and v in frame widths, z in metres
"""

import numpy as np
import pandas as pd

from trajnb import files
from trajnb.evaluation import metrics, predictions, seeds
from trajnb.evaluation.baselines import KINDS, ORDERS

COLUMNS = """model kind preset parameters macs training_macs model_mb clips_seen train_seconds clips_per_second device
seeds n_val train_top1 train_loss val_top1 val_loss n_test test_top1 test_top1_low test_top1_high test_nll ece
least_named ade_px fde_px ade_m fde_m top1_over_pixel_oracle ade_over_pixel_oracle latency_ms""".split()
OWN = """parameters macs training_macs model_mb clips_seen train_seconds clips_per_second device n_val train_top1
train_loss val_top1 val_loss latency_ms""".split()  # cells that a training stage measures
ADDED_UP = ("parameters", "macs", "training_macs", "model_mb", "train_seconds", "latency_ms")  # over an ensemble


def board(networks, others, test, cfg, ensembles=None):
    """The leaderboard (pandas): `networks` {model: [Predictions of each seed]}, `others` {baseline or control: Predictions}.

    `ensembles` {name: [trajnb.evaluation.ensembles.Ensemble of each seed]} stand between them.
    """
    rows = [network_row(model, said, test, cfg) for model, said in networks.items()]
    rows += [ensemble_row(name, several, rows, test, cfg) for name, several in (ensembles or {}).items()]
    rows += [{"model": name, "kind": kind(name)} | scores(said, test, cfg) for name, said in others.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for ratio, cell in {"top1_over_pixel_oracle": "test_top1", "ade_over_pixel_oracle": "ade_px"}.items():
        for reference in table.loc[table["model"] == "pixel_oracle", cell]:
            table[ratio] = table[cell] / reference
    return table


def network_row(model, said, test, cfg):
    """One extractor's row: costs and scores are means over its seeds."""
    own = [
        files.read_json(one.stage_dir(one.train_stage) / "metrics.json")
        for one in predictions.training_runs(cfg)[model]
    ]
    row = {"model": model, "kind": "network", "preset": cfg.preset}
    row |= {name: own[0][name] if name == "device" else float(np.mean([o[name] for o in own])) for name in OWN}
    return row | over_seeds(said, test, cfg)


def ensemble_row(name, several, rows, test, cfg):
    """The row of an ensemble [of each seed]: it costs what its members cost together, from their rows."""
    members = [row for row in rows if row["model"] in several[0].members]
    row = {"model": name, "kind": "ensemble", "preset": cfg.preset, "clips_seen": members[0]["clips_seen"]}
    row |= {cost: sum(one[cost] for one in members) for cost in ADDED_UP}
    return row | over_seeds([one.said for one in several], test, cfg)


def over_seeds(several, test, cfg):
    """The test cells of [Predictions of each seed]: means; the interval is Wilson's for one seed, Student's t for several."""
    found = pd.DataFrame([scores(one, test, cfg) for one in several])
    row = {"seeds": len(several)} | found.mean().to_dict()
    if len(several) > 1:
        row["test_top1_low"], row["test_top1_high"] = np.clip(seeds.interval(found["test_top1"]), 0, 1)
    return row


def kind(name):
    """The kind of a row that is no network and no ensemble: one of KINDS, or a network on changed clips."""
    return KINDS.get(name) or ORDERS.get(name.rsplit("_", 1)[1], "control")


def scores(said, test, cfg):
    """The test cells of one row; chance gets no interval, as nothing was measured."""
    clips = predictions.clips_of(said, test)
    row = metrics.class_scores(said.prob_NK, clips.label_N) if said.prob_NK is not None else {}
    if row and np.ptp(said.prob_NK) == 0:
        row = {"test_top1": 1 / said.prob_NK.shape[1], "test_nll": row["test_nll"]}
    if said.track_NHx3 is not None:
        row |= metrics.position_scores(said.track_NHx3, clips.track_NFx3[:, cfg.frames :], cfg)
    return row | {"n_test": len(clips)}


def per_class(contenders, test, cfg):
    """Top-1 and ADE (pixels) of every contender {name: Predictions} for each class: one row each."""
    rows = []
    for name, said in contenders.items():
        error_N = right_N = None
        if said.track_NHx3 is not None:
            error_N = metrics.displacement_px(said.track_NHx3, test.track_NFx3[:, cfg.frames :], cfg).mean(axis=1)
        if said.prob_NK is not None and np.ptp(said.prob_NK):
            right_N = said.prob_NK.argmax(axis=1) == test.label_N
        for number, motion in enumerate(cfg.motions):
            of_class = test.label_N == number
            row = {"contender": name, "motion": motion, "n": int(of_class.sum())}
            row["top1"] = right_N[of_class].mean() if right_N is not None else np.nan
            row["ade_px"] = error_N[of_class].mean() if error_N is not None else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def per_step(contenders, test, cfg, motion=None):
    """Mean image error (pixels), of all clips or one motion's: a row per future frame, a column per contender."""
    rows = slice(None) if motion is None else test.label_N == cfg.motions.index(motion)
    true_NHx3, steps = test.track_NFx3[rows, cfg.frames :], range(1, cfg.horizon + 1)
    table = {
        name: metrics.displacement_px(said.track_NHx3[rows], true_NHx3, cfg).mean(axis=0)
        for name, said in contenders.items()
        if said.track_NHx3 is not None
    }
    return pd.DataFrame(table, index=pd.Index(steps, name="step"))


def region_radii(said, val, cfg):
    """{level: squared radii (H,) in predicted deviations} of regions that cover what they claim on validation clips."""
    square_NH = metrics.square_distance(said.track_NHx3, said.logvar_NHx3, val.track_NFx3[:, cfg.frames :])
    return {level: metrics.conformal_radius(square_NH, level) for level in metrics.LEVELS}


def coverage(said, test, cfg, radii=None):
    """Share of true future positions inside the predicted regions: a row per claimed level, all and each class.

    The regions are the network's own Gaussians, or those of `radii` (`region_radii`).
    """
    square_NH, rows = metrics.square_distance(said.track_NHx3, said.logvar_NHx3, test.track_NFx3[:, cfg.frames :]), []
    for level in metrics.LEVELS:
        inside_NH = square_NH <= (metrics.gaussian_radius(level) if radii is None else radii[level])
        shares = {name: inside_NH[test.label_N == k].mean() for k, name in enumerate(cfg.motions)}
        rows.append({"claimed": level, "all": inside_NH.mean(), **shares})
    return pd.DataFrame(rows)


def save(table, networks, others, test, cfg, pairs=None):
    """Write leaderboard.csv and comparisons.csv (`pairs`) into the run's folder, all predictions into the stage's."""
    for name, said in {**predictions.numbered(networks, cfg), **others}.items():
        path = cfg.stage_dir("evaluate") / "predictions" / f"{name}.parquet"
        files.write_parquet(path, predictions.table(said, test, cfg))
    mark = files.mark(cfg.stage_dir("evaluate"))
    files.write_csv(cfg.run_dir / "leaderboard.csv", table.assign(mark=mark) if mark else table)
    if pairs is not None:
        files.write_csv(cfg.run_dir / "comparisons.csv", pairs.assign(mark=mark) if mark else pairs)
