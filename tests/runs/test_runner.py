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

from trajnb import ROOT, files
from trajnb.config import Config, ParameterError
from trajnb.runs import guard, record, runner, status
from trajnb.runs.stages import Stage
from trajnb.world import recipes

GOOD = "from pathlib import Path; Path(folder, 'product').write_text(str(epochs)); print('epoch', epochs)"


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
        "provenance",
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
    assert entry(cfg, "b") == {"status": "not run"}
    assert files.read_json(cfg.run_dir / "run.json")["status"] == "failed"
    assert not (cfg.run_dir / "a" / "notebook.ipynb").exists()
    assert statuses(cfg.run_dir / "a" / "notebook.failed.ipynb") == ["completed", "completed", "failed", "pending"]
    assert not cfg.stage_dir("b").exists()


def test_a_dead_kernel_is_a_failure(cfg, make):
    with pytest.raises(runner.StageFailed, match="a was killed in code cell 3 .*\n.*DeadKernelError"):
        runner.run(cfg, [make("a", "import os; os.kill(os.getpid(), 9)")])
    assert entry(cfg, "a")["status"] == "killed"
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


CHILD = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])"


def runner_process(stage, tmp_path, stderr=subprocess.DEVNULL):
    """A runner of its own process; returned once the notebook has said `sleeping`, or has ended."""
    script = (
        "import pickle, signal, sys\nfrom trajnb.config import Config\nfrom trajnb.runs import runner, stages\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.default_int_handler)\n"
        f"stage = stages.Stage('a', 'data', *pickle.loads({dumped(stage)!r}))\n"
        "runner.run(Config(run_name='tiny'), [stage])"
    )
    environment = os.environ | {"TINY": str(tmp_path)}
    run = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=stderr)
    next((line for line in run.stdout if b"sleeping" in line), None)
    return run


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_every_process_and_is_recorded(cfg, make, tmp_path, sent):
    run = runner_process(make("a", CHILD, "print('sleeping'); time.sleep(99)"), tmp_path)
    assert len(started_by(str(tmp_path))) == 3  # papermill, its kernel, the kernel's child
    start = time.monotonic()
    run.send_signal(sent)
    assert run.wait(20) != 0
    run.stdout.close()
    assert time.monotonic() - start < 15
    assert started_by(str(tmp_path)) == []
    assert entry(cfg, "a")["status"] == "stopped"
    assert record.read(cfg.run_dir)["status"] == "stopped"
    assert statuses(cfg.run_dir / "a" / "notebook.failed.ipynb")[-2:] == ["failed", "pending"]


MUCH = "for n in range(20_000): print('line', n)"


