"""Statistics that more than one room needs."""

import numpy as np


def holm(p_N):
    """p-values corrected for their number, so that the chance of any false difference stays below the level.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order, corrected_N = np.argsort(p_N, kind="stable"), np.empty(len(p_N))
    steps = np.maximum.accumulate(p_N[order] * np.arange(len(p_N), 0, -1))
    corrected_N[order] = np.minimum(steps, 1)
    return corrected_N
