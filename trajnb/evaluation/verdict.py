"""What a leaderboard and its paired comparisons show, and results in it that are implausible as they stand.

The rule was fixed beforehand (docs/protocol.md). One seed compares these trained networks, by McNemar's exact test of
accuracy after Holm's correction. Three seeds or fewer state no order of architectures; more state what was found.
"""

import math

import numpy as np
from scipy.stats import binom

from trajnb.config import short

LEVEL = 0.05  # of tests, after Holm's correction
FEWEST_CLIPS = 1000  # a run with fewer clips, or tested on fewer, is a smoke run
NAMES = {"transformer": "Transformer", "i3d": "I3D", "slowfast": "SlowFast", "magvit": "MAGVIT"}
SCORES = {"top1": "accuracy", "ade_px": "ADE"}
ALARM_P = 0.001  # below chance: an accuracy this improbable under guessing is no accident
SIGMA = 3.0  # standard errors of a difference of accuracies
SURE = 0.8  # of a guess's class NLL: more than a network can know that was trained on permuted labels
CONTROLS = ("shuffled", "trained_shuffled", "trained_permuted")
COLUMNS = ["n_test", "test_top1", "test_nll"]  # that an alarm looks at


def name(model):
    """A network's name as its paper writes it; of somebody's own, its class."""
    return NAMES.get(model, short(model).replace("_", " "))


def verdict(board, pairs, cfg):
    """One or two sentences on a leaderboard and its comparisons over clips or over seeds (pandas, or None)."""
    top1 = board[board["kind"] == "network"].set_index("model")["test_top1"].sort_values(ascending=False)
    if min(cfg.clips, cfg.test_clips) < FEWEST_CLIPS:
        return [f"A smoke run: {cfg.clips:,} clips show that the lab works and nothing else."]
    if pairs is None or not len(pairs):
        return ["The networks were not compared pair by pair: none is called better."]
    return over_seeds(pairs) if "verdict" in pairs else over_clips(top1, pairs)


def over_clips(top1, pairs):
    """Two sentences on one seed: which network has the highest accuracy {model: top-1}, or that none is shown to."""
    best, second = top1.index[:2]
    with_best = pairs[(pairs[["first", "second"]] == best).any(axis=1)]
    equal, p = with_best[with_best["top1_p"] >= LEVEL], with_best["top1_p"].max()
    shown = f"({'p < 0.0001' if p < 1e-4 else f'p = {p:.2g}'} after Holm's correction)"
    first = (
        f"{name(best)} has the highest accuracy, {top1[best]:.3f} against {top1[second]:.3f} of {name(second)} {shown}."
    )
    if len(equal):
        names = ", ".join(sorted(map(name, {*equal["first"], *equal["second"]})))
        first = f"No network is shown to be best: {names} are not shown to differ in accuracy {shown}."
    return [first, "One training run of each compares these networks, not their architectures."]


def over_seeds(pairs):
    """One sentence for each score of several seeds, or a single one where they are too few to state an order."""
    seeds, sentences = f"{pairs['seeds'].min():.0f} training runs of each", []
    if pairs["verdict"].str.startswith("not ranked").any():
        return [f"No order of architectures is stated: {seeds} show a spread and cannot rank them."]
    for score, part in pairs.groupby("score", sort=False):
        winners = [getattr(pair, pair.verdict) for pair in part.itertuples() if pair.verdict in ("first", "second")]
        best, models = max(winners, key=winners.count, default=None), {*part["first"], *part["second"]}
        text = f"No architecture is shown to be better in {SCORES[score]} than all others"
        if winners.count(best) == len(models) - 1:
            text = f"{name(best)} is better in {SCORES[score]} than every other architecture"
        sentences.append(f"{text} ({seeds}).")
    return sentences


def alarms(board, models):
    """The alarms of a leaderboard's networks `models` and of their controls, as a list of sentences.

    A comparison with a missing cell or row is false, and raises none.
    """
    names = [*models, *(f"{model}_{control}" for model in models for control in CONTROLS)]
    rows = board.set_index("model").reindex([*names, "chance", "true_oracle", "pixel_oracle"], columns=COLUMNS)
    found = [(model, *alarm) for model in models for alarm in of_network(rows.loc[model], rows)]
    found += [(f"{model}_{control}", *alarm) for model in models for control, *alarm in of_controls(model, rows)]
    return [f"ALARM: {who} {text}." for who, raised, text in found if raised]


def of_network(row, rows):
    """(whether it is raised, text) of each alarm about a network's row; `rows`: the leaderboard by model."""
    n, top1, chance = row.n_test, row.test_top1, rows.test_top1["chance"]
    text = f"is significantly below chance ({top1:.3f} against {chance:.3f})"
    yield binom.cdf(np.round(top1 * n), n, chance) < ALARM_P, f"{text}: look for classes missing from a split"
    for oracle in ("true_oracle", "pixel_oracle"):
        best, margin = rows.test_top1[oracle], SIGMA * standard_error(top1, rows.test_top1[oracle], n)
        numbers = f"{top1:.3f} against {best:.3f}, three standard errors are {margin:.3f}"
        yield (
            top1 > best + margin,
            f"is beyond the {oracle.replace('_', ' ')} ({numbers}): look for what tells the class",
        )


def of_controls(model, rows):
    """(control, whether it is raised, text) of the alarms about a network's controls, which should have failed.

    Top-1 alone says little of a network trained on permuted labels: it may give each motion one name, right or wrong
    by accident, and then has a quarter, a half or none of them. But it cannot be sure of the true ones.
    """
    (top1, chance), guess = rows.test_top1[[model, "chance"]], rows.test_nll["chance"]
    for control in CONTROLS[:2]:
        row = rows.loc[f"{model}_{control}"]
        text = f"classifies shuffled clips as well as clips in order ({row.test_top1:.3f} against {top1:.3f} in order)"
        least = top1 - SIGMA * standard_error(top1, row.test_top1, row.n_test)
        yield control, row.test_top1 > least > chance, f"{text}: look at what it uses instead of motion"
    nll = rows.test_nll[f"{model}_trained_permuted"]
    text = f"was trained on permuted labels and is sure of the true ones (class NLL {nll:.2f}, {guess:.2f} is a guess)"
    yield "trained_permuted", nll < SURE * guess, f"{text}: look for test clips in training"


def standard_error(one, other, n):
    """Of the difference of two shares of n clips each; no less than if one clip in n were wrong."""
    return math.sqrt(max(one * (1 - one) + other * (1 - other), 1 / n) / n)