@pytest.mark.parametrize("way", ["head", "full", "terminal"])
def test_a_reader_or_terminal_that_goes_away_ends_no_run(cfg, make, tmp_path, way):
    stage = make("a", "print('sleeping'); import time; time.sleep(3)", MUCH, GOOD)
    script = (
        "import pickle\nfrom trajnb.config import Config\nfrom trajnb.runs import processes, runner, stages\n"
        f"stage = stages.Stage('a', 'data', *pickle.loads({dumped(stage)!r}))\n"
        "with processes.outlived():\n    runner.run(Config(run_name='tiny'), [stage])\n    print('end')"
    )
    reader, writer = os.openpty() if way == "terminal" else os.pipe()
    with open("/dev/full", "wb") as full:
        out = full if way == "full" else writer
        run = subprocess.Popen([sys.executable, "-c", script], stdout=out, stderr=out, start_new_session=True)
    os.close(writer)
    if way != "full":
        while b"sleeping" not in os.read(reader, 1000):
            pass
    os.close(reader)
    if way == "terminal":
        run.send_signal(signal.SIGHUP)
    assert run.wait(60) == 0
    assert record.read(cfg.run_dir)["status"] == "done"
    assert [f"line {n}" for n in range(20_000)] == [
        line for line in (cfg.run_dir / "a" / "log.txt").read_text().splitlines() if line.startswith("line ")
    ]


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

    changed = "epochs 5 -> 6"
    other = [stages[0], replace(stages[1], parameters=stages[1].parameters | {"epochs": 6})]
    assert reasons(cfg, other, capsys) == ["a: would be skipped, unchanged", f"b: would run, {changed}"]
    other = [replace(stages[0], parameters=stages[0].parameters | {"epochs": 6}), stages[1]]
    assert reasons(cfg, other, capsys) == [f"a: would run, {changed}", "b: would run, a runs again"]
    (cfg.run_dir / "a" / "product").unlink()
    assert reasons(cfg, stages, capsys) == [
        "a: would run, a/product is missing",
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
    assert entry(cfg, "b") == {"status": "not run"}
    assert not list(cfg.run_dir.glob("*/notebook.ipynb"))
    assert not list(cfg.run_dir.glob("*/product"))


def test_two_runners_never_share_a_run(cfg, make):
    with record.lock(cfg.run_dir), pytest.raises(ParameterError, match="tiny is running now"):
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
    for name in ("checkpoints/step-1.pt", "a.txt", "notebook.ipynb"):
        files.write_text(folder / name, "old")
    runner.forget(one, resumes)
    assert (folder / "checkpoints" / "step-1.pt").exists() == left
    assert not (folder / "a.txt").exists()
    assert not (folder / "notebook.ipynb").exists()


def test_a_hanging_cell_is_timed_out(cfg, make):
    cfg = cfg.replace(cell_limit_s=1)
    with pytest.raises(runner.StageFailed, match="a timed out in code cell 3 .*\n(.*\n)*.*CellTimeoutError"):
        runner.run(cfg, [make("a", "import time; time.sleep(99)")])
    assert entry(cfg, "a")["status"] == record.read(cfg.run_dir)["status"] == "timed out"
    assert statuses(cfg.run_dir / "a" / "notebook.failed.ipynb") == ["completed", "completed", "failed", "pending"]


@pytest.fixture(params=[signal.SIG_DFL, signal.SIG_IGN], ids=["in front", "nohup"])
def at_interrupt(request):
    """What our children do at Ctrl-C: end, or nothing, as after `nohup ... &`."""
    before = signal.signal(signal.SIGINT, request.param)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_stage_over_its_limit_is_timed_out(cfg, make, monkeypatch, tmp_path, at_interrupt):
    monkeypatch.setenv("TINY", str(tmp_path))
    child = "import subprocess; subprocess.Popen(['sleep', '98'])"
    with pytest.raises(runner.StageFailed, match="a ran longer than stage_limit_s, 8 s: raise it"):
        runner.run(cfg.replace(stage_limit_s=8), [make("a", child, "import time; time.sleep(98)")])
    assert started_by(str(tmp_path)) == []
    assert entry(cfg, "a")["status"] == "timed out"
    assert statuses(cfg.run_dir / "a" / "notebook.failed.ipynb")[-2:] == ["failed", "pending"]
    assert reasons_of(cfg, [make("a", child)]) == {"a": "last time it timed out"}


def reasons_of(cfg, stages):
    done = record.read(cfg.run_dir)["stages"]
    return runner.decide(stages, [stage.name for stage in stages], (), done, runner.package_hash())


def test_a_killed_papermill_is_killed(cfg, make, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY", str(tmp_path))
    with pytest.raises(runner.StageFailed, match="a was killed by signal 9"):
        runner.run(cfg, [make("a", "import os; os.kill(os.getppid(), 9); import time; time.sleep(99)")])
    assert entry(cfg, "a")["status"] == "killed"
    assert started_by(str(tmp_path)) == []


@pytest.mark.slow
def test_a_killed_runner_leaves_nothing_running_and_its_record_is_put_right(cfg, make, tmp_path):
    run = runner_process(make("a", CHILD, "print('sleeping'); time.sleep(99)"), tmp_path)
    second = runner_process(make("a", GOOD), tmp_path, stderr=subprocess.PIPE)
    assert "tiny is running now" in second.communicate()[1].decode()  # two runs never share a folder
    assert second.returncode != 0
    assert entry(cfg, "a")["status"] == "running"
    run.kill()
    run.wait()
    run.stdout.close()
    deadline = time.monotonic() + 30
    while started_by(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert started_by(str(tmp_path)) == []
    assert record.settle(cfg.run_dir)["status"] == entry(cfg, "a")["status"] == "killed"
    assert statuses(cfg.run_dir / "a" / "notebook.running.ipynb")[-2:] == ["failed", "pending"]
    runner.run(cfg, [make("a", GOOD)])
    assert entry(cfg, "a")["status"] == "done"
    assert not list(cfg.run_dir.glob("a/notebook.running.ipynb"))


def test_a_full_disk_is_a_failure_with_a_record(cfg, make, tmp_path, monkeypatch):
    cfg = cfg.replace(disk_reserve_mb=0)
    monkeypatch.setattr(guard, "disk_mb", lambda stage, cfg: 0)  # else it would not even start
    cfg.run_dir.mkdir(parents=True)
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", cfg.run_dir]).returncode:
        pytest.skip("a small disk to fill needs root and mount")
    try:
        big = "from IPython.display import display; display({'text/html': 'big ' * 100_000}, raw=True)"
        with pytest.raises(runner.StageFailed, match=r"a ended with exit code 1, its disk is full \(\d+ bytes left\)"):
            runner.run(cfg, [make("a", "print('small')", big)])
        assert entry(cfg, "a")["status"] == record.read(cfg.run_dir)["status"] == "failed"
        assert not (cfg.run_dir / "a" / "notebook.ipynb").exists()
        failed = cfg.run_dir / "a" / "notebook.failed.ipynb"
        assert not failed.exists() or record.cells(failed), "half a notebook is not kept"
    finally:
        subprocess.run(["umount", cfg.run_dir], check=True)


def test_kernels_are_reached_by_sockets_not_ports(cfg, make, capsys):
    asks = "from ipykernel.connect import get_connection_info; print(get_connection_info(unpack=True)['transport'])"
    where = "from pathlib import Path; print(Path(get_connection_info(unpack=True)['ip']).parent)"
    runner.run(cfg, [make("a", asks, where, GOOD)])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "ipc" in lines
    folder = lines[lines.index("ipc") + 1]
    assert os.path.basename(folder).startswith("trajnb-")
    assert not os.path.exists(folder)


def test_only_and_from(cfg, make, capsys):
    stages = [make("a", GOOD), make("b", GOOD, needs=["a"]), make("c", GOOD)]
    with pytest.raises(ParameterError, match="b needs a, which has no result"):
        runner.run(cfg, stages, only=["b"])
    with pytest.raises(ParameterError, match="x is no stage of this run: write a, b, c"):
        runner.run(cfg, stages, only=["x"])
    assert not cfg.run_dir.exists()
    runner.run(cfg, stages, only=["a", "b"])
    assert sorted(record.read(cfg.run_dir)["stages"]) == ["a", "b"]
    runner.run(cfg, stages)
    assert reasons(cfg, stages, capsys, start="a") == [
        "a: would run, forced",
        "b: would run, forced",
        "c: would be skipped, unchanged",
    ]
    assert reasons(cfg, stages, capsys, only=["c"], force=True) == ["c: would run, forced"]


def test_what_has_changed_is_named(cfg, make, capsys, monkeypatch):
    stages = [make("a", GOOD), make("b", GOOD, needs=["a"])]
    runner.run(cfg, stages)
    assert reasons(cfg, [make("a", GOOD + "\n"), stages[1]], capsys)[0] == "a: would run, the notebook has changed"
    make("a", GOOD)
    touched = nbformat.read(stages[0].notebook, as_version=4)
    touched.cells[2].outputs = [nbformat.v4.new_output("stream", text="something else")]
    nbformat.write(touched, stages[0].notebook)
    assert reasons(cfg, stages, capsys) == ["a: would be skipped, unchanged", "b: would be skipped, unchanged"]
    (cfg.run_dir / "a" / "product").write_text("6")
    assert reasons(cfg, stages, capsys)[0] == "a: would run, a/product is not as it was written"
    runner.run(cfg, stages[:1])
    assert reasons(cfg, stages, capsys) == ["a: would be skipped, unchanged", "b: would be skipped, unchanged"]
    monkeypatch.setattr(runner, "package_hash", lambda: "other")
    assert reasons(cfg, stages, capsys)[0] == "a: would run, the package has changed"


def test_ensure_makes_what_is_missing_or_stale_and_leaves_what_was_made_by_hand(cfg, make, monkeypatch, capsys):
    stages = [make("a", GOOD)]
    monkeypatch.setattr(runner, "plan", lambda cfg: stages)
    made = cfg.stage_dir("a") / "product"
    files.write_text(made, "by hand")
    runner.ensure(cfg, "data")
    assert made.read_text() == "by hand"
    made.unlink()
    runner.ensure(cfg, "train")
    assert not made.exists(), "only the kinds that are asked for"
    runner.ensure(cfg, "data")
    assert made.read_text() == "5"
    capsys.readouterr()
    runner.ensure(cfg, "data")
    assert capsys.readouterr().out == ""
    stages[0] = make("a", GOOD, "print('changed')")
    runner.ensure(cfg, "data")
    assert "the notebook has changed" in capsys.readouterr().out


UNSOUND = {"name": "class missing", "evidence": "val: 0 linear", "mend": "split by recipe.", "severity": "severe"}


@pytest.fixture
def severe(cfg, make, monkeypatch):
    """A stage that leaves data which the audit finds severe, and a training of them: (stages, path of audit.json)."""
    from trajnb.audit import admission

    path = cfg.stage_dir("data") / "audit.json"
    monkeypatch.setattr(admission.material, "identity", lambda folder: "these")
    files.write_json(path, {"severe": True, "looked": {"data": "these"}, "tests": [UNSOUND | {"found": True}]})
    return [make("data", GOOD), replace(make("train-i3d", GOOD, needs=["data"]), kind="train")], path


def test_severe_data_are_refused_before_a_kernel_starts(cfg, severe):
    with pytest.raises(runner.StageFailed, match=r"train-i3d was not started: the audit refuses .*0 linear.*--force"):
        runner.run(cfg, severe[0])
    found = files.read_json(cfg.run_dir / "run.json")
    assert found["status"] == "failed"
    assert "forced" not in found
    assert (entry(cfg, "data")["status"], entry(cfg, "train-i3d")["status"]) == ("done", "not run")
    assert not (cfg.run_dir / "train-i3d" / "notebook.ipynb").exists()
    assert "the audit refuses" in "\n".join(status.lines(cfg.run_dir)), "a person who looks is told why"


def test_a_run_with_marked_products_says_so_however_it_ended(cfg, severe, make):
    stages, path = severe
    mark = f"from pathlib import Path; Path(folder, '{files.MARK}').write_text('FORCED: why')"
    stages[1] = replace(make("train-i3d", GOOD, mark, "1 / 0", needs=["data"]), kind="train")
    with pytest.raises(runner.StageFailed, match="ZeroDivisionError"):
        runner.run(cfg.replace(force=True), stages)
    assert files.read_json(cfg.run_dir / "run.json")["forced"] == "FORCED: why"
    with pytest.raises(runner.StageFailed, match="was not started"):
        runner.run(cfg, stages)
    assert files.read_json(cfg.run_dir / "run.json")["forced"] == "FORCED: why", "the products are still those"
    (cfg.run_dir / "train-i3d" / files.MARK).unlink()
    files.write_json(path, files.read_json(path) | {"severe": False})
    stages[1] = replace(make("train-i3d", GOOD, needs=["data"]), kind="train")
    runner.run(cfg, stages)
    assert "forced" not in files.read_json(cfg.run_dir / "run.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_a_broken_audit_ends_no_runner(cfg, severe, text):
    files.write_text(severe[1], text)
    runner.run(cfg, severe[0])
    assert entry(cfg, "train-i3d")["status"] == "done"


def test_force_changes_no_result_and_so_repeats_no_stage(cfg, make, capsys):
    stage = make("a", GOOD)
    runner.run(cfg, [replace(stage, parameters=stage.parameters | {"force": True})], force=True)
    capsys.readouterr()
    runner.run(cfg, [stage])
    assert "a: skipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"preset": "paper"},
            "preset paper does not fit: transformer paper reads frames 8, these clips",
        ),
        ({"extent_min_px": 43.9, "class_margin_px": 20.0}, "this world is impossible: no "),
    ],
)
def test_what_a_notebook_would_refuse_is_refused_before_anything_starts(changes, words, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    monkeypatch.setattr(recipes, "ATTEMPTS", 512)
    with pytest.raises(ParameterError, match=words):
        runner.run(Config(**changes), dry_run=True)
    assert list(tmp_path.iterdir()) == []


def test_few_clips_are_no_contradiction_in_a_notebook_that_does_not_train():
    """The data stage is given no batch_size, so its default must go with any number of clips."""
    own = next(stage for stage in runner.plan(Config(clips=40, batch_size=8)) if stage.kind == "data")
    assert Config(**own.parameters).clips == 40
