"""The runner tells the truth: about success, an error, a dead kernel, Ctrl-C, and what has not changed."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from trajnb import ROOT, files
from trajnb.config import Config, ParameterError
from trajnb.runs import runner
from trajnb.runs.stages import Stage

GOOD = "from pathlib import Path; Path(folder, 'product').write_text(str(epochs)); print('epoch', epochs)"


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.delenv("TRAJNB_STAGE", raising=False)
    return Config(run_name="tiny")


@pytest.fixture
def make(cfg, tmp_path):
    """Makes a stage from sources: make("a", "print(1)")."""

    def stage(name, *sources, needs=(), products=("product",)):
        first = new_code_cell("epochs: int = 2\nfolder: str = ''", metadata={"tags": ["parameters"]})
        cells = [new_markdown_cell("# Tiny"), first, *map(new_code_cell, sources), new_code_cell("print('end')")]
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
        folder = cfg.stage_dir(name)
        parameters = {"epochs": 5, "folder": str(folder)}
        return Stage(name, "data", path, parameters, folder, tuple(needs), tuple(f"{name}/{p}" for p in products))

    return stage


def entry(cfg, name):
    return files.read_json(cfg.run_dir / "run.json")["stages"][name]


def statuses(path):
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [cell.metadata.papermill.status for cell in code]


def started_by(name):
    """Command lines of living processes that work for a notebook of this name, kernels by their parent's."""
    found = []
    for process in psutil.process_iter():
        try:
            if "TRAJNB_STAGE" in process.environ() and process.environ().get("TINY") == name:
                found.append(process.cmdline())
        except (psutil.Error, OSError):
            continue
    return found


def test_done(cfg, make, capsys):
    where = f"import os, sys; print(os.getcwd() == {str(ROOT)!r}, sys.executable == {sys.executable!r})"
    runner.run(cfg, [make("a", GOOD, where)])
    said = capsys.readouterr().out
    assert "[1/1] a: running, no earlier result\n    epoch 5\n    True True\n    end\n[1/1] a: done in " in said
    assert sorted(p.name for p in (cfg.run_dir / "a").iterdir()) == [
        "log.txt",
        "notebook.ipynb",
        "params.yaml",
        "product",
    ]
    assert set(statuses(cfg.run_dir / "a" / "notebook.ipynb")) == {"completed"}
    assert "epoch 5" in (cfg.run_dir / "a" / "log.txt").read_text()
    assert files.read_json(cfg.run_dir / "run.json")["status"] == "done"
    assert entry(cfg, "a")["seconds"] > 0


def test_an_error_stops_the_run(cfg, make, capsys):
    with pytest.raises(runner.StageFailed, match=r"a failed in code cell 3 .*\n(.*\n)*ZeroDivisionError"):
        runner.run(cfg, [make("a", "1 / 0"), make("b", GOOD)])
    assert "done" not in capsys.readouterr().out
    assert entry(cfg, "a")["status"] == "failed"
    assert entry(cfg, "b") == {"status": "pending"}
    assert files.read_json(cfg.run_dir / "run.json")["status"] == "failed"
    assert not (cfg.run_dir / "a" / "notebook.ipynb").exists()
    assert statuses(cfg.run_dir / "a" / "notebook.failed.ipynb") == ["completed", "completed", "failed", "pending"]
    assert not cfg.stage_dir("b").exists()


def test_a_dead_kernel_is_a_failure(cfg, make):
    with pytest.raises(runner.StageFailed, match="a failed in code cell 3 .*\n.*DeadKernelError"):
        runner.run(cfg, [make("a", "import os; os.kill(os.getpid(), 9)")])
    assert entry(cfg, "a")["status"] == "failed"
    assert statuses(cfg.run_dir / "a" / "notebook.failed.ipynb") == ["completed", "completed", "failed", "pending"]


def test_a_missing_product_is_a_failure(cfg, make):
    with pytest.raises(runner.StageFailed, match="a ended without writing a/product"):
        runner.run(cfg, [make("a", "pass")])
    assert not (cfg.run_dir / "a" / "notebook.ipynb").exists()


def test_the_stock_papermill_command_is_as_truthful(make, tmp_path):
    path = make("a", "import time; time.sleep(60)").notebook
    command = [sys.executable, "-m", "papermill", path, tmp_path / "out.ipynb", "--engine", "trajnb", "-k", "python3"]
    ended = subprocess.run([*command, "-l", "python", "--execution-timeout", "1"], capture_output=True, check=False)
    assert ended.returncode != 0
    assert statuses(tmp_path / "out.ipynb") == ["completed", "failed", "pending"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_every_process_and_is_recorded(cfg, make, tmp_path, sent):
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])"
    stage = make("a", child, "print('sleeping'); time.sleep(99)")
    script = (
        "import pickle, signal, sys\nfrom trajnb.config import Config\nfrom trajnb.runs import runner, stages\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        f"stage = stages.Stage('a', 'data', *pickle.loads({dumped(stage)!r}))\n"
        "runner.run(Config(run_name='tiny'), [stage])"
    )
    environment = os.environ | {"TINY": str(tmp_path)}
    run = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    for line in run.stdout:
        if b"sleeping" in line:
            break
    assert len(started_by(str(tmp_path))) == 3  # papermill, its kernel, the kernel's child
    start = time.monotonic()
    run.send_signal(sent)
    assert run.wait(20) != 0
    run.stdout.close()
    assert time.monotonic() - start < 15
    assert started_by(str(tmp_path)) == []
    assert entry(cfg, "a")["status"] == "interrupted"
    assert files.read_json(cfg.run_dir / "run.json")["status"] == "interrupted"
    assert statuses(cfg.run_dir / "a" / "notebook.failed.ipynb")[-2:] == ["failed", "pending"]


