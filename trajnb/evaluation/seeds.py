"""Which kind of network is better, when each was trained from several seeds: spread, intervals, differences.

One training proves little about its kind. Scores are means over seeds and clips; intervals draw both anew, clips within
each class and the same ones for all networks (Agarwal et al. 2021, section 4, whose package draws runs apart for each
task; here one training answers for all classes, so it is drawn whole). Student's t over the seeds stands beside them,
since a bootstrap of few seeds is too narrow (benchmarks/seeds.py measures by how much).

Shapes:   S seeds   N test clips   B resamples
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu, t, ttest_ind

from trajnb.evaluation import metrics
from trajnb.statistics import holm

RESAMPLES = 1000
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
    """{model: Trained} of {model: [Said of each seed]}."""
    future_NHx3 = test.track_NFx3[:, cfg.frames :]
    return {
        model: Trained(
            np.stack([one.prob_NK.argmax(axis=1) == test.label_N for one in several]).astype(float),
            np.stack([metrics.displacement_px(one.track_NHx3, future_NHx3, cfg).mean(axis=1) for one in several]),
        )
        for model, several in networks.items()
    }


def resampled(values, label_N):
    """{key: means (B,)} of {key: (S, N)} over seeds and clips drawn anew.

    Clips are drawn within classes and are the same for all keys, as all networks see the same ones; seeds are not.
    """
    rng, groups = np.random.default_rng(0), [np.flatnonzero(label_N == k) for k in np.unique(label_N)]
    found, clip_N = {key: np.empty(RESAMPLES) for key in values}, np.zeros(len(label_N))
    for turn in range(RESAMPLES):
        for rows in groups:
            drawn = rng.integers(len(rows), size=len(rows))
            clip_N[rows] = np.bincount(drawn, minlength=len(rows)) / len(label_N)
        for key, value_SN in values.items():
            count = len(value_SN)
            found[key][turn] = rng.multinomial(count, np.full(count, 1 / count)) / count @ value_SN @ clip_N
    return found


def interval(value_SN, label_N):
    """95 % interval of the mean over seeds and clips."""
    return tuple(float(x) for x in np.quantile(resampled({0: value_SN}, label_N)[0], [0.025, 0.975]))


def by_score(kinds):
    """{(model, score): (S, N)} of {model: Trained}."""
    return {(model, score): getattr(one, score) for model, one in kinds.items() for score in SCORES}


def table(kinds, label_N, drawn, chance):
    """A row for each kind and score: n seeds, how many failed (top-1 not above chance), mean, spread and intervals.

    `drawn`: `resampled` of `by_score(kinds)`. Failed trainings are in the mean as they are.
    """
    rows = []
    for model, one in kinds.items():
        failed = sum(metrics.wilson(hits, len(label_N))[0] <= chance for hits in one.top1.sum(axis=1))
        for score in SCORES:
            row = {"model": model, "score": score, "failed": failed, "n": len(label_N)}
            rows.append(row | spread(getattr(one, score).mean(axis=1), drawn[model, score]))
    return pd.DataFrame(rows)


def spread(each_S, drawn_B):
    """Mean, standard deviation and range over seeds, bootstrap interval, and Student's t interval over seeds."""
    low, high = np.quantile(drawn_B, [0.025, 0.975])
    several = len(each_S) > 1
    sd = float(each_S.std(ddof=1)) if several else np.nan
    half = t.ppf(0.975, len(each_S) - 1) * sd / len(each_S) ** 0.5 if several else np.nan
    found = {"seeds": len(each_S), "mean": each_S.mean(), "sd": sd, "least": each_S.min(), "largest": each_S.max()}
    return found | {"low": low, "high": high, "t_low": each_S.mean() - half, "t_high": each_S.mean() + half}


def pairs(kinds, drawn):
    """Every two kinds of network: mean difference first - second with its interval, P(first better), p, verdict.

    p is Welch's t-test over the seeds, corrected for the number of pairs and scores (Holm); a test over clips alone
    would compare these trained networks, not their kinds. Empty for one seed.
    """
    rows = []
    for first, second in combinations(kinds, 2):
        for score, sign in SCORES.items():
            one_S, other_S = (sign * getattr(kinds[name], score).mean(axis=1) for name in (first, second))
            if min(len(one_S), len(other_S)) > 1:
                row = {"first": first, "second": second, "score": score, "seeds": min(len(one_S), len(other_S))}
                low, high = np.quantile(drawn[first, score] - drawn[second, score], [0.025, 0.975])
                row |= {"difference": sign * (one_S.mean() - other_S.mean()), "low": low, "high": high}
                rows.append(row | {"better": probability(one_S, other_S), "p": welch(one_S, other_S)})
    found = pd.DataFrame(rows)
    if len(found):
        found["p"] = holm(found["p"].to_numpy(float))
        found["verdict"] = [judged(line) for line in found.itertuples()]
    return found


def probability(one_S, other_S):
    """P(a training of the first kind has more than one of the second), ties counted half."""
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
