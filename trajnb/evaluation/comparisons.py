"""Which of two networks is better: paired, because both answer for the same clips.

Top-1 by McNemar's exact test on the clips that only one of them names right (Q. McNemar 1947); ADE by an interval of
the mean paired difference; Holm's correction over all pairs of a run (S. Holm 1979).

Shapes:   N clips   H future frames
"""

from itertools import combinations

import pandas as pd
from scipy.stats import binomtest, norm

from trajnb.evaluation import metrics
from trajnb.evaluation.statistics import holm

COLUMNS = (
    "first second n only_first only_second top1_difference top1_p ade_difference_px ade_low ade_high ade_p".split()
)


def pairs(contenders, test, cfg):
    """Every pair of {name: Predictions}: differences first - second, with p-values after Holm; one row each (COLUMNS)."""
    rows = [pair(names, [contenders[name] for name in names], test, cfg) for names in combinations(contenders, 2)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("top1_p", "ade_p"):
        table[name] = holm(table[name].to_numpy(float))
    return table


def pair(names, said, test, cfg):
    """One row: McNemar's test of top-1, and the 95 % interval of the mean difference in ADE over clips."""
    right_2N = [one.prob_NK.argmax(axis=1) == test.label_N for one in said]
    only_first, only_second = int((right_2N[0] & ~right_2N[1]).sum()), int((right_2N[1] & ~right_2N[0]).sum())
    future_NHx3 = test.track_NFx3[:, cfg.frames :]
    error_2N = [metrics.displacement_px(one.track_NHx3, future_NHx3, cfg).mean(axis=1) for one in said]
    difference_N = error_2N[0] - error_2N[1]
    mean, error = difference_N.mean(), difference_N.std(ddof=1) / len(difference_N) ** 0.5
    return {
        "first": names[0],
        "second": names[1],
        "n": len(test),
        "only_first": only_first,
        "only_second": only_second,
        "top1_difference": (only_first - only_second) / len(test),
        "top1_p": binomtest(only_first, max(only_first + only_second, 1)).pvalue if only_first + only_second else 1.0,
        "ade_difference_px": mean,
        "ade_low": mean - norm.ppf(0.975) * error,
        "ade_high": mean + norm.ppf(0.975) * error,
        "ade_p": float(2 * norm.sf(abs(mean) / error)) if error else 1.0,
    }
