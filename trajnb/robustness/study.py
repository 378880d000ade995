"""How far networks are to be trusted outside of what they were trained on: answers to difficulty suites, the area under
each curve, early recognition, and longer horizons; controls and oracles answer the same questions.

Shapes:   N clips   H future frames   K classes   L levels of a suite   S trainings of one extractor
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import bootstrap, ttest_rel

from trajnb import data
from trajnb.evaluation import controls, metrics, oracles, predictions, seeds, trackers
from trajnb.evaluation.predictions import Predictions
from trajnb.evaluation.statistics import holm
from trajnb.models.trained import load_trained
from trajnb.progress import Progress
from trajnb.robustness import conditions
from trajnb.training import predict

TAUGHT_CLIPS = 2000  # training clips that teach the controls: more change them little and cost seconds
FEWEST_SEEN = 4  # frames from which an oracle can fit every family: a circle alone has eight unknowns
RESAMPLES = 2000
SCORES = ("right", "ade_px")
LEADERS = ["suite", "best", "second", "area", "second_area", "seeds", "p"]


class Contenders(NamedTuple):
    """Who answers: {model: [network of each seed]}, and {name: trees} of controls that see one picture."""

    networks: dict
    trees: dict


def contenders(cfg):
    """The run's trained networks, and controls taught on its training clips."""
    networks = {
        model: [load_trained(one) for one in several] for model, several in predictions.training_runs(cfg).items()
    }
    return Contenders(networks, controls.picture_trees(data.load(cfg, "train").spread(TAUGHT_CLIPS)))


def answers(who, cfg):
    """Every contender's answer to every question, clip by clip (pandas).

    Columns suite, level, contender, seed, clip, right (0, 1 or NaN) and ade_px (NaN for who says no place).
    """
    asked, parts = list(conditions.questions(conditions.base(cfg))), []
    with Progress(len(asked), "difficulty suites", "level", cfg.stage_dir("robustness") / "progress.json") as progress:
        for one in asked:
            parts.append(scored(one, said(who, one)))
            progress.update()
    return pd.concat(parts)


def said(who, asked):
    """{(contender, seed): Predictions} about one question's clips."""
    clips = asked.clips
    found = {
        (model, seed): predictions.from_output(predict(net, clips, clips.cfg))
        for model, nets in who.networks.items()
        for seed, net in enumerate(nets)
    }
    picture = controls.pictures(clips)
    found |= {(name, 0): Predictions(trees.predict_proba(picture[name])) for name, trees in who.trees.items()}
    return found | {(name, 0): one for name, one in knowing(asked).items()}


def knowing(asked):
    """{name: Predictions} of constant velocity and of the oracles, from the seen frames alone.

    The pixel oracle is told how large its errors are at this level; it takes them for Gaussian, which those of a hidden
    object or of a second one are not.
    """
    clips, seen = asked.clips, slice(-asked.seen, None)
    cfg = brief(clips.cfg, asked.seen)
    uv_NTx2, z_NT = (x[:, seen] for x in oracles.measured_track(clips, clips.cfg))
    true_NTx3 = clips.xyz_NFx3[:, : clips.cfg.frames][:, seen]
    forecast = trackers.constant_velocity(trackers.track(uv_NTx2, z_NT, cfg), cfg.horizon)
    found = {"constant_velocity": Predictions(None, forecast)}
    if asked.seen < FEWEST_SEEN:
        return found
    track = oracles.camera.project(true_NTx3, cfg), true_NTx3[..., 2]
    sds = oracles.measurement_sds(true_NTx3, (uv_NTx2, z_NT), cfg, groups=1)
    inputs = {"pixel_oracle": (uv_NTx2, z_NT, sds), "true_oracle": (*track, [oracles.TRUE_SD])}
    for name, what in inputs.items():
        prob_NK, future_NHx3 = oracles.infer(*what, cfg)
        found[name] = Predictions(prob_NK, metrics.to_track(future_NHx3, cfg))
    return found


