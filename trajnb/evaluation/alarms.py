"""Results that cannot be believed as they stand, found in the leaderboard alone: a page of any age shows them."""

import itertools
import math
from typing import NamedTuple

import pandas as pd
from scipy.stats import binomtest

from trajnb.evaluation import metrics

ALARM_P = 0.001  # an accuracy this improbable under guessing is no accident
SIGMA = 3.0  # standard errors beyond which a difference of accuracies is none of chance
NEARER = 0.95  # of an oracle's ADE: the errors of random motion alone move a mean of 1,000 clips by less
FAR_TOP1 = 0.10  # of the clips, training above validation
FAR_LOSS = 0.50  # nats, validation above training
FEWEST_VAL = 200  # validation clips; with fewer, a loss scatters by half a nat
NEVER = 0.05  # of the clips a class would have if it were named as often as any other
UNCALIBRATED = 0.05  # expected calibration error, beyond what chance makes
SURE = 0.8  # of a guess's class NLL: more than a network can know that was taught permuted labels


CONTROLS = ("shuffled", "trained_shuffled", "trained_permuted")  # how rows of a network that should fail are called


class Alarm(NamedTuple):
    what: str  # goes on after the network's name
    evidence: str  # numbers
    mend: str  # what to look for

    def sentence(self, name):
        return f"ALARM: {name} {self.what} ({self.evidence}): {self.mend}."


def alarms(row, top1):
    """The Alarms on one network's row of the leaderboard; `top1` {baseline: test top-1}. Empty cells raise none."""
    for check in (under_chance, beyond_oracle, nearer_than_oracle, far_from_validation, never_named, uncalibrated):
        yield from check(row, top1)


def under_chance(row, top1):
    hits, n = round(row.test_top1 * row.n_test), int(row.n_test)
    if "chance" in top1 and binomtest(hits, n, top1["chance"], alternative="less").pvalue < ALARM_P:
        numbers = f"{row.test_top1:.3f} against {top1['chance']:.3f}"
        yield Alarm("is significantly below chance", numbers, "look for classes missing from a split")


def beyond_oracle(row, top1):
    """Better than the true oracle, or than the pixel oracle where that does not know all that it could."""
    causes = {"true_oracle": "what else tells the class", "pixel_oracle": "clips in which its measurement fails"}
    for oracle in causes.keys() & set(top1.index):
        best, error = top1[oracle], standard_error(row.test_top1, top1[oracle], row.n_test)
        if row.test_top1 > best + SIGMA * error:
            numbers = f"{row.test_top1:.3f} against {best:.3f}, three standard errors are {SIGMA * error:.3f}"
            yield Alarm(f"is beyond the {oracle.replace('_', ' ')}", numbers, f"look for {causes[oracle]}")


def nearer_than_oracle(row, top1):
    ratio = cell(row, "ade_over_pixel_oracle")
    if ratio < NEARER:
        numbers, cause = f"{ratio:.2f} of its ADE", "look for clips in which its measurement fails"
        yield Alarm("predicts positions better than the pixel oracle", numbers, cause)


def far_from_validation(row, top1):
    """Far apart in accuracy (beyond chance), or in loss (with clips enough to tell)."""
    n, train, val, loss = (cell(row, name) for name in ("n_val", "train_top1", "val_top1", "val_loss"))
    apart = train - val
    error = standard_error(train, val, n) if n > 0 else math.nan
    if apart > max(FAR_TOP1, SIGMA * error):
        yield Alarm(
            "is far better on training clips than on validation clips",
            f"top-1 {train:.3f} against {val:.3f}",
            "look for a split that is none by content, or for clips learned by heart",
        )
    elif n >= FEWEST_VAL and loss - cell(row, "train_loss") > FAR_LOSS:
        yield Alarm(
            "has a far lower loss on training clips than on validation clips",
            f"{cell(row, 'train_loss'):.2f} against {loss:.2f} nats",
            "look for clips learned by heart: train on more of them, or for fewer epochs",
        )


def never_named(row, top1):
    if "chance" in top1 and cell(row, "least_named") < NEVER * top1["chance"]:
        numbers = f"{row.least_named:.2%} of the answers, {top1['chance']:.0%} would be its share"
        yield Alarm("hardly ever names one of the classes", numbers, "look at the classes of the training split")


def uncalibrated(row, top1):
    scatter = 0.4 * math.sqrt(metrics.ECE_BINS / row.n_test)  # what that of honest bins adds up to, about
    limit = UNCALIBRATED + scatter
    if cell(row, "ece") > limit:
        numbers = f"calibration error {row.ece:.3f}, above {limit:.3f}"
        yield Alarm("is not as sure as it is right", numbers, "do not use its probabilities as they are")


def control_succeeds(row, ordered, chance):
    """A network that should have failed. `ordered`: top-1 of the same network on clips as they are; `chance`: a row.

    Its top-1 alone says little of a network taught permuted labels: it may give each motion one name, right or wrong by
    accident, and then has a quarter, a half or none of them. But it cannot be sure of the true ones.
    """
    if row.model.endswith("_permuted") and cell(row, "test_nll") < SURE * cell(chance, "test_nll"):
        numbers = f"class NLL {row.test_nll:.2f}, {chance.test_nll:.2f} is a guess"
        mend = "look for clips that were learned by heart and stand in the test set"
        yield Alarm("was taught permuted labels and is sure of the true ones", numbers, mend)
    margin = SIGMA * standard_error(ordered, row.test_top1, row.n_test)
    sees = ordered - margin > chance.test_top1  # else there is nothing to lose
    if row.model.endswith("_shuffled") and sees and row.test_top1 > ordered - margin:
        numbers, mend = f"{row.test_top1:.3f} against {ordered:.3f} in order", "look at what it sees instead of motion"
        yield Alarm("names shuffled clips as well as clips in order", numbers, mend)


def standard_error(one, other, n):
    """Of the difference of two shares of n clips each; no less than if one clip in n were wrong."""
    return math.sqrt(max(one * (1 - one) + other * (1 - other), 1 / n) / n)


def cell(row, name):
    """A number of the row, NaN where there is none: every comparison with it is false."""
    value = getattr(row, name, math.nan)
    return math.nan if pd.isna(value) else float(value)


def sentences(board, names):
    """The alarms of a leaderboard's networks `names` and of their controls, as a list of sentences."""
    top1 = board.set_index("model")["test_top1"].dropna()
    rows = board[board["model"].isin(names)].itertuples()
    return [alarm.sentence(row.model) for row in rows for alarm in alarms(row, top1)] + of_controls(board, names)


def of_controls(board, names):
    """The alarms of the networks that should have failed, as a list of sentences."""
    rows, found = {row.model: row for row in board.dropna(subset="test_top1").itertuples()}, []
    for network, control in itertools.product(set(names) & rows.keys() if "chance" in rows else (), CONTROLS):
        if row := rows.get(f"{network}_{control}"):
            alarms_of_row = control_succeeds(row, rows[network].test_top1, rows["chance"])
            found += [alarm.sentence(row.model) for alarm in alarms_of_row]
    return sorted(found)
