"""The verdict is computed, and alarms go off."""

import pandas as pd
import pytest

from trajnb import files
from trajnb.config import Config
from trajnb.evaluation import leaderboard
from trajnb.report import report

BASELINES = [
    {"model": "chance", "test_top1": 0.25},
    {"model": "single_frame", "test_top1": 0.32, "test_top1_low": 0.31, "test_top1_high": 0.33},
    {"model": "constant_velocity", "ade_px": 4.0},
    {"model": "constant_velocity_true", "ade_px": 3.9},
    {"model": "pixel_oracle", "test_top1": 0.98, "ade_px": 1.3},
    {"model": "true_oracle", "test_top1": 0.99, "ade_px": 1.2},
]


def network(top1, model="transformer", width=0.01, ade_px=2.0, kind="network"):
    interval = {"test_top1_low": top1 - width, "test_top1_high": top1 + width}
    return {
        "model": model,
        "kind": kind,
        "preset": "nano",
        "parameters": 1234567.0,
        "test_top1": top1,
        "ade_px": ade_px,
    } | interval


def board(*networks):
    others = [{"kind": leaderboard.kind(row["model"])} | row for row in BASELINES]
    return pd.DataFrame([*networks, *others]).assign(n_test=10_000)


def run(**changes):
    cfg = Config(run_name="quick", clips=10_000, test_clips=10_000, epochs=8).replace(**changes)
    stages = {"data": {"status": "done", "seconds": 1.25}, "train-transformer": {"status": "pending"}}
    return {"run": cfg.run_name, "status": "done", "parameters": cfg.model_dump(), "stages": stages}


def said(*networks, **changes):
    return " ".join(report.verdict(board(*networks), run(**changes)))


def test_a_good_network():
    text = said(network(0.95))
    assert "transformer (nano) names the motion of 0.950 of 10,000 new clips (95 % interval 0.940 to 0.960)." in text
    assert "above every control (the best, single_frame, has 0.320)." in text
    assert "it reaches 0.959 of the pixel oracle's top-1, 0.980." in text
    assert "off by 2.00 px on average, 0.50 of constant velocity's 4.00 px." in text
    assert "ALARM" not in text
    assert "smoke" not in text


def test_a_poor_network_and_a_smoke_run():
    text = said(network(0.325, ade_px=4.4), clips=400, test_clips=400)
    assert "not above every control (the best, single_frame, has 0.320): it has not shown" in text
    assert "1.10 of constant velocity's 4.00 px: no better than going straight on." in text
    assert "proves nothing" in text


@pytest.mark.parametrize(("top1", "words"), [(0.0, "significantly below chance"), (1.0, "beyond the true oracle")])
def test_alarms(top1, words):
    assert [sentence for sentence in report.verdict(board(network(top1)), run()) if sentence.startswith("ALARM")]
    assert words in said(network(top1))


@pytest.mark.parametrize("top1", [0.245, 0.984])
def test_no_alarm_for_what_chance_allows(top1):
    assert "ALARM" not in said(network(top1))


def pairs(**p):
    """Paired comparisons of networks named by two letters: ab=(p of top-1, p of ADE)."""
    rows = [{"first": n[0], "second": n[1], "top1_p": top1, "ade_p": ade} for n, (top1, ade) in p.items()]
    return pd.DataFrame(rows)


def decided(*networks, seeds=1, **p):
    return " ".join(report.verdict(board(*networks), run(seeds=seeds), pairs(**p)))


def test_the_winner_is_ahead_on_the_class():
    text = decided(network(0.9, "b"), network(0.95, "a"), network(0.8, "c"), ab=(0.001, 1), ac=(0, 1), bc=(0.01, 1))
    assert "Winner: a: top-1 0.9500 against 0.9000 of b (p 0.001 after Holm)." in text
    assert "Backup: b: top-1 0.9000 against 0.8000 of c (p 0.01 after Holm)." in text
    assert "one training of each" in text


def test_equal_on_the_class_the_smaller_error_decides():
    text = decided(network(0.95, "b", ade_px=2.0), network(0.951, "a", ade_px=2.5), ab=(0.4, 1e-9))
    assert "Winner: b: top-1 of a, b cannot be told apart (p 0.4 after Holm)" in text
    assert "2.00 px against 2.50 of a (p < 0.0001 after Holm)" in text
    assert "Backup" not in text, "one network is left, and nothing to compare it with"


def test_the_decision_stands_before_its_reasons():
    text = decided(network(0.9, "b"), network(0.95, "a"), ab=(0.001, 1))
    assert text.index("Winner: a") < text.index("a (nano) names")


def test_pairs_of_other_networks_decide_nothing():
    assert "Winner" not in decided(network(0.9, "b"), network(0.95, "a"), ac=(0.001, 1))
    assert "Winner" not in decided(network(0.9, "b"), network(0.95, "a"), ab=(float("nan"), 1))


def test_sentences_about_one_network_make_a_paragraph():
    text = report.paragraphs(report.verdict(board(network(0.95), network(0.9, "i3d")), run()))
    assert [paragraph.split()[0] for paragraph in text] == ["transformer", "i3d"]
    assert all("Its future positions" in paragraph for paragraph in text)


