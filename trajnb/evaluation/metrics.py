"""Scores of class and position, one function each; temperature scaling, and selective risk.

Sources:  temperature scaling, Guo et al. 2017, section 4.2; selective risk, Geifman and El-Yaniv 2017.

Shapes:   N clips   H future frames   K classes   track (u, v, z): u and v in frame widths, z in metres
"""

from functools import partial

import numpy as np
from scipy import special
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from trajnb.world import camera

ECE_BINS = 15
SMALLEST = 1e-12  # a probability of zero would make one clip's loss infinite
TINY = np.finfo(float).tiny  # least probability whose logarithm, a logit up to a constant of each clip, is finite
softmax = partial(special.softmax, axis=1)  # logits to probabilities (N, K)


def correct(predictions, clips):
    """Whether (N,) the most probable class is the true one."""
    return predictions.prob_NK.argmax(axis=1) == clips.label_N


def top1(prob_NK, label_N):
    """Share of clips whose most probable class is the true one."""
    return float((prob_NK.argmax(axis=1) == label_N).mean())


def wilson(successes, n):
    """Wilson's 95 % interval of a share (E. B. Wilson 1927)."""
    interval = binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def class_nll(prob_NK, label_N):
    """Mean negative log-probability of the true class, in nats; ln K for a guess."""
    return float(-np.log(np.maximum(prob_NK[np.arange(len(label_N)), label_N], SMALLEST)).mean()) + 0.0  # no minus zero


def reliability(prob_NK, label_N, bins=ECE_BINS):
    """Per bin of confidence: number of clips, mean confidence, accuracy; empty bins hold NaN."""
    confidence_N, correct_N = prob_NK.max(axis=1), prob_NK.argmax(axis=1) == label_N
    bin_N = np.minimum((confidence_N * bins).astype(int), bins - 1)
    count = np.bincount(bin_N, minlength=bins)
    with np.errstate(invalid="ignore"):
        return count, *(np.bincount(bin_N, value_N, bins) / count for value_N in (confidence_N, correct_N))


def ece(prob_NK, label_N):
    """Expected calibration error over 15 equal bins (Guo et al. 2017, equation 3)."""
    count, confidence, accuracy = reliability(prob_NK, label_N)
    return float(np.nansum(count * np.abs(confidence - accuracy)) / count.sum())


def temperature(prob_NK, label_N):
    """The temperature that minimises class NLL on validation clips; above 1 for an overconfident network."""
    logits_NK, rows = np.log(np.maximum(prob_NK, TINY)), np.arange(len(label_N))

    def nll(log_t):
        return -special.log_softmax(logits_NK / np.exp(log_t), axis=1)[rows, label_N].mean()

    return float(np.exp(minimize_scalar(nll, bounds=(-3, 3), method="bounded").x))


def tempered(prob_NK, temperature):
    """Class probabilities (N, K) with logits divided by a temperature; the predicted class does not change."""
    return softmax(np.log(np.maximum(prob_NK, TINY)) / temperature)


def selective_risk(prob_NK, label_N):
    """Error rate (N,) among the 1, 2, ... N most confident clips, and the share of clips answered (N,), first."""
    order_N, answered_N = np.argsort(-prob_NK.max(axis=1), kind="stable"), np.arange(1, len(label_N) + 1)
    wrong_N = (prob_NK.argmax(axis=1) != label_N)[order_N]
    return answered_N / len(label_N), np.cumsum(wrong_N) / answered_N


def to_track(xyz_x3, cfg):
    """Metres in the camera's frame to (u, v, z): frame widths and metres."""
    return np.concatenate([camera.project(xyz_x3, cfg) / cfg.size, xyz_x3[..., 2:]], axis=-1)


def future(clips):
    """True future track (N, H, 3)."""
    return clips.track_NFx3[:, clips.cfg.frames :]


def error_px(predictions, clips):
    """Distance (N, H) of predicted from true future positions in the image, pixels."""
    return displacement_px(predictions.track_NHx3, future(clips), clips.cfg)


def displacement_px(predicted_NHx3, true_NHx3, cfg):
    """Distance (N, H) in the image, pixels: its mean is ADE, its last column's mean FDE."""
    return np.linalg.norm((predicted_NHx3 - true_NHx3)[..., :2], axis=-1) * cfg.size


def displacement_m(predicted_NHx3, true_NHx3, cfg):
    """Distance (N, H) in space, metres."""
    metres = [camera.unproject(x[..., :2] * cfg.size, x[..., 2], cfg) for x in (predicted_NHx3, true_NHx3)]
    return np.linalg.norm(metres[0] - metres[1], axis=-1)
