"""Statistics that more than one room needs."""

import numpy as np
from scipy.stats import bootstrap, ttest_ind


def holm(p_N):
    """p-values corrected for their number, so that the chance of any false difference stays below the level.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order, corrected_N = np.argsort(p_N, kind="stable"), np.empty(len(p_N))
    steps = np.maximum.accumulate(p_N[order] * np.arange(len(p_N), 0, -1))
    corrected_N[order] = np.minimum(steps, 1)
    return corrected_N


def bootstrap_interval(value_N, resamples=2000):
    """(mean, low, high): mean of N clips and its 95 % percentile bootstrap interval; NaN where a clip has no value."""
    if np.isnan(value_N).any():
        return np.nan, np.nan, np.nan
    if np.ptp(value_N) == 0:
        return float(value_N[0]), float(value_N[0]), float(value_N[0])
    found = bootstrap((value_N,), np.mean, n_resamples=resamples, method="percentile", random_state=0)
    return float(value_N.mean()), *map(float, found.confidence_interval)


MOST_UNRANKED = 3  # seeds: so many or fewer state no order


def welch(one_S, other_S):
    """p-value of Welch's t-test; without any spread 1 for equal scores and 0 for different ones."""
    if one_S.std() == 0 and other_S.std() == 0:
        return float((one_S == other_S).all())
    return float(ttest_ind(one_S, other_S, equal_var=False).pvalue)
