"""Pareto fronts: who is beaten at their price, and who is not."""

import numpy as np
import pandas as pd

from trajnb.evaluation import fronts


def test_the_front_holds_those_whom_nobody_beats():
    cost, gain = [1, 2, 3, 2, 4], [0.5, 0.7, 0.6, 0.7, 0.9]
    assert fronts.front(cost, gain).tolist() == [True, True, False, True, True], "equals do not beat each other"
    assert fronts.front([1, 1], [0.5, 0.6]).tolist() == [False, True]
    assert fronts.front([2, 1], [0.5, 0.5]).tolist() == [False, True]


def test_a_front_for_each_cost_and_score_and_no_row_without_a_cost():
    rows = {"model": ["a", "b", "chance"], "macs": [1, 2, np.nan], "parameters": [2, 1, np.nan]}
    rows |= {"train_seconds": [1, 1, np.nan], "latency_ms": [1, 2, np.nan]}
    board = pd.DataFrame(rows | {"test_top1": [0.9, 0.95, 0.25], "ade_px": [3.0, 3.5, np.nan]})
    marks = fronts.table(board)
    assert marks.index.tolist() == ["a", "b"]
    assert marks[("macs", "ade_px")].tolist() == [True, False], "a smaller error is a gain"
    assert marks[("macs", "test_top1")].tolist() == [True, True]
