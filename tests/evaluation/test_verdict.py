"""The verdict follows the rule, and each alarm goes off where it must, with clips enough to tell, and nowhere else."""

import numpy as np
import pandas as pd
import pytest

from trajnb.config import Config
from trajnb.evaluation.verdict import alarms, verdict


def board(**top1):
    """A leaderboard of networks a=accuracy, and an ensemble beside them."""
    rows = [{"model": model, "kind": "network", "test_top1": share} for model, share in top1.items()]
    return pd.DataFrame([*rows, {"model": "ensemble_all", "kind": "ensemble", "test_top1": 0.99}])


def pairs(**p):
    """Comparisons over clips of networks named by one letter: ab=p of accuracy."""
    return pd.DataFrame([{"first": names[0], "second": names[1], "top1_p": top1} for names, top1 in p.items()])


def over_seeds(seeds, **verdicts):
    """Comparisons over seeds: ab="first"; the ADE of every pair is no difference shown."""
    rows = [(n[0], n[1], "top1", seeds, v) for n, v in verdicts.items()]
    rows += [(n[0], n[1], "ade_px", seeds, "no difference shown") for n in verdicts]
    return pd.DataFrame(rows, columns=["first", "second", "score", "seeds", "verdict"])


def verdict_of(table, compared, **changes):
    return verdict(table, compared, Config(clips=10_000, test_clips=10_000).replace(**changes))


def test_the_highest_accuracy_is_best_if_every_pair_with_it_differs_and_else_none_is():
    compared = pairs(bc=0.9, bx=1e-9, xc=0.003).replace("x", "i3d")
    first, limit = verdict_of(board(b=0.9, i3d=0.95, c=0.8), compared)
    assert first == "I3D has the highest accuracy, 0.950 against 0.900 of b (p = 0.003 after Holm's correction)."
    assert limit == "One training run of each compares these networks, not their architectures."
    first, _ = verdict_of(board(a=0.951, b=0.95, c=0.5), pairs(ab=0.4, ac=0, bc=0))
    names = "a, b are not shown to differ in accuracy (p = 0.4 after Holm's correction)."
    assert first == f"No network is shown to be best: {names}"


@pytest.mark.parametrize(("p", "shown"), [(0.049, "p = 0.049"), (1e-9, "p < 0.0001"), (0.05, None)])
def test_the_level_of_the_tests(p, shown):
    first, _ = verdict_of(board(a=0.95, b=0.9), pairs(ab=p))
    assert first.startswith("a has the highest accuracy") is (shown is not None)
    assert shown is None or shown in first


def test_three_seeds_state_no_order():
    (first,) = verdict_of(board(a=0.95, b=0.9), over_seeds(3, ab="not ranked: 3 seeds"), seeds=3)
    assert first == "No order of architectures is stated: 3 training runs of each show a spread and cannot rank them."


def test_five_seeds_rank_an_architecture_that_is_better_than_all_others():
    table = board(a=0.9, b=0.95, c=0.8)
    first, ade = verdict_of(table, over_seeds(5, ab="second", ac="no difference shown", bc="first"), seeds=5)
    assert first == "b is better in accuracy than every other architecture (5 training runs of each)."
    assert ade == "No architecture is shown to be better in ADE than all others (5 training runs of each)."
    first, _ = verdict_of(table, over_seeds(5, ab="second", ac="first", bc="no difference shown"), seeds=5)
    assert first.startswith("No architecture is shown to be better in accuracy than all others")


def test_a_smoke_run_and_one_without_comparisons_name_no_best_network():
    table, compared = board(a=0.95, b=0.9), pairs(ab=0)
    for clips, test_clips, smoke in ((999, 5000, True), (5000, 999, True), (1000, 1000, False)):
        sentences = verdict_of(table, compared, clips=clips, test_clips=test_clips)
        assert sentences[0].startswith("A smoke run") is smoke
        assert ("highest accuracy" in " ".join(sentences)) is not smoke
    for compared in (None, pd.DataFrame()):
        (first,) = verdict_of(board(a=0.95), compared)
        assert first == "The networks were not compared pair by pair: none is called better."


PLAUSIBLE = {"model": "i3d", "n_test": 10_000, "test_top1": 0.97}
CHANCE = {"model": "chance", "test_top1": 0.25, "test_nll": np.log(4)}


def raised(*others, **changes):
    """Alarms of a leaderboard of one network, chance, the true oracle and others."""
    rows = [PLAUSIBLE | changes, CHANCE, {"model": "true_oracle", "test_top1": 0.98}, *others]
    return alarms(pd.DataFrame(rows), ["i3d"])


def test_a_plausible_row_and_one_without_numbers_raise_none():
    assert raised() == raised(test_top1=np.nan) == []


@pytest.mark.parametrize(
    ("top1", "words"),
    [(0.23, "significantly below chance (0.230 against 0.250)"), (0.99, "beyond the true oracle (0.990 against 0.980")],
)
def test_below_chance_and_beyond_the_oracle_are_alarms_where_there_are_clips_enough(top1, words):
    (sentence,) = raised(test_top1=top1)
    assert sentence.startswith("ALARM: i3d is ") and words in sentence
    assert raised(test_top1=top1, n_test=400) == []


def test_passing_the_pixel_oracle_alone_is_an_alarm_too():
    (sentence,) = raised({"model": "pixel_oracle", "test_top1": 0.90})
    assert "is beyond the pixel oracle (0.970 against 0.900" in sentence
    assert raised({"model": "pixel_oracle", "test_top1": 0.966}) == [], "within three standard errors"


def controls(**rows):
    """Alarms of an honest network's controls: name=(top-1, class NLL)."""
    return raised(*({"model": n, "n_test": 1000, "test_top1": top1, "test_nll": p} for n, (top1, p) in rows.items()))


@pytest.mark.parametrize("name", ["i3d_shuffled", "i3d_trained_shuffled"])
def test_a_network_that_classifies_shuffled_clips_does_not_use_motion(name):
    (alarm,) = controls(**{name: (0.96, 0.1)})
    assert f"{name} classifies shuffled clips as well as clips in order (0.960 against 0.970 in order)" in alarm
    assert controls(**{name: (0.45, 1.2)}, i3d_reversed=(0.96, 0.1)) == []
    guesses = {"model": name, "n_test": 1000, "test_top1": 0.26, "test_nll": 1.4}
    assert raised(guesses, test_top1=0.27) == [], "neither knows anything"


def test_permuted_labels_that_come_true_are_an_alarm_and_an_accident_is_none():
    (alarm,) = controls(i3d_trained_permuted=(0.9, 0.3))
    assert "was trained on permuted labels and is sure of the true ones (class NLL 0.30, 1.39 is a guess)" in alarm
    assert controls(i3d_trained_permuted=(0.5, 1.37)) == [], "two motions may have got their own name"
    assert controls(i3d_trained_permuted=(0.1, 1.41)) == []
