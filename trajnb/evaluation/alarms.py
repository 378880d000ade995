"""Results that are implausible as they stand, found in the leaderboard alone."""

import math
from collections import defaultdict
from itertools import product

from scipy.stats import binom

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
CONTROLS = ("shuffled", "trained_permuted", "trained_shuffled")


class Row(dict):
    """{column: cell}, NaN where there is none: every comparison with it is false, so that it raises no alarm."""

    def __missing__(self, column):
        return math.nan


def sentences(board, models):
    """The alarms of a leaderboard's networks `models` and of their controls, as a list of sentences."""
    records = board.dropna(subset="test_top1").to_dict("records")
    rows = defaultdict(Row, {record["model"]: Row(record) for record in records})
    found = [(model, alarm) for model in models if model in rows for alarm in of_network(rows[model], rows)]
    for model, control in product(sorted(models), CONTROLS):
        alarms = of_control(control, rows[f"{model}_{control}"], rows[model], rows["chance"])
        found += [(f"{model}_{control}", alarm) for alarm in alarms]
    return [f"ALARM: {name} {alarm}." for name, alarm in found]


def of_network(row, rows):
    """What is implausible in one network's row; `rows` {model: Row}."""
    n, top1, chance = row["n_test"], row["test_top1"], rows["chance"]["test_top1"]
    if binom.cdf(round(top1 * n), n, chance) < ALARM_P:
        text = f"is significantly below chance ({top1:.3f} against {chance:.3f})"
        yield f"{text}: look for classes missing from a split"
    if (share := row["least_named"]) < RARE * chance:
        text = (
            f"hardly ever predicts one of the classes ({share:.2%} of the predictions, {chance:.0%} would be its share)"
        )
        yield f"{text}: look at the classes of the training split"
    for oracle, fix in ORACLES.items():
        best = rows[oracle]["test_top1"]
        if top1 > best + (margin := SIGMA * standard_error(top1, best, n)):
            numbers = f"{top1:.3f} against {best:.3f}, three standard errors are {margin:.3f}"
            yield f"is beyond the {oracle.replace('_', ' ')} ({numbers}): {fix}"
    if (ratio := row["ade_over_pixel_oracle"]) < LEAST_ADE:
        text = f"predicts positions better than the pixel oracle ({ratio:.2f} of its ADE)"
        yield f"{text}: {ORACLES['pixel_oracle']}"
    n_val, train, val, losses = row["n_val"], row["train_top1"], row["val_top1"], (row["train_loss"], row["val_loss"])
    if n_val > 0 and train - val > max(GAP_TOP1, SIGMA * standard_error(train, val, n_val)):
        text = f"is far better on training clips than on validation clips (top-1 {train:.3f} against {val:.3f})"
        yield f"{text}: look for a split that is none by content, or for overfitting"
    elif n_val >= FEWEST_VAL and losses[1] - losses[0] > GAP_LOSS:
        text = "has a far lower loss on training clips than on validation clips ({:.2f} against {:.2f} nats)"
        yield f"{text.format(*losses)}: look for overfitting: train on more clips, or for fewer epochs"
    limit = MISCALIBRATED + 0.4 * math.sqrt(ECE_BINS / n)  # plus about what honest bins add up to
    if (ece := row["ece"]) > limit:
        text = f"is miscalibrated (calibration error {ece:.3f}, above {limit:.3f})"
        yield f"{text}: do not use its probabilities as they are"


def of_control(control, row, network, chance):
    """A control that should have failed; `network`: its network on clips as they are.

    Top-1 alone says little of a network trained on permuted labels: it may give each motion one name, right or wrong
    by accident, and then has a quarter, a half or none of them. But it cannot be sure of the true ones.
    """
    nll, guess, top1, least = row["test_nll"], chance["test_nll"], row["test_top1"], network["test_top1"]
    if control == "trained_permuted" and nll < SURE * guess:
        text = (
            f"was trained on permuted labels and is sure of the true ones (class NLL {nll:.2f}, {guess:.2f} is a guess)"
        )
        yield f"{text}: look for test clips in training"
    sure = least - SIGMA * standard_error(least, top1, row["n_test"])
    if control != "trained_permuted" and top1 > sure > chance["test_top1"]:
        text = f"classifies shuffled clips as well as clips in order ({top1:.3f} against {least:.3f} in order)"
        yield f"{text}: look at what it uses instead of motion"


def standard_error(one, other, n):
    """Of the difference of two shares of n clips each; no less than if one clip in n were wrong."""
    return math.sqrt(max(one * (1 - one) + other * (1 - other), 1 / n) / n)
