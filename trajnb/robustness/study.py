"""Accuracy and position error of networks, controls and oracles under every evaluation condition.

Mean accuracy is the area under a model's accuracy curve over the severities of a corruption, divided by their range.

Shapes:   M models   S seeds   C conditions   N clips   T observed frames   H future frames
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from trajnb.data import ClipSet
from trajnb.evaluation import controls, metrics, oracles, predictions, statistics, trackers
from trajnb.evaluation.predictions import Predictions
from trajnb.progress import Progress
from trajnb.robustness import conditions
from trajnb.training import predict

FEWEST_FRAMES = 4  # from which an oracle can fit every motion: a circle alone has eight unknowns
SCORES = {"top1": "mean_accuracy", "ade_px": "mean_ade_px"}  # of a curve, and of the area under it


class Results(NamedTuple):
    """Scores (M, S, C, N) of every clip: top1 0 or 1, ade_px in pixels; NaN where a model has none, or no such seed."""

    models: list[str]
    conditions: list[tuple[str, float]]  # (corruption, severity)
    top1: np.ndarray
    ade_px: np.ndarray

    def corruptions(self):
        return list(dict.fromkeys(name for name, _ in self.conditions))  # clean first


class Rendered(ClipSet):
    """Clips whose pixels are rendered once and held in memory."""

    def __init__(self, clips):
        self.__dict__.update(clips.__dict__)
        self.video_NTSS = clips.render(np.arange(len(clips)))

    def render(self, rows):
        return self.video_NTSS[rows]


def evaluate(networks, classifiers, cfg) -> Results:
    """Results of {model: [network of each seed]}, {control: classifier of one picture} and references everywhere."""
    todo, values = list(conditions.all_conditions(conditions.clean_clips(cfg))), {}
    with Progress(len(todo), "robustness", "condition") as progress:
        for c, condition in enumerate(todo):
            condition = condition._replace(clips=Rendered(condition.clips))
            for model, seed, predicted in predict_all(networks, classifiers, condition):
                values[model, seed, c] = scores(predicted, condition.clips)
            progress.update()
    models = list(dict.fromkeys(model for model, _, _ in values))
    seeds = 1 + max(seed for _, seed, _ in values)
    table_2MSCN = np.full((2, len(models), seeds, len(todo), cfg.robustness_clips), np.nan)
    for (model, seed, c), value_2N in values.items():
        table_2MSCN[:, models.index(model), seed, c] = value_2N
    return Results(models, [(condition.corruption, condition.severity) for condition in todo], *table_2MSCN)


def predict_all(networks, classifiers, condition):
    """(model, seed, Predictions) of every network, control, constant velocity and oracle under one condition."""
    clips, pictures = condition.clips, controls.pictures(condition.clips)
    for model, nets in networks.items():
        for seed, net in enumerate(nets):
            yield model, seed, predictions.from_output(predict(net, clips, clips.cfg))
    single = {name: Predictions(fitted.predict_proba(pictures[name])) for name, fitted in classifiers.items()}
    yield from ((name, 0, predicted) for name, predicted in (single | references(condition)).items())


def scores(predicted, clips):
    """Correctness and ADE in pixels (2, N) of Predictions; NaN without classes or positions."""
    none_N = np.full(len(clips), np.nan)
    top1_N = none_N if predicted.prob_NK is None else metrics.correct(predicted, clips)
    ade_px_N = none_N if predicted.track_NHx3 is None else metrics.error_px(predicted, clips).mean(axis=1)
    return np.stack([top1_N, ade_px_N])


def references(condition):
    """{name: Predictions} of constant velocity and the oracles from the observed frames; oracles need FEWEST_FRAMES."""
    clips, last = condition.clips, slice(-condition.observed, None)
    cfg = with_frames(clips.cfg, condition.observed)
    uv_NTx2, z_NT = (x[:, last] for x in oracles.measured_track(clips, clips.cfg))
    true_NTx3 = clips.xyz_NFx3[:, : clips.cfg.frames][:, last]
    forecast = trackers.constant_velocity(trackers.track(uv_NTx2, z_NT, cfg), cfg.horizon)
    found = {"constant_velocity": Predictions(None, forecast)}
    if condition.observed < FEWEST_FRAMES:
        return found
    sds = oracles.measurement_sds(true_NTx3, (uv_NTx2, z_NT), cfg, groups=1)
    true_uv_NTx2 = oracles.camera.project(true_NTx3, cfg)
    inputs = {"pixel_oracle": (uv_NTx2, z_NT, sds), "true_oracle": (true_uv_NTx2, true_NTx3[..., 2], [oracles.TRUE_SD])}
    for name, measured in inputs.items():
        prob_NK, future_NHx3 = oracles.infer(*measured, cfg)
        found[name] = Predictions(prob_NK, metrics.to_track(future_NHx3, cfg))
    return found


def with_frames(cfg, observed):
    """The world of the last `observed` frames alone, for the oracles: circles sweep less in them."""
    sweep = conditions.scaled(cfg, ("sweep_min_deg", "sweep_max_deg"), (observed - 1) / (cfg.frames - 1))
    return cfg if observed == cfg.frames else cfg.model_copy(update={"frames": observed, **sweep})


def seed_mean(value_MSCN):
    """Mean (M, C, N) over the seeds that a model has; NaN where it has no value."""
    with np.errstate(invalid="ignore"):
        return np.nansum(value_MSCN, axis=1) / (~np.isnan(value_MSCN)).sum(axis=1)


def curves(results) -> pd.DataFrame:
    """Mean top-1 and ADE of every model under every condition, over seeds and clips, with 95 % intervals."""
    top1_MCN, ade_px_MCN = seed_mean(results.top1), seed_mean(results.ade_px)
    seeds_MC = (~(np.isnan(results.top1) & np.isnan(results.ade_px)).all(axis=3)).sum(axis=1)
    rows = []
    for c, (corruption, severity) in enumerate(results.conditions):
        for m in np.flatnonzero(seeds_MC[:, c]):
            row = {"corruption": corruption, "severity": severity, "model": results.models[m]}
            row |= {"seeds": seeds_MC[m, c], "n": top1_MCN.shape[2]}
            rows.append(row | interval("top1", top1_MCN[m, c]) | interval("ade_px", ade_px_MCN[m, c]))
    return pd.DataFrame(rows)


def interval(name, value_N):
    """{name, name_low, name_high}: mean over clips with its 95 % interval."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), statistics.bootstrap_interval(value_N), strict=True))


