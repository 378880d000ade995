"""Intervals and tests: over the clips of one trained network, and over training runs of one architecture.

Two trained networks predict the same clips, so they are compared in pairs: top-1 by McNemar's exact test (1947) on the
clips that only one of them classifies correctly, ADE by the mean paired difference. Over several training runs of an
architecture intervals are Student's t: a bootstrap over three seeds holds the mean too rarely (benchmarks/seeds.py).

Shapes:   S seeds   N test clips
"""

from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest, bootstrap, mannwhitneyu, norm, t, ttest_ind

from trajnb.evaluation import metrics

MOST_UNRANKED = 3  # so many seeds or fewer show a spread and no order
ALPHA = 0.05  # of p after Holm's correction
LIKELY = 0.75  # P(A > B) of a meaningful difference (Bouthillier et al. 2021)
SCORES = {"top1": 1, "ade_px": -1}  # which way is better
PAIR_COLUMNS = """first second n only_first only_second top1_difference top1_p ade_difference_px ade_low ade_high
ade_p""".split()
SEED_COLUMNS = "first second score seeds difference low high better p".split()


class SeedScores(NamedTuple):
    """Scores of one architecture's networks, one from each seed, on every clip."""

    top1: np.ndarray  # (S, N) 0 or 1
    ade_px: np.ndarray  # (S, N)


def holm(p_N):
    """p-values corrected so that the chance of any false difference stays below the level (S. Holm 1979)."""
    order = np.argsort(p_N, kind="stable")
    steps = np.maximum.accumulate(p_N[order] * np.arange(len(p_N), 0, -1))
    return np.minimum(steps, 1)[np.argsort(order)]


def bootstrap_interval(value_N):
    """Mean of clips, and its 95 % percentile interval by a bootstrap over them; NaN where any value is missing."""
    if np.isnan(value_N).any():
        return np.nan, np.nan, np.nan
    if np.ptp(value_N) == 0:
        return value_N[0], value_N[0], value_N[0]
    drawn = bootstrap((value_N,), np.mean, n_resamples=2000, method="percentile", random_state=0)
    return float(value_N.mean()), *map(float, drawn.confidence_interval)


def interval(name, value_N):
    """{name, name_low, name_high}: mean over clips with its 95 % interval, as columns of a table."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), bootstrap_interval(value_N), strict=True))


def student_interval(value_S):
    """Student's 95 % interval of the mean over two seeds or more."""
    half = t.ppf(0.975, len(value_S) - 1) * np.std(value_S, ddof=1) / len(value_S) ** 0.5
    return float(np.mean(value_S) - half), float(np.mean(value_S) + half)


def comparisons(networks, test):
    """Every pair of {model: [Predictions of each seed]}: over seeds if there are several (`seed_pairs`), else McNemar's
    test of top-1 over clips, and the 95 % interval of the mean paired difference first - second in ADE; Holm's p."""
    scores, rows = seed_scores(networks, test), []
    if any(len(several) > 1 for several in networks.values()):
        return seed_pairs(scores)
    for first, second in combinations(scores, 2):
        gain_N, difference_N = (scores[first][part][0] - scores[second][part][0] for part in (0, 1))
        only, n = (int((gain_N > 0).sum()), int((gain_N < 0).sum())), len(gain_N)
        top1_p = binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
        mean, error = difference_N.mean(), difference_N.std(ddof=1) / n**0.5
        half, ade_p = norm.ppf(0.975) * error, float(2 * norm.sf(abs(mean) / error)) if error else 1.0
        top1 = (*only, (only[0] - only[1]) / n, top1_p)
        rows.append((first, second, n, *top1, mean, mean - half, mean + half, ade_p))
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    return table.assign(**{name: holm(table[name].to_numpy(float)) for name in ("top1_p", "ade_p")})


def seed_scores(networks, test):
    """{model: SeedScores} of {model: [Predictions of each seed]}."""
    scores = {}
    for model, several in networks.items():
        correct_SN = np.stack([metrics.correct(one, test) for one in several]).astype(float)
        scores[model] = SeedScores(correct_SN, np.stack([metrics.error_px(one, test).mean(axis=1) for one in several]))
    return scores


def spread(value_SN):
    """Mean, standard deviation, range and 95 % interval over seeds; of one seed, a normal interval over its clips."""
    mean_S = value_SN.mean(axis=1)
    row = {"seeds": len(mean_S), "mean": mean_S.mean(), "least": mean_S.min(), "largest": mean_S.max()}
    if len(mean_S) > 1:
        low, high = student_interval(mean_S)
        return row | {"sd": float(mean_S.std(ddof=1)), "low": low, "high": high}
    half = norm.ppf(0.975) * value_SN.std(ddof=1) / value_SN.size**0.5
    return row | {"sd": np.nan, "low": row["mean"] - half, "high": row["mean"] + half}


def seed_pairs(scores):
    """Every two of {model: SeedScores}: mean difference first - second with its interval, P(first better) with ties
    counted half, p, verdict. Interval and p are Welch's, p corrected for the number of pairs and scores (Holm), 0 or 1
    without any spread. Empty for one seed: clips alone would compare these networks, not their architectures."""
    rows = []
    for (first, second), (score, sign) in product(combinations(scores, 2), SCORES.items()):
        first_S, second_S = (getattr(scores[model], score).mean(axis=1) for model in (first, second))
        seeds = min(len(first_S), len(second_S))
        if seeds > 1:
            difference = float(first_S.mean() - second_S.mean())
            if first_S.std() == 0 and second_S.std() == 0:
                low, high, p = difference, difference, float((first_S == second_S).all())
            else:
                test = ttest_ind(first_S, second_S, equal_var=False)
                low, high, p = map(float, (*test.confidence_interval(0.95), test.pvalue))
            better = mannwhitneyu(sign * first_S, sign * second_S).statistic / (len(first_S) * len(second_S))
            rows.append((first, second, score, seeds, difference, low, high, better, p))
    table = pd.DataFrame(rows, columns=SEED_COLUMNS)
    table["p"], better = holm(table["p"].to_numpy(float)), table["better"]
    # By a rule fixed beforehand; with few seeds no order is stated.
    alike = ~(table["p"] < ALPHA) | better.between(1 - LIKELY, LIKELY, inclusive="neither")
    verdict = np.where(alike, "no difference shown", np.where(better >= LIKELY, "first", "second"))
    unranked = "not ranked: " + table["seeds"].astype(str) + " seeds"
    return table.assign(verdict=np.where(table["seeds"] <= MOST_UNRANKED, unranked, verdict))