def dumped(stage):
    return pickle.dumps((stage.notebook, stage.parameters, stage.folder))


def test_unchanged_stages_are_skipped_and_others_say_why(cfg, make, capsys):
    stages = [make("a", GOOD), make("b", GOOD, needs=["a"])]
    assert reasons(cfg, stages, capsys) == ["a: would run, no earlier result", "b: would run, no earlier result"]
    assert not cfg.run_dir.exists()
    runner.run(cfg, stages)
    capsys.readouterr()
    runner.run(cfg, stages)
    assert capsys.readouterr().out.count("skipped, nothing has changed") == 2
    assert files.read_json(cfg.run_dir / "run.json")["status"] == "done"
    assert reasons(cfg, stages, capsys, force=True) == ["a: would run, forced", "b: would run, forced"]

    changed = "its notebook, parameters, package or inputs have changed"
    other = [stages[0], replace(stages[1], parameters=stages[1].parameters | {"epochs": 6})]
    assert reasons(cfg, other, capsys) == ["a: would be skipped, unchanged", f"b: would run, {changed}"]
    other = [replace(stages[0], parameters=stages[0].parameters | {"epochs": 6}), stages[1]]
    assert reasons(cfg, other, capsys) == [f"a: would run, {changed}", f"b: would run, {changed}"]
    (cfg.run_dir / "a" / "product").unlink()
    assert reasons(cfg, stages, capsys) == [
        "a: would run, a file of its result is missing",
        "b: would run, a runs again",
    ]


def reasons(cfg, stages, capsys, **options):
    capsys.readouterr()
    runner.run(cfg, stages, dry_run=True, **options)
    return capsys.readouterr().out.splitlines()


def test_a_failure_leaves_no_old_result_behind(cfg, make):
    stages = [make("a", GOOD), make("b", GOOD, needs=["a"])]
    runner.run(cfg, stages)
    stages[0] = make("a", "1 / 0")
    with pytest.raises(runner.StageFailed):
        runner.run(cfg, stages)
    assert entry(cfg, "b") == {"status": "pending"}
    assert not list(cfg.run_dir.glob("*/notebook.ipynb"))
    assert not list(cfg.run_dir.glob("*/product"))


def test_two_runners_never_share_a_run(cfg, make):
    with runner.lock(cfg), pytest.raises(ParameterError, match="tiny is running now"):
        runner.run(cfg, [make("a", GOOD)])
    assert [p.name for p in cfg.run_dir.iterdir()] == [".lock"]


def test_a_gpu_that_is_not_there_is_named(cfg, make, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParameterError, match="torch finds no GPU: write auto or cpu"):
        runner.run(cfg.replace(device="cuda"), [make("a", GOOD)])
    assert not cfg.run_dir.exists()


def test_ensure_makes_only_what_is_missing(cfg, make, monkeypatch):
    stages = [make("a", GOOD), make("b", GOOD)]
    monkeypatch.setattr(runner, "plan", lambda cfg: stages)
    runner.run(cfg, stages[:1])
    before = (cfg.run_dir / "a" / "notebook.ipynb").stat().st_mtime_ns
    runner.ensure(cfg, "data")
    assert {name: entry(cfg, name)["status"] for name in "ab"} == {"a": "done", "b": "done"}
    assert (cfg.run_dir / "a" / "notebook.ipynb").stat().st_mtime_ns == before
    monkeypatch.setenv("TRAJNB_STAGE", "1")
    (cfg.run_dir / "a" / "product").unlink()
    runner.ensure(cfg, "data")
    assert not (cfg.run_dir / "a" / "product").exists()


@pytest.mark.parametrize(("resumes", "left"), [(True, True), (False, False)])
def test_a_checkpoint_outlives_only_the_very_same_stage(tmp_path, resumes, left):
    """Else a finished training of older code would be taken for the new one."""
    folder = tmp_path / "train-transformer"
    one = Stage("train-transformer", "train", tmp_path / "n.ipynb", {}, folder, (), ("train-transformer/a.txt",))
    for name in ("last.pt", "a.txt", "notebook.ipynb"):
        files.write_text(folder / name, "old")
    runner.forget(one, resumes)
    assert (folder / "last.pt").exists() == left
    assert not (folder / "a.txt").exists()
    assert not (folder / "notebook.ipynb").exists()