def over_severities(value_CN, results, corruption):
    """Area (..., N) under each clip's curve (..., C, N) divided by the severities' range; compounds: the plain mean."""
    condition = {severity: c for c, (name, severity) in enumerate(results.conditions) if name == corruption}
    if corruption not in conditions.CORRUPTIONS:
        return value_CN[..., list(condition.values()), :].mean(axis=-2)
    condition[float(conditions.CORRUPTIONS[corruption].clean)] = 0  # the first condition is clean
    severity_L = np.sort(list(condition))
    value_LN = value_CN[..., [condition[x] for x in severity_L], :]
    return np.trapezoid(value_LN, severity_L, axis=-2) / np.ptp(severity_L)


def severity_means(results, score="top1") -> pd.DataFrame:
    """Mean of a score over the severities of each corruption where a model has all, with its interval over clips."""
    mean_MCN, rows = seed_mean(getattr(results, score)), []
    for corruption in results.corruptions():
        for model, value_N in zip(results.models, over_severities(mean_MCN, results, corruption), strict=True):
            if not np.isnan(value_N).any():
                row = {"corruption": corruption, "model": model, "n": len(value_N)}
                rows.append(row | interval(SCORES[score], value_N))
    return pd.DataFrame(rows)


def best_two(results, networks) -> pd.DataFrame:
    """Under each corruption the network of the highest mean accuracy and the second, with Holm's p over corruptions."""
    rows, top1_MSCN = [], results.top1[[results.models.index(name) for name in networks]]
    for corruption in results.corruptions()[1:] if len(networks) > 1 else []:
        mean = dict(zip(networks, over_severities(top1_MSCN, results, corruption), strict=True))
        best, second = sorted(networks, key=lambda name: mean[name].mean(), reverse=True)[:2]
        row = {"corruption": corruption, "best": best, "second": second, "mean_accuracy": mean[best].mean()}
        row |= {"second_mean_accuracy": mean[second].mean(), "seeds": len(mean[best])}
        rows.append(row | {"p": difference_p(mean[best], mean[second])})
    table = pd.DataFrame(rows)
    return table.assign(p=statistics.holm(table["p"].to_numpy(float))) if rows else table


def difference_p(one_SN, other_SN):
    """p of a paired t-test over the clips of one training run each, which compares these networks alone; of several,
    of Welch's test over seeds, NaN for up to statistics.MOST_UNRANKED, which state no order."""
    if len(one_SN) > 1:
        many = len(one_SN) > statistics.MOST_UNRANKED
        return statistics.welch(one_SN.mean(axis=1), other_SN.mean(axis=1)) if many else np.nan
    return float(ttest_rel(one_SN[0], other_SN[0]).pvalue) if (one_SN != other_SN).any() else 1.0


def long_horizon(networks, cfg) -> pd.DataFrame:
    """Mean error (px) in each frame ahead (rows) of each model, whose last two positions are extrapolated."""
    clips = Rendered(conditions.with_long_future(conditions.clean_clips(cfg)))
    horizon, error = clips.cfg.horizon, {}
    clean = conditions.Condition(conditions.CLEAN, 0.0, clips, cfg.frames)
    for model, _, predicted in predict_all(networks, {}, clean):
        track_NHx3 = predicted.track_NHx3
        further = trackers.constant_velocity(track_NHx3, horizon - track_NHx3.shape[1])
        longer = Predictions(None, np.concatenate([track_NHx3, further], axis=1))
        error.setdefault(model, []).append(metrics.error_px(longer, clips).mean(axis=0))
    steps = pd.Index(range(1, horizon + 1), name="step")
    return pd.DataFrame({model: np.mean(seeds, axis=0) for model, seeds in error.items()}, index=steps)
