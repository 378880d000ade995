"""Which architecture is better, when each was trained from several seeds: spread, intervals, differences.

One training run proves little about its architecture. Intervals are Student's t over the seeds, on the test clips at
hand; a bootstrap over three seeds held the true mean in 85 % instead of 95 % of simulated cases (LOG.md, 2026-11-24).
benchmarks/seeds.py measures what interval and rule are worth.

Shapes:   S seeds   N test clips
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu, norm, t, ttest_ind

from trajnb.evaluation import metrics
from trajnb.evaluation.statistics import holm

MOST_UNRANKED = 3  # so many seeds or fewer show a spread and no order
LEVEL, LIKELY = (
    0.05,
    0.75,
)  # better: p below LEVEL after Holm, and P(A > B) of at least LIKELY (Bouthillier et al. 2021)
SCORES = {"top1": 1, "ade_px": -1}  # which way is better


class Trained(NamedTuple):
    """The answers of one kind of network: right or wrong, and ADE in pixels, of every seed to every clip."""

    top1: np.ndarray  # (S, N) 0 or 1
    ade_px: np.ndarray  # (S, N)


def trained(networks, test, cfg):
    """{model: Trained} of {model: [Predictions of each seed]}."""
    future_NHx3 = test.track_NFx3[:, cfg.frames :]
    return {
        model: Trained(
            np.stack([one.prob_NK.argmax(axis=1) == test.label_N for one in several]).astype(float),
            np.stack([metrics.displacement_px(one.track_NHx3, future_NHx3, cfg).mean(axis=1) for one in several]),
        )
        for model, several in networks.items()
    }


def interval(each_S):
    """Student's 95 % interval of the mean over two seeds or more (S,)."""
    half = t.ppf(0.975, len(each_S) - 1) * np.std(each_S, ddof=1) / len(each_S) ** 0.5
    return float(np.mean(each_S) - half), float(np.mean(each_S) + half)


def table(kinds, chance):
    """A row for each architecture and score: n seeds, how many failed (top-1 not above chance), mean, spread, interval.

    Failed training runs are in the mean as they are.
    """
    rows = []
    for model, one in kinds.items():
        clips = one.top1.shape[1]
        failed = sum(metrics.wilson(correct, clips)[0] <= chance for correct in one.top1.sum(axis=1))
        for score in SCORES:
            row = {"model": model, "score": score, "failed": failed, "n": clips}
            rows.append(row | spread(getattr(one, score)))
    return pd.DataFrame(rows)


def spread(value_SN):
    """Mean, standard deviation, range and 95 % interval over seeds; of one seed, a normal interval over its clips."""
    each_S = value_SN.mean(axis=1)
    found = {"seeds": len(each_S), "mean": each_S.mean(), "least": each_S.min(), "largest": each_S.max()}
    if len(each_S) > 1:
        low, high = interval(each_S)
        return found | {"sd": float(each_S.std(ddof=1)), "low": low, "high": high}
    half = norm.ppf(0.975) * value_SN.std(ddof=1) / value_SN.size**0.5
    return found | {"sd": np.nan, "low": found["mean"] - half, "high": found["mean"] + half}


def pairs(kinds):
    """Every two architectures: mean difference first - second with its interval, P(first better), p, verdict.

    Interval and p are Welch's over the seeds, p corrected for the number of pairs and scores (Holm); a test over clips
    alone would compare these trained networks, not their architectures. Empty for one seed.
    """
    rows = []
    for first, second in combinations(kinds, 2):
        for score, sign in SCORES.items():
            one_S, other_S = (sign * getattr(kinds[name], score).mean(axis=1) for name in (first, second))
            if min(len(one_S), len(other_S)) > 1:
                row = {"first": first, "second": second, "score": score, "seeds": min(len(one_S), len(other_S))}
                difference, low, high = welch_interval(sign * one_S, sign * other_S)
                row |= {"difference": difference, "low": low, "high": high}
                rows.append(row | {"better": probability(one_S, other_S), "p": welch(one_S, other_S)})
    found = pd.DataFrame(rows)
    if len(found):
        found["p"] = holm(found["p"].to_numpy(float))
        found["verdict"] = [judged(line) for line in found.itertuples()]
    return found


def welch_interval(one_S, other_S):
    """Mean difference and its 95 % interval by Welch's t."""
    difference = float(one_S.mean() - other_S.mean())
    if one_S.std() == 0 and other_S.std() == 0:
        return difference, difference, difference
    found = ttest_ind(one_S, other_S, equal_var=False).confidence_interval(0.95)
    return difference, float(found.low), float(found.high)


def probability(one_S, other_S):
    """P(a training run of the first scores more than one of the second), ties counted half."""
    return float(mannwhitneyu(one_S, other_S).statistic / (len(one_S) * len(other_S)))


def welch(one_S, other_S):
    """p-value of Welch's t-test; without any spread 1 for equal scores and 0 for different ones."""
    if one_S.std() == 0 and other_S.std() == 0:
        return float((one_S == other_S).all())
    return float(ttest_ind(one_S, other_S, equal_var=False).pvalue)


def judged(line):
    """`first`, `second` or `not told apart`, by a rule fixed beforehand; with few seeds no order is stated."""
    if line.seeds <= MOST_UNRANKED:
        return f"not ranked: {line.seeds} seeds"
    if line.p < LEVEL and line.better >= LIKELY:
        return "first"
    if line.p < LEVEL and line.better <= 1 - LIKELY:
        return "second"
    return "not told apart"
