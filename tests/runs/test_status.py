"""`trajnb status`: what it says of a run that is under way, has ended, or was killed."""

import json
import sys

import pytest

from trajnb import cli, files
from trajnb.config import Config
from trajnb.progress import duration
from trajnb.runs import record, status


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    folder = Config(run_name="tiny").run_dir
    stages = {
        "data": {"status": "done", "seconds": 25.1},
        "train-i3d": {"status": "running", "started": record.now()},
        "evaluate": {"status": "not run"},
    }
    files.write_json(folder / "run.json", {"run": "tiny", "status": "running", "parameters": {}, "stages": stages})
    done = {"cell_type": "code", "metadata": {"papermill": {"status": "completed"}}}
    pending = {"cell_type": "code", "metadata": {"papermill": {"status": "pending"}}}
    files.write_text(folder / "train-i3d" / "notebook.running.ipynb", json.dumps({"cells": [done, pending, pending]}))
    state = {"label": "i3d", "done": 30, "total": 60, "unit": "step", "seconds": 90.0, "seconds_left": 95.0}
    files.write_json(folder / "train-i3d" / "progress.json", state | {"values": {}})
    return folder


def said(*arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["trajnb", "status", *arguments])
    with pytest.raises(SystemExit):
        cli.main()
    return capsys.readouterr()


def test_under_way(run_dir, monkeypatch, capsys):
    with record.lock(run_dir):
        out = said("tiny", monkeypatch=monkeypatch, capsys=capsys).out.splitlines()
    assert out[0] == "run tiny: running, 1 of 3 stages done, 25 s in them"
    assert out[1].split() == ["data", "done", "25", "s"]
    assert out[2].startswith("  train-i3d  running ")
    assert out[2].endswith("cell 2 of 3, step 30 of 60 (50%), about 1 min 35 s left")
    assert out[3].split() == ["evaluate", "not", "run"]


def test_a_runner_that_has_gone(run_dir, monkeypatch, capsys):
    out = said(monkeypatch=monkeypatch, capsys=capsys).out
    assert out.startswith("run tiny: killed, 1 of 3")
    assert "train-i3d killed: its runner ended without a word" in out
    assert "goes on from there" in out
    assert files.read_json(run_dir / "run.json")["stages"]["train-i3d"]["status"] == "killed"


def test_watch_looks_until_the_run_ends(run_dir):
    looks = []

    def show(lines):
        looks.append(lines)
        if len(looks) == 3:
            held.__exit__(None, None, None)

    held = record.lock(run_dir)
    held.__enter__()
    status.watch(run_dir, show, seconds=0.01)
    assert len(looks) == 4
    assert looks[0][0].startswith("run tiny: running")
    assert looks[-1][0].startswith("run tiny: killed"), "how it ended is shown, not only seen"


def test_no_run_and_no_such_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    assert "No run was ever started" in said(monkeypatch=monkeypatch, capsys=capsys).err
    assert "run_name: x was never started" in said("x", monkeypatch=monkeypatch, capsys=capsys).err
    assert list(tmp_path.iterdir()) == []


def test_half_written_files_are_no_obstacle(run_dir):
    (run_dir / "train-i3d" / "progress.json").write_text('{"done": 3')
    (run_dir / "train-i3d" / "notebook.running.ipynb").write_text("{")
    with record.lock(run_dir):
        assert list(status.lines(run_dir))[2].endswith("starting")
    (run_dir / "run.json").write_text('{"run": "tiny", "sta')
    assert "cannot be read" in "".join(status.lines(run_dir))


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_duration(seconds, words):
    assert duration(seconds) == words