def brief(cfg, seen):
    """The world of the last `seen` frames alone, as an oracle has to know it: circles sweep less in them."""
    share = (seen - 1) / (cfg.frames - 1)
    sweep = {name: getattr(cfg, name) * share for name in ("sweep_min_deg", "sweep_max_deg")}
    return cfg if seen == cfg.frames else cfg.model_copy(update={"frames": seen, **sweep})


def scored(asked, found):
    """The rows of `answers` of one question."""
    clips, cfg, parts = asked.clips, asked.clips.cfg, []
    for (name, seed), one in found.items():
        part = pd.DataFrame({"contender": name, "seed": seed, "clip": clips.table["index"], "right": np.nan})
        if one.prob_NK is not None:
            part["right"] = (one.prob_NK.argmax(axis=1) == clips.label_N).astype(float)
        part["ade_px"] = np.nan
        if one.track_NHx3 is not None:
            future_NHx3 = clips.track_NFx3[:, cfg.frames :]
            part["ade_px"] = metrics.displacement_px(one.track_NHx3, future_NHx3, cfg).mean(axis=1)
        parts.append(part)
    return pd.concat(parts).assign(suite=asked.suite, level=asked.level)


def curves(table):
    """Mean top-1 and ADE of every contender at every level, seeds and clips together, with n clips and 95 % intervals.

    Columns suite, level, contender, seeds, n, top1, top1_low, top1_high, ade_px, ade_low, ade_high.
    """
    rows = []
    for (suite, level, name), part in table.groupby(["suite", "level", "contender"], sort=False):
        clip = part.groupby("clip")[list(SCORES)].mean()
        row = {"suite": suite, "level": level, "contender": name, "seeds": part["seed"].nunique(), "n": len(clip)}
        row |= dict(zip(("top1", "top1_low", "top1_high"), interval(clip["right"].to_numpy()), strict=True))
        rows.append(
            row | dict(zip(("ade_px", "ade_low", "ade_high"), interval(clip["ade_px"].to_numpy()), strict=True))
        )
    return pd.DataFrame(rows)


def interval(value_N):
    """Mean of clips, and its 95 % interval by a bootstrap over them; NaN where a contender says nothing."""
    if np.isnan(value_N).any():
        return np.nan, np.nan, np.nan
    if np.ptp(value_N) == 0:
        return value_N[0], value_N[0], value_N[0]
    found = bootstrap((value_N,), np.mean, n_resamples=RESAMPLES, method="percentile", random_state=0)
    return float(value_N.mean()), *map(float, found.confidence_interval)


def areas(table, score="right"):
    """Area under each curve over its knob, from training's level to the hardest, divided by the knob's range.

    So 1 is a perfect top-1 (score "right") everywhere; of "ade_px" it is a mean error in pixels. Two nuisances at once
    have no order: their plain mean. Columns suite, contender, n, area, low, high.
    """
    rows = []
    for suite in table["suite"].unique():
        for name in table["contender"].unique():
            area_N = clip_areas(table, suite, name, score)
            if area_N is not None:
                area, low, high = interval(area_N)
                rows.append(
                    {"suite": suite, "contender": name, "n": len(area_N), "area": area, "low": low, "high": high}
                )
    return pd.DataFrame(rows)


def clip_areas(table, suite, name, score):
    """Area (N,) of each clip's own curve, the mean over seeds; None where the contender has not answered all levels."""
    mine = table[table["contender"] == name]
    levels = conditions.SUITES[suite].usual if suite in conditions.SUITES else None
    part = mine[mine["suite"] == suite]
    if levels is not None:
        part = pd.concat([mine[mine["suite"] == conditions.USUAL].assign(level=float(levels)), part])
    wide = part.pivot_table(index="clip", columns="level", values=score, aggfunc="mean", dropna=False)
    asked = table.loc[table["suite"] == suite, "level"].nunique() + (levels is not None)
    if wide.isna().any(axis=None) or wide.shape[1] < asked:
        return None
    x_L, y_NL = wide.columns.to_numpy(float), wide.to_numpy()
    if levels is None or len(x_L) == 1:
        return y_NL.mean(axis=1)
    return np.trapezoid(y_NL, x_L, axis=1) / np.ptp(x_L)


