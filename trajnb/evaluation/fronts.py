"""What a score costs: which contenders nobody beats at the same price or less (the Pareto front)."""

import numpy as np
import pandas as pd

COSTS = ("macs", "parameters", "train_seconds", "latency_ms")
SCORES = {"test_top1": 1, "ade_px": -1}  # which way is better


def front(cost_N, gain_N):
    """Whether (N,) each contender is on the front: no other has as much gain for less, or more for as little."""
    cost_N, gain_N = np.asarray(cost_N, float), np.asarray(gain_N, float)
    cheaper_NN, better_NN = cost_N <= cost_N[:, None], gain_N >= gain_N[:, None]
    strictly_NN = (cost_N < cost_N[:, None]) | (gain_N > gain_N[:, None])
    return ~(cheaper_NN & better_NN & strictly_NN).any(axis=1)


def table(board):
    """A row for each contender with a cost, a column (cost, score) for each front: True where it stands on it."""
    rows = board[board["macs"].notna()].set_index("model")
    marks = {(cost, score): front(rows[cost], sign * rows[score]) for cost in COSTS for score, sign in SCORES.items()}
    return pd.DataFrame(marks, index=rows.index)
