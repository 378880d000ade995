"""What does not fit this machine is refused with numbers, or stopped before the machine freezes."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import torch

from trajnb import files, models
from trajnb.config import Config, ParameterError
from trajnb.runs import guard, processes, runner, sight, stages, status

GOOD = "from pathlib import Path; Path(folder, 'product').write_text('x')"
HOG = "import time; held = []\nfor _ in range(200): held.append(bytearray(8 * 2**20)); time.sleep(0.05)"


@pytest.mark.parametrize("preset", ["nano", "base"])  # paper ones read clips of their own sizes
def test_the_estimates_are_above_the_largest_network(preset):
    with torch.device("meta"):
        nets = [models.build(Config(model=model, preset=preset)) for model in models.EXTRACTORS]
    largest = max(sum(weight.numel() for weight in net.parameters()) for net in nets)
    assert guard.PARAMETERS[preset] * 0.6 < largest <= guard.PARAMETERS[preset]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"threads": 1000}, r"threads: 1000 is above the \d+ cores here: write at most \d+, or 0."),
        ({"clips": 10_000_000, "memory_limit_mb": 8000}, r"memory: data takes about 15,\d+ MB, 8,000 MB are there"),
        (
            {"preset": "base", "batch_size": 320, "memory_limit_mb": 30_000},
            r"memory: train-\w+ takes about 9\d,\d+ MB.*lower batch_size",
        ),
        ({"attention_clips": 500, "memory_limit_mb": 3000}, r"memory: attention takes about 4,4\d\d MB, 3,000 MB are"),
        ({"disk_reserve_mb": 99_999_999}, r"disk: 953,674 MB are free.* lower checkpoints_kept or disk_reserve_mb."),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(changes, words, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    large = shutil.disk_usage(tmp_path)._replace(free=10**12)
    monkeypatch.setattr(guard.shutil, "disk_usage", lambda path: large)
    monkeypatch.setattr(guard, "available_bytes", lambda: 10**12)
    with pytest.raises(ParameterError, match=words):
        runner.run(Config(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_container_s_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    monkeypatch.setattr(guard, "CGROUP", tmp_path)
    free = guard.available_bytes()
    assert free > 2**20
    (tmp_path / "memory.max").write_text(f"{2**20}\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 600\n")
    assert guard.available_bytes() == 2**20 - 400, "files that nobody uses do not count"
    assert guard.total_bytes() == 2**20
    cfg = Config(run_name="x", disk_reserve_mb=0)
    cfg.run_dir.mkdir(parents=True)
    guard.watch(cfg, 0)  # a small container on a large machine is not short
    (tmp_path / "memory.max").write_text("max\n")
    assert guard.available_bytes() > 2**20


def test_a_stage_that_takes_too_much_memory_is_stopped_and_saved(cfg, make):
    cfg = cfg.replace(memory_limit_mb=700)
    started = time.monotonic()
    with pytest.raises(
        runner.StageFailed, match=r"a was stopped before .* took [\d,]+ MB of memory, memory_limit_mb is 700"
    ):
        runner.run(cfg, [make("a", HOG)])
    assert time.monotonic() - started < 40
    found = files.read_json(cfg.run_dir / "run.json")
    assert (found["status"], found["stages"]["a"]["status"]) == ("stopped", "stopped")
    assert (cfg.run_dir / "a" / "notebook.failed.ipynb").is_file()


def test_a_stage_that_fills_the_disk_is_stopped(cfg, make, monkeypatch):
    usage = shutil.disk_usage(cfg.run_dir.parent.parent)
    few = usage._replace(free=10 * guard.MB)
    calls = []

    def shrinking(path):
        calls.append(path)
        return few if len(calls) > 3 else usage

    monkeypatch.setattr(guard.shutil, "disk_usage", shrinking)
    with pytest.raises(runner.StageFailed, match=r"left 10 MB of free disk, disk_reserve_mb is 300: make room"):
        runner.run(cfg, [make("a", "import time; time.sleep(30)")])


def test_the_whole_tree_is_counted():
    hungry = "import time; held = bytearray(64 * 2**20); time.sleep(30)"
    child = subprocess.Popen(["sh", "-c", f"{sys.executable} -c '{hungry}' & wait"])
    try:
        end = time.monotonic() + 20
        while guard.taken_bytes(child.pid) < 60 * guard.MB and time.monotonic() < end:
            time.sleep(0.1)
        assert guard.taken_bytes(child.pid) > 60 * guard.MB
    finally:
        for process in psutil.Process(child.pid).children(recursive=True):
            process.kill()
        child.wait()
    assert guard.taken_bytes(child.pid) == 0


def test_progress_is_written_while_a_stage_runs(cfg, make, monkeypatch):
    monkeypatch.setattr(processes, "BETWEEN_LOOKS_S", 0.1)
    monkeypatch.setattr(sight, "BETWEEN_FILES_S", 0.1)
    seen, write = [], sight.write

    def keep(run_dir, machine=""):
        write(run_dir, machine)
        seen.append((run_dir / sight.NAME).read_text())

    monkeypatch.setattr(sight, "write", keep)
    runner.run(cfg, [make("a", GOOD, "import time; time.sleep(2)")])
    assert "run tiny: running" in seen[1]
    assert "a takes" in seen[1] and "MB of disk are free" in seen[1]
    assert "run tiny: done, 1 of 1 stages done" in seen[-1]


def test_a_stale_sign_of_life_is_said(cfg, make):
    folder = cfg.stage_dir("train-i3d")
    state = {"done": 3, "total": 9, "unit": "step", "seconds_left": 60.0, "updated": "2026-01-01T00:00:00+00:00"}
    files.write_json(folder / "progress.json", state)
    assert "NO STEP for" in status.under_way(folder)
    files.write_json(folder / "progress.json", state | {"updated": runner.record.now()})
    assert "NO STEP" not in status.under_way(folder)
    assert "step 3 of 9 (33%), about 1 min 0 s left" in status.under_way(folder)


def test_every_kind_of_stage_has_an_estimate():
    cfg = Config(clips=10_000, test_clips=10_000)
    for stage in [*stages.plan(cfg), replace(stages.plan(cfg)[0], kind="postmortem")]:
        assert 5 < guard.disk_mb(stage, cfg) < 500
        assert 400 < guard.memory_mb(stage, cfg) < 2000