@pytest.mark.parametrize(("clips", "tested", "small"), [(999, 5000, True), (5000, 999, True), (1000, 1000, False)])
def test_one_rule_says_what_a_smoke_run_is(clips, tested, small):
    assert report.smoke(run(clips=clips, test_clips=tested)) is small
    assert ("smoke run" in said(network(0.9), clips=clips, test_clips=tested)) is small


def test_a_cell_cannot_leave_its_table():
    assert report.grid(["a"], [["b | c\nd"]]).splitlines()[-1] == "| b \\| c d |"


def test_no_difference_shown():
    text = decided(network(0.95, "b", ade_px=2.4), network(0.951, "a", ade_px=2.5), ab=(0.4, 0.2))
    assert "Winner: no difference shown: top-1 of a, b cannot be told apart" in text
    assert "nor can the ADE of a and b (p 0.2 after Holm)" in text


@pytest.mark.parametrize(("count", "verdict"), [(3, "not ranked: 3 seeds"), (5, "first"), (5, "not told apart")])
def test_several_seeds_are_ranked_by_the_rule_over_seeds(count, verdict):
    row = {"first": "a", "second": "b", "score": "top1", "seeds": count, "difference": 0.05, "better": 1.0, "p": 1e-9}
    table = board(network(0.95, "a"), network(0.9, "b"))
    text = " ".join(report.verdict(table, run(seeds=count), pd.DataFrame([row | {"verdict": verdict}])))
    assert "Winner" not in text
    assert "McNemar" not in text
    assert ("a is better than b in top-1 by 0.050" in text) == (verdict == "first")
    assert ("With 3 seeds the spread is shown and no order is stated." in text) == (count == 3)
    assert ("Not told apart: a and b (top-1)." in text) == (verdict == "not told apart")


def test_a_smoke_run_names_no_winner():
    text = " ".join(report.verdict(board(network(0.9, "a"), network(0.5, "b")), run(clips=400), pairs(ab=(0, 0))))
    assert "Winner" not in text


def test_an_ensemble_is_no_network_but_stands_beside_them():
    joined = network(0.97, "ensemble_all", ade_px=1.5, kind="ensemble") | {"macs": 3e8}
    text = decided(network(0.95, "a"), network(0.9, "b"), joined, ab=(0, 0))
    assert "ensemble_all names 0.9700 (a alone 0.9500), ADE 1.50 px (a alone 2.00), for 300 M multiply-adds" in text
    assert "Winner: a" in text


def test_a_run_that_failed_says_so_first():
    failed = run() | {"status": "failed"}
    assert list(report.verdict(None, failed)) == [
        "This run is failed: what follows, if anything, is not its result.",
        "There is no leaderboard yet.",
    ]


def test_report_holds_all_and_is_the_same_twice(tmp_path):
    board(network(0.95)).to_csv(tmp_path / "leaderboard.csv", index=False)
    files.write_json(tmp_path / "run.json", run())
    text = report.write(tmp_path).read_text()
    assert "| transformer | network | nano | 0.950 | 0.940 | 0.960 | 2 | 10,000 | 1,234,567 |" in text
    assert "| epochs | 8 |" in text
    assert "| clips | 10000 |" in text
    assert "| data | done | 1.2 |" in text
    assert "| lr |" not in text
    assert report.write(tmp_path).read_text() == text


def test_the_columns_shown_are_the_evaluation_s():
    assert set(report.SHOWN) <= set(leaderboard.COLUMNS)


def test_a_network_of_any_name_stands_in_the_comparison():
    networks, _, _ = report.contenders(
        board(network(0.95, "i3d_true"), network(0.9, "my_shuffled"), network(0.8, "x_oracle"))
    )
    assert networks["model"].tolist() == ["i3d_true", "my_shuffled", "x_oracle"]


def control(top1, name):
    return network(top1, name, kind=leaderboard.kind(name))


def test_networks_that_should_fail_are_no_contenders():
    table = board(network(0.95, "i3d"), control(0.3, "i3d_shuffled"), control(0.9, "i3d_reversed"))
    networks, _, baseline = report.contenders(table)
    assert networks["model"].tolist() == ["i3d"]
    assert {"i3d_shuffled", "i3d_reversed"} <= set(baseline["model"])


def test_a_network_is_measured_against_controls_that_do_not_know_the_answer():
    rows = [network(0.95, "i3d"), *(control(*one) for one in ((0.45, "i3d_shuffled"), (0.97, "i3d_reversed")))]
    rows.append(control(0.99, "kinematic_true"))
    text = " ".join(report.verdict(board(*rows), run()))
    assert "above every control (the best, i3d_shuffled, has 0.450)." in text


def test_a_forced_run_says_so_first_and_names_no_winner():
    table, compared = board(network(0.95, "a"), network(0.90, "b")), pairs(ab=(0.001, 1))
    sentences = list(report.verdict(table, run() | {"forced": "FORCED: why"}, compared))
    assert sentences[0] == "FORCED: why"
    assert not [one for one in sentences if one.startswith("Winner")]
    assert [one for one in report.verdict(table, run(), compared) if one.startswith("Winner")]


def test_a_post_mortem_lacks_no_leaderboard():
    (only,) = report.verdict(None, run(study="postmortem"))
    assert "on purpose" in only
    assert "leaderboard yet" in next(iter(report.verdict(None, run())))
