"""The comparison: one row per network, then ensembles, baselines, controls and oracles; and tables by class and step.

Shapes:   N test clips   H future frames   K classes   track (u, v, z): u and v in frame widths, z in metres
"""

import numpy as np
import pandas as pd

from trajnb import files
from trajnb.evaluation import metrics, predictions, statistics
from trajnb.evaluation.baselines import kind

COLUMNS = """model kind preset parameters macs training_macs model_mb clips_seen train_seconds clips_per_second device
seeds n_val train_top1 train_loss val_top1 val_loss n_test test_top1 test_top1_low test_top1_high test_nll ece
least_named ade_px fde_px ade_m fde_m top1_over_pixel_oracle ade_over_pixel_oracle latency_ms""".split()
MEASURED = """parameters macs training_macs model_mb clips_seen train_seconds clips_per_second n_val train_top1
train_loss val_top1 val_loss latency_ms""".split()  # by 02_train
ADDED_UP = ["parameters", "macs", "training_macs", "model_mb", "train_seconds", "latency_ms"]  # over an ensemble


def board(networks, others, test, cfg, ensembles=None):
    """The leaderboard (pandas), a row of COLUMNS for each model.

    `networks` {model: [Predictions of each seed]}, `others` {baseline or control: Predictions}, and between them
    `ensembles` {name: [trajnb.evaluation.ensembles.Ensemble of each seed]}.
    """
    rows = [network_row(model, several, test, cfg) for model, several in networks.items()]
    rows += [ensemble_row(name, several, rows, test, cfg) for name, several in (ensembles or {}).items()]
    rows += [{"model": name, "kind": kind(name)} | scores(one, test, cfg) for name, one in others.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for ratio, score in {"top1_over_pixel_oracle": "test_top1", "ade_over_pixel_oracle": "ade_px"}.items():
        for reference in table.loc[table["model"] == "pixel_oracle", score]:
            table[ratio] = table[score] / reference
    return table


def network_row(model, several, test, cfg):
    """The row of one extractor: costs and scores are means over its seeds."""
    runs = predictions.training_runs(cfg)[model]
    measured = [files.read_json(run.stage_dir(run.train_stage) / "metrics.json") for run in runs]
    row = {"model": model, "kind": "network", "preset": cfg.preset, "device": measured[0]["device"]}
    row |= {name: float(np.mean([of_run[name] for of_run in measured])) for name in MEASURED}
    return row | seed_means(several, test, cfg)


def ensemble_row(name, several, rows, test, cfg):
    """The row of an ensemble [of each seed]: it costs what its members cost together, from their rows."""
    members = [row for row in rows if row["model"] in several[0].members]
    row = {"model": name, "kind": "ensemble", "preset": cfg.preset, "clips_seen": members[0]["clips_seen"]}
    row |= {cost: sum(member[cost] for member in members) for cost in ADDED_UP}
    return row | seed_means([one.predictions for one in several], test, cfg)


def seed_means(several, test, cfg):
    """Means of test cells over [Predictions of each seed]; the interval is Wilson's for one seed, else Student's t."""
    table = pd.DataFrame([scores(one, test, cfg) for one in several])
    row = {"seeds": len(several)} | table.mean().to_dict()
    if len(several) > 1:
        row["test_top1_low"], row["test_top1_high"] = np.clip(statistics.student_interval(table["test_top1"]), 0, 1)
    return row


def scores(one, test, cfg):
    """The test cells of one row; chance gets no interval, as nothing was measured."""
    clips = predictions.clips_of(one, test)
    row = metrics.class_scores(one.prob_NK, clips.label_N) if one.prob_NK is not None else {}
    if row and np.ptp(one.prob_NK) == 0:
        row = {"test_top1": 1 / one.prob_NK.shape[1], "test_nll": row["test_nll"]}
    if one.track_NHx3 is not None:
        row |= metrics.position_scores(one.track_NHx3, metrics.future(clips), cfg)
    return row | {"n_test": len(clips)}


def per_class(models, test):
    """Top-1 and ADE (pixels) of {name: Predictions} for each class: a row per model, columns (score, motion)."""
    rows = {}
    for name, one in models.items():
        values = {"top1": np.full(len(test), np.nan), "ade_px": np.full(len(test), np.nan)}
        if one.prob_NK is not None and np.ptp(one.prob_NK):
            values["top1"] = metrics.correct(one, test)
        if one.track_NHx3 is not None:
            values["ade_px"] = metrics.error_px(one, test).mean(axis=1)
        means = {score: pd.Series(value_N).groupby(test.label_N).mean() for score, value_N in values.items()}
        rows[name] = pd.concat(means).rename(dict(enumerate(test.cfg.motions)), level=1)
    return pd.DataFrame(rows).T


def per_step(models, test, motion=None):
    """Mean image error (pixels), of all clips or one motion's: a row per future frame, a column per model."""
    rows = slice(None) if motion is None else test.label_N == test.cfg.motions.index(motion)
    errors = {name: metrics.error_px(one, test) for name, one in models.items() if one.track_NHx3 is not None}
    table = pd.DataFrame({name: error_NH[rows].mean(axis=0) for name, error_NH in errors.items()})
    return table.set_index(pd.RangeIndex(1, len(table) + 1, name="step"))


def region_radii(one, val):
    """{level: squared radii (H,) in predicted standard deviations} of the regions that hold it on validation clips."""
    square_NH = metrics.square_distance(one.track_NHx3, one.logvar_NHx3, metrics.future(val))
    return {level: metrics.conformal_radius(square_NH, level) for level in metrics.LEVELS}


def coverage(one, test, radii=None):
    """Empirical coverage of the predicted regions: a row per nominal coverage, columns all and each class.

    The regions are the network's own Gaussians, or those of `radii` (`region_radii`).
    """
    square_NH, rows = metrics.square_distance(one.track_NHx3, one.logvar_NHx3, metrics.future(test)), []
    for level in metrics.LEVELS:
        inside_NH = square_NH <= (metrics.gaussian_radius(level) if radii is None else radii[level])
        shares = {motion: inside_NH[test.label_N == k].mean() for k, motion in enumerate(test.cfg.motions)}
        rows.append({"nominal_coverage": level, "all": inside_NH.mean(), **shares})
    return pd.DataFrame(rows)


def save(table, pairs, cfg):
    """Write leaderboard.csv and comparisons.csv into the evaluation's folder."""
    files.write_csv(cfg.stage_dir("evaluate") / "leaderboard.csv", table)
    files.write_csv(cfg.stage_dir("evaluate") / "comparisons.csv", pairs)
