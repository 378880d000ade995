"""Accuracy and position error of networks, controls and oracles under every evaluation condition.

Mean accuracy is the area under a model's accuracy curve over the severities of a corruption, divided by their range.

Shapes:   M models   S seeds   C conditions   N clips   T observed frames   H future frames
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from trajnb.data import Rendered
from trajnb.evaluation import controls, metrics, oracles, predictions, statistics, trackers
from trajnb.evaluation.predictions import Predictions
from trajnb.progress import progress
from trajnb.robustness import conditions
from trajnb.training import predict

REFERENCES = ("constant_velocity", "pixel_oracle", "true_oracle")
FEWEST_FRAMES = 4  # from which an oracle can fit every motion: a circle alone has eight unknowns
SCORES = {"top1": "mean_accuracy", "ade_px": "mean_ade_px"}  # of a curve, and of the area under it


class Results(NamedTuple):
    """Scores (M, S, C, N) of every clip: top1 0 or 1, ade_px in pixels; NaN where a model has none, or no such seed."""

    models: list[str]
    conditions: list[tuple[str, float]]  # (corruption, severity)
    clean: dict[str, float]  # the severity that clean clips have, by corruption
    top1: np.ndarray
    ade_px: np.ndarray

    def corruptions(self):
        return list(dict.fromkeys(name for name, _ in self.conditions))  # clean first


def evaluate(networks, classifiers, cfg) -> Results:
    """Results of {model: [network of each seed]}, {control: classifier of one picture} and references everywhere."""
    todo = list(conditions.all_conditions(conditions.clean_clips(cfg)))
    models, seeds = [*networks, *classifiers, *REFERENCES], max(map(len, networks.values()))
    top1_MSCN, ade_px_MSCN = np.full((2, len(models), seeds, len(todo), cfg.robustness_clips), np.nan)
    with progress(len(todo), "robustness", "condition") as bar:
        for c, (corruption, severity, clips) in enumerate(todo):
            clips, found = Rendered(clips), {}
            observed = int(severity) if corruption == "observed" else clips.cfg.frames
            pictures = controls.pictures(clips)
            for model, nets in networks.items():
                for seed, net in enumerate(nets):
                    found[model, seed] = predictions.from_output(predict(net, clips, clips.cfg))
            for name, fitted in classifiers.items():
                found[name, 0] = Predictions(fitted.predict_proba(pictures[name]))
            found |= {(name, 0): predicted for name, predicted in references(clips, observed).items()}
            for (model, seed), predicted in found.items():
                m = models.index(model)
                if predicted.prob_NK is not None:
                    top1_MSCN[m, seed, c] = metrics.correct(predicted, clips)
                if predicted.track_NHx3 is not None:
                    ade_px_MSCN[m, seed, c] = metrics.error_px(predicted, clips).mean(axis=1)
            bar.update()
    clean = {name: float(conditions.clean_severity(name, todo[0][2].cfg)) for name in conditions.CORRUPTIONS}
    return Results(models, [condition[:2] for condition in todo], clean, top1_MSCN, ade_px_MSCN)


def references(clips, observed):
    """{name: Predictions} of constant velocity and of the oracles, which need FEWEST_FRAMES, from the last frames."""
    cfg, frames = clips.cfg, clips.cfg.frames
    last = slice(frames - observed, frames)
    if observed < frames:  # the world of the last frames alone: circles sweep less in them
        sweep = conditions.scaled(cfg, ("sweep_min_deg", "sweep_max_deg"), (observed - 1) / (frames - 1))
        cfg = cfg.model_copy(update={"frames": observed, **sweep})
    uv_NTx2, z_NT = (x[:, last] for x in oracles.measured_track(clips, clips.cfg))
    true_NTx3 = clips.xyz_NFx3[:, last]
    forecast = trackers.constant_velocity(trackers.track(uv_NTx2, z_NT, cfg), cfg.horizon)
    found = {"constant_velocity": Predictions(None, forecast)}
    if observed < FEWEST_FRAMES:
        return found
    sds = oracles.measurement_sds(true_NTx3, (uv_NTx2, z_NT), cfg, groups=1)
    true_uv_NTx2 = oracles.camera.project(true_NTx3, cfg)
    inputs = {"pixel_oracle": (uv_NTx2, z_NT, sds), "true_oracle": (true_uv_NTx2, true_NTx3[..., 2], [oracles.TRUE_SD])}
    for name, measured in inputs.items():
        prob_NK, future_NHx3 = oracles.infer(*measured, cfg)
        found[name] = Predictions(prob_NK, metrics.to_track(future_NHx3, cfg))
    return found


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
            row = {"corruption": corruption, "severity": severity, "clean_severity": results.clean.get(corruption)}
            row |= {"model": results.models[m], "seeds": seeds_MC[m, c], "n": top1_MCN.shape[2]}
            row |= statistics.interval("top1", top1_MCN[m, c])
            rows.append(row | statistics.interval("ade_px", ade_px_MCN[m, c]))
    return pd.DataFrame(rows)


def severity_means(results, score="top1") -> pd.DataFrame:
    """Mean of a score over the severities of each corruption where a model has all, with its interval over clips."""
    mean_MCN, rows = seed_mean(getattr(results, score)), []
    for corruption in results.corruptions():
        value_MN = mean_MCN[:, 0]  # the first condition is clean
        if corruption != conditions.CLEAN:
            number = {severity: c for c, (name, severity) in enumerate(results.conditions) if name == corruption}
            number[results.clean[corruption]] = 0
            severity_L = np.sort(list(number))
            value_MLN = mean_MCN[..., [number[x] for x in severity_L], :]
            value_MN = np.trapezoid(value_MLN, severity_L, axis=-2) / np.ptp(severity_L)
        for model, value_N in zip(results.models, value_MN, strict=True):
            if not np.isnan(value_N).any():
                row = {"corruption": corruption, "model": model, "n": len(value_N)}
                rows.append(row | statistics.interval(SCORES[score], value_N))
    return pd.DataFrame(rows)
