"""Calibration of class probabilities, before and after temperature scaling on validation clips, and selective risk.

Sources:  temperature scaling, Guo et al. 2017, section 4.2; selective risk, Geifman and El-Yaniv 2017.

Shapes:   N clips   K classes
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from trajnb.evaluation import metrics

TINY = np.finfo(float).tiny  # least probability whose logarithm, a logit up to a constant of each clip, is finite


def temperature(prob_NK, label_N):
    """The temperature that minimises class NLL on validation clips; above 1 for an overconfident network."""
    logits_NK, rows = np.log(np.maximum(prob_NK, TINY)), np.arange(len(label_N))

    def nll(log_t):
        return -log_softmax(logits_NK / np.exp(log_t), axis=1)[rows, label_N].mean()

    return float(np.exp(minimize_scalar(nll, bounds=(-3, 3), method="bounded").x))


def tempered(prob_NK, temperature):
    """Class probabilities (N, K) with logits divided by a temperature; the predicted class does not change."""
    return metrics.softmax(np.log(np.maximum(prob_NK, TINY)) / temperature)


def selective_risk(prob_NK, label_N):
    """Error rate (N,) among the 1, 2, ... N most confident clips, and the share of clips answered (N,), first."""
    order_N, answered_N = np.argsort(-prob_NK.max(axis=1), kind="stable"), np.arange(1, len(label_N) + 1)
    wrong_N = (prob_NK.argmax(axis=1) != label_N)[order_N]
    return answered_N / len(label_N), np.cumsum(wrong_N) / answered_N
