"""Results that are implausible as they stand, found in the leaderboard alone."""

import math

import pandas as pd
from scipy.stats import binomtest

from trajnb.evaluation.metrics import ECE_BINS

ALARM_P = 0.001  # below chance: an accuracy this improbable under guessing is no accident
SIGMA = 3.0  # standard errors of a difference of accuracies
LEAST_ADE = 0.95  # of an oracle's ADE: the errors of random motion alone move a mean of 1,000 clips by less
GAP_TOP1, GAP_LOSS = 0.10, 0.50  # training against validation: share of the clips, nats
FEWEST_VAL = 200  # validation clips; with fewer, a loss scatters by half a nat
RARE = 0.05  # of the predictions a class would get if all were predicted equally often
MISCALIBRATED = 0.05  # expected calibration error, beyond what chance makes
SURE = 0.8  # of a guess's class NLL: more than a network can know that was trained on permuted labels
ORACLES = {"true_oracle": "look for what else tells the class"}
ORACLES |= {"pixel_oracle": "look for clips in which its measurement fails"}


def sentences(board, models):
    """The alarms of a leaderboard's networks `models` and of their controls, as a list of sentences."""
    rows = {row.model: row for row in board.itertuples() if not pd.isna(row.test_top1)}
    controls = [(f"{m}_{c}", m) for m in sorted(models) for c in ("shuffled", "trained_permuted", "trained_shuffled")]
    found = [(model, *alarm) for model in models if model in rows for alarm in alarms(rows[model], rows)]
    for name, model in controls:
        if {name, model, "chance"} <= rows.keys():
            found += [(name, *alarm) for alarm in control_alarms(rows[name], rows[model], rows["chance"])]
    return [f"ALARM: {name} {what} ({numbers}): {fix}." for name, what, numbers, fix in found]


def alarms(row, rows):
    """(what, numbers, fix) of each alarm of one network's row; `rows` {model: row}. Empty cells raise none."""
    n, top1 = int(row.n_test), row.test_top1
    if "chance" in rows:
        chance = rows["chance"].test_top1
        if binomtest(round(top1 * n), n, chance, alternative="less").pvalue < ALARM_P:
            fix = "look for classes missing from a split"
            yield "is significantly below chance", f"{top1:.3f} against {chance:.3f}", fix
        if cell(row, "least_named") < RARE * chance:
            numbers = f"{row.least_named:.2%} of the predictions, {chance:.0%} would be its share"
            yield "hardly ever predicts one of the classes", numbers, "look at the classes of the training split"
    for oracle, fix in ORACLES.items():
        best = rows[oracle].test_top1 if oracle in rows else math.inf
        if top1 > best + (margin := SIGMA * standard_error(top1, best, n)):
            numbers = f"{top1:.3f} against {best:.3f}, three standard errors are {margin:.3f}"
            yield f"is beyond the {oracle.replace('_', ' ')}", numbers, fix
    if (ratio := cell(row, "ade_over_pixel_oracle")) < LEAST_ADE:
        yield "predicts positions better than the pixel oracle", f"{ratio:.2f} of its ADE", ORACLES["pixel_oracle"]
    yield from overfitting(row)
    limit = MISCALIBRATED + 0.4 * math.sqrt(ECE_BINS / n)  # plus about what honest bins add up to
    if cell(row, "ece") > limit:
        numbers = f"calibration error {row.ece:.3f}, above {limit:.3f}"
        yield "is miscalibrated", numbers, "do not use its probabilities as they are"


def overfitting(row):
    """Training and validation far apart in accuracy (beyond chance), or in loss (with clips enough to tell)."""
    n, train, val = (cell(row, name) for name in ("n_val", "train_top1", "val_top1"))
    if n > 0 and train - val > max(GAP_TOP1, SIGMA * standard_error(train, val, n)):
        fix = "look for a split that is none by content, or for overfitting"
        what = "is far better on training clips than on validation clips"
        yield what, f"top-1 {train:.3f} against {val:.3f}", fix
    elif n >= FEWEST_VAL and cell(row, "val_loss") - cell(row, "train_loss") > GAP_LOSS:
        fix = "look for overfitting: train on more clips, or for fewer epochs"
        what = "has a far lower loss on training clips than on validation clips"
        yield what, f"{row.train_loss:.2f} against {row.val_loss:.2f} nats", fix


def control_alarms(row, network, chance):
    """A control that should have failed; `network`: the row of its network on clips as they are; `chance`: a row.

    Top-1 alone says little of a network trained on permuted labels: it may give each motion one name, right or wrong
    by accident, and then has a quarter, a half or none of them. But it cannot be sure of the true ones.
    """
    if row.model.endswith("_permuted") and cell(row, "test_nll") < SURE * cell(chance, "test_nll"):
        numbers = f"class NLL {row.test_nll:.2f}, {chance.test_nll:.2f} is a guess"
        yield "was trained on permuted labels and is sure of the true ones", numbers, "look for test clips in training"
    least = network.test_top1 - SIGMA * standard_error(network.test_top1, row.test_top1, row.n_test)
    if row.model.endswith("_shuffled") and row.test_top1 > least > chance.test_top1:
        numbers = f"{row.test_top1:.3f} against {network.test_top1:.3f} in order"
        yield "classifies shuffled clips as well as clips in order", numbers, "look at what it uses instead of motion"


def standard_error(one, other, n):
    """Of the difference of two shares of n clips each; no less than if one clip in n were wrong."""
    return math.sqrt(max(one * (1 - one) + other * (1 - other), 1 / n) / n)


def cell(row, name):
    """A number of the row, NaN where there is none: every comparison with it is false."""
    value = getattr(row, name, math.nan)
    return math.nan if pd.isna(value) else float(value)
