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
    if min(cfg.clips, cfg.test_clips) < FEWEST_CLIPS:
        return [f"A smoke run: {cfg.clips:,} clips show that the lab works and nothing else."]
    if pairs is None or not len(pairs):
        return ["The networks were not compared pair by pair: none is called better."]
    if "verdict" in pairs:
        return over_seeds(pairs)
    top1 = board[board["kind"] == "network"].set_index("model")["test_top1"].sort_values(ascending=False)
    best, second = top1.index[:2]
    with_best = pairs[(pairs[["first", "second"]] == best).any(axis=1)]
    equal, p = with_best[with_best["top1_p"] >= LEVEL], with_best["top1_p"].max()
    numbers = f"{top1[best]:.3f} against {top1[second]:.3f} of {name(second)}"
    shown = f"({'p < 0.0001' if p < 1e-4 else f'p = {p:.2g}'} after Holm's correction)"
    first = f"{name(best)} has the highest accuracy, {numbers} {shown}."
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
    """The alarms of a leaderboard's networks `models` and of their controls, as a list of sentences; a comparison with
    a missing cell or row is false, and raises none."""
    names = [*models, *(f"{model}_{control}" for model in models for control in CONTROLS)]
    rows = board.set_index("model").reindex([*names, "chance", "true_oracle", "pixel_oracle"], columns=COLUMNS)
    n_test, top1, nll = (rows[column] for column in COLUMNS)
    found, chance, guess = [], top1["chance"], nll["chance"]
    for model in models:
        share, n = top1[model], n_test[model]
        text = f"{model} is significantly below chance ({share:.3f} against {chance:.3f})"
        raised = binom.cdf(np.round(share * n), n, chance) < ALARM_P
        found.append((raised, f"{text}: look for classes missing from a split"))
        for oracle in ("true_oracle", "pixel_oracle"):
            best, margin = top1[oracle], SIGMA * standard_error(share, top1[oracle], n)
            numbers = f"{share:.3f} against {best:.3f}, three standard errors are {margin:.3f}"
            text = f"{model} is beyond the {oracle.replace('_', ' ')} ({numbers}): look for what tells the class"
            found.append((share > best + margin, text))
    for model in models:  # whose controls should have failed
        shuffled, trained_shuffled, permuted = (f"{model}_{control}" for control in CONTROLS)
        for control in (shuffled, trained_shuffled):
            numbers = f"{top1[control]:.3f} against {top1[model]:.3f} in order"
            text = f"{control} classifies shuffled clips as well as clips in order ({numbers})"
            least = top1[model] - SIGMA * standard_error(top1[model], top1[control], n_test[control])
            found.append((top1[control] > least > chance, f"{text}: look at what it uses instead of motion"))
        # Top-1 alone says little of a network trained on permuted labels: it may give each motion one name, right or
        # wrong by accident, and then has a quarter, a half or none of them. But it cannot be sure of the true ones.
        numbers = f"class NLL {nll[permuted]:.2f}, {guess:.2f} is a guess"
        text = f"{permuted} was trained on permuted labels and is sure of the true ones ({numbers})"
        found.append((nll[permuted] < SURE * guess, f"{text}: look for test clips in training"))
    return [f"ALARM: {text}." for raised, text in found if raised]


def standard_error(one, other, n):
    """Of the difference of two shares of n clips each; no less than if one clip in n were wrong."""
    return math.sqrt(max(one * (1 - one) + other * (1 - other), 1 / n) / n)
