"""The verdict follows the rule: by clips for one seed, by seeds for more than three, and none for a smoke run."""

import pandas as pd

from trajnb.config import Config
from trajnb.evaluation.verdict import verdict

OTHERS = [
    {"model": "single_frame", "kind": "control", "test_top1": 0.32},
    {"model": "mean_frame", "kind": "control", "test_top1": 0.49},
    {"model": "kinematic_true", "kind": "oracle", "test_top1": 0.97},
    {"model": "constant_velocity", "kind": "baseline", "ade_px": 4.0},
    {"model": "pixel_oracle", "kind": "oracle", "test_top1": 0.98, "ade_px": 1.3},
    {"model": "ensemble_all", "kind": "ensemble", "test_top1": 0.99, "ade_px": 1.0},
]


def board(**networks):
    """A leaderboard of networks a=(accuracy, ADE) and what stands beside them."""
    rows = [
        {"model": model, "kind": "network", "test_top1": top1, "ade_px": ade}
        | {"test_top1_low": top1 - 0.01, "test_top1_high": top1 + 0.01}
        for model, (top1, ade) in networks.items()
    ]
    return pd.DataFrame([*rows, *OTHERS])


def pairs(**p):
    """Comparisons over clips of networks named by one letter: ab=(p of accuracy, p of ADE)."""
    return pd.DataFrame([{"first": n[0], "second": n[1], "top1_p": top1, "ade_p": ade} for n, (top1, ade) in p.items()])


def over_seeds(seeds, **verdicts):
    """Comparisons over seeds: ab="first"; the ADE of every pair is no difference shown."""
    rows = [(n[0], n[1], "top1", seeds, v) for n, v in verdicts.items()]
    rows += [(n[0], n[1], "ade_px", seeds, "no difference shown") for n in verdicts]
    return pd.DataFrame(rows, columns=["first", "second", "score", "seeds", "verdict"])


def verdict_of(table, compared, **changes):
    sentences = verdict(table, compared, Config(clips=10_000, test_clips=10_000).replace(**changes))
    assert 1 <= len(sentences) <= 3
    return sentences


def test_the_highest_accuracy_is_best_if_every_pair_with_it_differs():
    table = board(b=(0.9, 1.0), i3d=(0.95, 2.0), c=(0.8, 1.0))
    compared = pairs(bc=(0.9, 0.9), bx=(1e-9, 1), xc=(0.003, 1)).replace("x", "i3d")
    first, level, limit = verdict_of(table, compared)
    assert first == "I3D has the highest accuracy, 0.950 against 0.900 of b (p = 0.003 after Holm's correction)."
    assert level == (
        "I3D has accuracy 0.950 (95 % interval 0.940 to 0.960), the pixel oracle 0.980, the best control (mean frame) "
        "0.490; its ADE is 2.00 px, that of constant velocity 4.00 px."
    )
    assert limit == "One training run of each compares these networks, not their architectures."


def test_among_equal_accuracies_the_smallest_error_is_best():
    table = board(a=(0.951, 2.5), b=(0.95, 2.0), c=(0.5, 0.1))
    first, level, _ = verdict_of(table, pairs(ab=(0.4, 1e-9), ac=(0, 0), bc=(0, 0)))
    assert first == (
        "b has the smallest ADE, 2.00 px against 2.50 px of a (p < 0.0001 after Holm's correction): "
        "a, b are not shown to differ in accuracy (p = 0.4 after Holm's correction)."
    )
    assert level.startswith("b has accuracy 0.950")


def test_networks_that_differ_in_nothing_have_no_best():
    first, *_ = verdict_of(board(a=(0.951, 2.5), b=(0.95, 2.4)), pairs(ab=(0.4, 0.2)))
    assert first.startswith("No network is shown to be best: a, b are not shown to differ in accuracy (p = 0.4")
    assert "nor all of them in ADE (p = 0.2" in first


def test_the_level_of_the_tests():
    for p, best in ((0.049, True), (0.05, False)):
        first, *_ = verdict_of(board(a=(0.95, 2.0), b=(0.9, 2.0)), pairs(ab=(p, 1)))
        assert first.startswith("a has the highest accuracy") is best


def test_three_seeds_state_no_order():
    first, _level = verdict_of(board(a=(0.95, 2), b=(0.9, 2)), over_seeds(3, ab="not ranked: 3 seeds"), seeds=3)
    assert first == "No order of architectures is stated: 3 training runs of each show a spread and cannot rank them."


def test_five_seeds_rank_an_architecture_that_is_better_than_all_others():
    table = board(a=(0.9, 2), b=(0.95, 2), c=(0.8, 2))
    first, _level, ade = verdict_of(table, over_seeds(5, ab="second", ac="no difference shown", bc="first"), seeds=5)
    assert first == "b is better in accuracy than every other architecture (5 training runs of each)."
    assert ade == "No architecture is shown to be better in ADE than all others (5 training runs of each)."
    first, *_ = verdict_of(table, over_seeds(5, ab="second", ac="first", bc="no difference shown"), seeds=5)
    assert first.startswith("No architecture is shown to be better in accuracy than all others")


def test_a_smoke_run_names_no_best_network():
    table, compared = board(a=(0.95, 2), b=(0.9, 2)), pairs(ab=(0, 0))
    for clips, test_clips, smoke in ((999, 5000, True), (5000, 999, True), (1000, 1000, False)):
        sentences = verdict_of(table, compared, clips=clips, test_clips=test_clips)
        assert sentences[0].startswith("A smoke run") is smoke
        assert ("highest accuracy" in " ".join(sentences)) is not smoke


def test_without_comparisons_none_is_called_better():
    for compared in (None, pd.DataFrame()):
        first, level = verdict_of(board(a=(0.95, 2)), compared)
        assert first == "The networks were not compared pair by pair: none is called better."
        assert level.startswith("a has accuracy")


def test_a_network_like_a_control_is_not_shown_to_use_motion():
    _, level, _ = verdict_of(board(a=(0.495, 2), b=(0.4, 2)), pairs(ab=(0, 0)))
    assert "the best control (mean frame) 0.490, which is not shown to be worse; its ADE" in level
