"""Whether a network knows how sure it may be: calibration of its class, before and after temperature scaling on
validation clips, what it is worth to ask only the sure answers, and whether predicted regions hold what they claim.

Sources:  temperature scaling, Guo et al. 2017, section 4.2; debiased calibration error, Kumar, Liang and Ma 2019,
          section 5; selective risk, Geifman and El-Yaniv 2017; regions, Vovk et al. 2005 (split conformal prediction).

Shapes:   N clips   H future frames   K classes
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.metrics import auc, brier_score_loss

from trajnb.evaluation import leaderboard, metrics
from trajnb.evaluation.predictions import Predictions

RESAMPLES = 500
BINS = 15  # of equally many clips
TEMPERATURES = (-3.0, 3.0)  # natural logarithms between which the temperature is sought


class Scaled(NamedTuple):
    """A network's answers whose logits were divided by a temperature."""

    temperature: float
    said: Predictions


def temperature(prob_NK, label_N):
    """The temperature that gives validation clips the smallest class NLL; above 1 the network was too sure."""
    logits_NK, rows = logits(prob_NK), np.arange(len(label_N))

    def nll(log_t):
        scaled_NK = logits_NK / np.exp(log_t)
        return (logsumexp(scaled_NK, axis=1) - scaled_NK[rows, label_N]).mean()

    return float(np.exp(minimize_scalar(nll, bounds=TEMPERATURES, method="bounded").x))


def logits(prob_NK):
    """Logits but for a constant of each clip; only what float64 cannot hold is clamped."""
    return np.log(np.maximum(prob_NK, np.finfo(float).tiny))


def tempered(prob_NK, temperature):
    """Class probabilities (N, K) whose logits are divided by a temperature; the predicted class stays as it was."""
    return metrics.softmax(logits(prob_NK) / temperature)


def square_error(confidence_N, right_N):
    """Squared calibration error over BINS bins of equally many clips, free of the bias that few clips give it.

    A bin's share correct strays from the truth, which makes the plain error too large: the variance is taken off. May
    be below zero by chance.
    """
    order_N = np.argsort(confidence_N, kind="stable")
    total = 0.0
    for rows in np.array_split(order_N, BINS):
        share = right_N[rows].mean()
        noise = share * (1 - share) / (len(rows) - 1)
        total += len(rows) * ((confidence_N[rows].mean() - share) ** 2 - noise)
    return total / len(order_N)


def error_interval(confidence_N, right_N):
    """Root of `square_error` and its 95 % interval by a basic bootstrap over clips; what is below zero is zero."""
    rng, here = np.random.default_rng(0), square_error(confidence_N, right_N)
    drawn = []
    for _ in range(RESAMPLES):
        rows_N = rng.integers(len(right_N), size=len(right_N))
        drawn.append(square_error(confidence_N[rows_N], right_N[rows_N]))
    # A resample strays from the clips as these do from all clips, so it is biased once more: centre it on its mean.
    low, high = here - np.quantile(drawn - np.mean(drawn), [0.975, 0.025])
    return tuple(float(max(x, 0.0) ** 0.5) for x in (here, low, high))


def risk(prob_NK, label_N):
    """Selective risk: share wrong (N,) among the surest 1, 2, ... N clips, and the share of clips asked (N,)."""
    order_N = np.argsort(-prob_NK.max(axis=1), kind="stable")
    wrong_N = (prob_NK.argmax(axis=1) != label_N)[order_N]
    asked_N = np.arange(1, len(label_N) + 1)
    return asked_N / len(label_N), np.cumsum(wrong_N) / asked_N


def row(prob_NK, label_N):
    """What one network's class probabilities are worth.

    `rms_error` is the debiased calibration error with its interval, `aurc` the area under the selective risk.
    """
    confidence_N, right_N = prob_NK.max(axis=1), prob_NK.argmax(axis=1) == label_N
    error, low, high = error_interval(confidence_N, right_N)
    names = list(range(prob_NK.shape[1]))
    return {
        "n": len(label_N),
        "ece": metrics.ece(prob_NK, label_N),
        "rms_error": error,
        "rms_low": low,
        "rms_high": high,
        "nll": metrics.class_nll(prob_NK, label_N),
        "brier": float(brier_score_loss(label_N, prob_NK, labels=names)),
        "aurc": float(auc(*risk(prob_NK, label_N))),
    }


def scaled(on_val, on_test, val):
    """{name: Scaled} of networks {name: Predictions}, each at the temperature of its validation clips."""
    warmth = {name: temperature(said.prob_NK, val.label_N) for name, said in on_val.items()}
    return {n: Scaled(warmth[n], s._replace(prob_NK=tempered(s.prob_NK, warmth[n]))) for n, s in on_test.items()}


def table(on_test, at_temperature, test):
    """Each network {name: Predictions} as it is and {name: Scaled} at its temperature: two rows each."""
    rows = []
    for name, said in on_test.items():
        warmth, warmed = at_temperature[name]
        for kind, one in {"as it is": said, "scaled": warmed}.items():
            found = row(one.prob_NK, test.label_N)
            rows.append({"model": name, "probabilities": kind, "temperature": warmth, **found})
    return pd.DataFrame(rows)


def regions(on_val, on_test, val, test, cfg):
    """Coverage and sharpness of predicted regions at each step: the network's own Gaussians, and those of validation.

    Columns model, regions, step, claimed, covered, radius_px (median over clips of the circle of the same area).
    """
    rows = []
    for name, said in on_test.items():
        square_NH = metrics.square_distance(said.track_NHx3, said.logvar_NHx3, test.track_NFx3[:, cfg.frames :])
        width_NH = np.exp(said.logvar_NHx3[..., :2].sum(axis=2) / 4) * cfg.size
        own = {level: np.full(cfg.horizon, metrics.gaussian_radius(level)) for level in metrics.LEVELS}
        kinds = {"own": own, "calibrated": leaderboard.region_radii(on_val[name], val, cfg)}
        for kind, level, step in ((k, level, h) for k in kinds for level in metrics.LEVELS for h in range(cfg.horizon)):
            limit = kinds[kind][level][step]
            covered, radius = (square_NH[:, step] <= limit).mean(), np.median(np.sqrt(limit) * width_NH[:, step])
            rows.append((name, kind, step + 1, level, covered, radius))
    return pd.DataFrame(rows, columns=["model", "regions", "step", "claimed", "covered", "radius_px"])