def wide(found):
    """The robustness table: a row for each contender, a column for each suite, and the mean over the conditions."""
    shown = found.pivot(index="contender", columns="suite", values="area")
    shown = shown.loc[found["contender"].unique(), found["suite"].unique()]
    return shown.assign(mean=shown.drop(columns=conditions.USUAL).mean(axis=1, skipna=False))


def together(table):
    """Top-1 (from `curves`) under each pair of nuisances at once: a row for each pair, a column for each contender."""
    part = table[(table["suite"] == conditions.PAIRED) & table["top1"].notna()]
    names = dict(enumerate(conditions.TOGETHER))
    wide = part.assign(pair=part["level"].map(names)).pivot(index="pair", columns="contender", values="top1")
    return wide.loc[list(names.values()), part["contender"].unique()]


def leaders(table, names, score="right"):
    """In each suite the best network by area and the runner-up, with p after Holm's correction over conditions.

    One training run of each is tested over the same clips (paired t): that compares these trained networks. Several are
    tested over seeds (Welch), and up to seeds.MOST_UNRANKED of them state no order: p is NaN. A row for each suite, of
    LEADERS; none where there is one network only.
    """
    rows, evaluated = [], [s for s in table["suite"].unique() if s != conditions.USUAL and len(names) > 1]
    for suite in evaluated:
        area = {name: seed_areas(table, suite, name, score) for name in names}
        best, second = sorted(names, key=lambda n: area[n].mean(), reverse=score == "right")[:2]
        row = {"suite": suite, "best": best, "second": second, "seeds": len(area[best])}
        row |= {"area": area[best].mean(), "second_area": area[second].mean()}
        rows.append(row | {"p": difference_p(area[best], area[second])})
    return pd.DataFrame(rows, columns=LEADERS).assign(p=lambda found: holm(found["p"].to_numpy(float)))


def seed_areas(table, suite, name, score):
    """Area (S, N) of each clip's own curve for every seed of one network."""
    mine = table[table["contender"] == name]
    return np.stack([clip_areas(part, suite, name, score) for _, part in mine.groupby("seed")])


def difference_p(one_SN, other_SN):
    """p-value of the difference of two networks; NaN where there are too few seeds to state an order."""
    if len(one_SN) == 1:
        return paired_p(one_SN[0], other_SN[0])
    return seeds.welch(one_SN.mean(axis=1), other_SN.mean(axis=1)) if len(one_SN) > seeds.MOST_UNRANKED else np.nan


def paired_p(one_N, other_N):
    """p-value of a paired t-test; 1 where the two never differ."""
    return float(ttest_rel(one_N, other_N).pvalue) if (one_N != other_N).any() else 1.0


def ahead(who, cfg):
    """Mean image error (pixels) up to LONGEST_HORIZON frames ahead: a row for each step, a column for each contender.

    Beyond the frames that a network was asked to learn, its last two positions are carried on in a straight line.
    """
    clips = conditions.far(conditions.base(cfg))
    horizon, true_NHx3 = clips.cfg.horizon, clips.track_NFx3[:, clips.cfg.frames :]
    told = {
        model: [
            straight_on(predictions.from_output(predict(net, clips, clips.cfg)).track_NHx3, horizon) for net in nets
        ]
        for model, nets in who.networks.items()
    }
    told |= {
        name: [one.track_NHx3]
        for name, one in knowing(conditions.Asked(conditions.USUAL, 0.0, clips, cfg.frames)).items()
    }
    error = {n: [metrics.displacement_px(t, true_NHx3, cfg).mean(axis=0) for t in tracks] for n, tracks in told.items()}
    steps = pd.Index(range(1, horizon + 1), name="step")
    return pd.DataFrame({name: np.mean(each, axis=0) for name, each in error.items()}, index=steps)


def straight_on(track_NHx3, horizon):
    """Tracks (N, H', 3) that go on beyond their last step as they did in it."""
    further = np.arange(1, horizon - track_NHx3.shape[1] + 1)[:, None]
    last, before = track_NHx3[:, -1:], track_NHx3[:, -2:-1]
    return np.concatenate([track_NHx3, last + (last - before) * further], axis=1)
