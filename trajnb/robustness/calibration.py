"""Calibration of class probabilities, before and after temperature scaling on validation clips, and selective risk.

Sources:  temperature scaling, Guo et al. 2017, section 4.2; debiased calibration error, Kumar, Liang and Ma 2019,
          section 5; selective risk, Geifman and El-Yaniv 2017.

Shapes:   N clips   K classes
"""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.metrics import auc, brier_score_loss

from trajnb.evaluation import metrics

RESAMPLES = 500
BINS = 15  # of equally many clips
TEMPERATURES = (-3.0, 3.0)  # natural logarithms between which the temperature is searched


def temperature(prob_NK, label_N):
    """The temperature that minimises class NLL on validation clips; above 1 for an overconfident network."""
    logits_NK, rows = logits(prob_NK), np.arange(len(label_N))

    def nll(log_t):
        scaled_NK = logits_NK / np.exp(log_t)
        return (logsumexp(scaled_NK, axis=1) - scaled_NK[rows, label_N]).mean()

    return float(np.exp(minimize_scalar(nll, bounds=TEMPERATURES, method="bounded").x))


def logits(prob_NK):
    return np.log(np.maximum(prob_NK, np.finfo(float).tiny))  # up to a constant of each clip


def tempered(prob_NK, temperature):
    """Class probabilities (N, K) with logits divided by a temperature; the predicted class does not change."""
    return metrics.softmax(logits(prob_NK) / temperature)


def squared_error(confidence_N, correct_N):
    """Squared calibration error over BINS bins of equally many clips, less the variance of a bin's accuracy."""
    order_N, total = np.argsort(confidence_N, kind="stable"), 0.0
    for rows in np.array_split(order_N, BINS):
        accuracy = correct_N[rows].mean()
        noise = accuracy * (1 - accuracy) / (len(rows) - 1)
        total += len(rows) * ((confidence_N[rows].mean() - accuracy) ** 2 - noise)
    return total / len(order_N)


def error_interval(confidence_N, correct_N):
    """Root of `squared_error` with its 95 % interval by a basic bootstrap over clips, clipped at zero."""
    rng, error, n = np.random.default_rng(0), squared_error(confidence_N, correct_N), len(correct_N)
    drawn = (rng.integers(n, size=n) for _ in range(RESAMPLES))
    resampled = [squared_error(confidence_N[rows_N], correct_N[rows_N]) for rows_N in drawn]
    # A resample is biased once more, as the clips themselves are a sample: centre the resamples on their mean.
    low, high = error - np.quantile(resampled - np.mean(resampled), [0.975, 0.025])
    return tuple(float(max(x, 0.0) ** 0.5) for x in (error, low, high))


def selective_risk(prob_NK, label_N):
    """Error rate (N,) among the 1, 2, ... N most confident clips, and the share of clips answered (N,), first."""
    order_N = np.argsort(-prob_NK.max(axis=1), kind="stable")
    wrong_N = (prob_NK.argmax(axis=1) != label_N)[order_N]
    answered_N = np.arange(1, len(label_N) + 1)
    return answered_N / len(label_N), np.cumsum(wrong_N) / answered_N


def scores(prob_NK, label_N):
    """{score: value} of one network's class probabilities; `aurc` is the area under the selective risk."""
    ends = error_interval(prob_NK.max(axis=1), prob_NK.argmax(axis=1) == label_N)
    row = {"n": len(label_N), "ece": metrics.ece(prob_NK, label_N)}
    row |= dict(zip(("calibration_error", "calibration_error_low", "calibration_error_high"), ends, strict=True))
    row |= {"nll": metrics.class_nll(prob_NK, label_N)}
    row |= {"brier": float(brier_score_loss(label_N, prob_NK, labels=list(range(prob_NK.shape[1]))))}
    return row | {"aurc": float(auc(*selective_risk(prob_NK, label_N)))}


def table(on_val, on_test, val, test):
    """Two rows for each network of {model: Predictions}: raw probabilities, and scaled by its temperature on `val`."""
    rows = []
    for model, predictions in on_test.items():
        fitted = temperature(on_val[model].prob_NK, val.label_N)
        for kind, prob_NK in {"raw": predictions.prob_NK, "scaled": tempered(predictions.prob_NK, fitted)}.items():
            about = {"model": model, "probabilities": kind, "temperature": fitted}
            rows.append(about | scores(prob_NK, test.label_N))
    return pd.DataFrame(rows)
