"""All runs side by side: none is left out, what differs is shown, and it fits a terminal."""

from datetime import UTC, datetime

import pytest

from trajnb import files
from trajnb.report import overview

DATES = {"a": "2026-11-24T10:15:00+00:00", "b": "2026-11-24T12:15:00+01:00", "c": "nonsense"}


@pytest.fixture
def rows(write_run, tmp_path):
    """Four runs: a and b with dates, c with none, cut with half a record."""
    stages = {"data": {"status": "done", "seconds": 61.0}, "train-i3d": {"status": "done", "own": {"lr": 0.02}}}
    write_run("a", stages, record={"ended": DATES["a"]}, clips=10_000, test_clips=10_000, epochs=8)
    write_run("b", {}, None, {"ended": DATES["b"], "status": "failed"}, clips=10_000, test_clips=2_000, epochs=8)
    write_run("c", {}, record={"ended": DATES["c"]}, motions=["linear", "circular"])
    files.write_text(tmp_path / "cut" / "run.json", "{")
    (tmp_path / "no run").mkdir()
    return overview.past(tmp_path)


def test_every_run_is_found_the_latest_first(rows):
    assert [(row.name, row.status, row.smoke) for row in rows] == [
        ("b", "failed", False),
        ("a", "done", False),
        ("c", "done", True),
        ("cut", "unreadable", False),
    ]
    assert rows[0].ended == datetime(2026, 11, 24, 11, 15, tzinfo=UTC)
    assert rows[2].ended is None
    assert "no whole JSON" in rows[3].problem


def test_a_row_holds_scores_and_what_differs_from_the_defaults(rows):
    changed = {"clips": "10000", "test_clips": "10000", "epochs": "8", "lr (train-i3d)": "0.02"}
    assert rows[1].changed == changed
    assert rows[2].changed == {"motions": "linear, circular"}
    assert list(rows[1].networks) == ["i3d", "transformer"], "the best one first, no baseline"
    assert (rows[1].networks["transformer"]["test_top1"], rows[1].networks["transformer"]["ade_px"]) == (0.5, 2.0)
    assert rows[1].seconds == 61.0
    assert rows[0].networks == {}
    assert rows[0].best is None


def test_the_table_shows_where_runs_differ_and_nothing_else(rows):
    lines = {line[:16].strip(): line.split()[-3:] for line in overview.table(rows).splitlines() if line.strip()}
    text = overview.table(rows)
    assert text.splitlines()[0].split() == ["b", "a", "c"]
    assert lines["clips"] == ["10000", "10000", "400"]
    assert lines["test_clips"] == ["2000", "10000", "400"]
    assert lines["lr (train-i3d)"] == ["0.01", "0.02", "0.01"], "what the run had, where no stage had its own"
    assert lines["top-1 i3d"][-2:] == ["0.700", "0.700"]
    assert "noise_min" not in text, "the same in all"
    assert "done, smoke run" in text
    assert text.splitlines()[-1] == "cut: cut/run.json is no whole JSON: run it again."


def test_many_runs_fit_a_terminal(write_run, tmp_path):
    for number in range(12):
        write_run(
            f"a-rather-long-name-of-a-run-{number}", {}, motions=["linear", "circular", "random"][: 2 + number % 2]
        )
    text = overview.table(overview.past(tmp_path))
    assert max(map(len, text.splitlines())) <= overview.WIDTH
    assert all(f"run-{number}" in "".join(text.split()) for number in range(12))
    assert text.count("status") == 3, "blocks of as many runs as fit"


def test_no_run_is_no_mistake(tmp_path):
    assert overview.past(tmp_path / "none") == []
    assert overview.table([]) == "There are no runs yet."


def test_a_run_cannot_command_the_terminal(write_run, tmp_path):
    write_run("a", {}, record={"status": "\x1b[2J\x07done"}, epochs=3)
    write_run("b", {})
    assert not [letter for letter in overview.table(overview.past(tmp_path)) if letter < " " and letter != "\n"]
