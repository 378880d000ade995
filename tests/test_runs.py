"""The runner: what runs again and why; whatever kills a run, the same command goes on without a flag or an unlock."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.runs import SLOW, Lab, once_printed
from trajnb import ParameterError, runs

ALL = {"train-i3d", "evaluate", "robustness", "attention", "predict", "explain", "export", "report"}


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """A lab whose run has ended, of one network."""
    lab = Lab(tmp_path_factory.mktemp("done"))
    code, printed = lab.run("--cores", "2", "--config", "models=[i3d]")
    assert code == 0 and "index.html" in printed, printed
    lab.printed = printed
    return lab


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


def nothing_is_left(lab, seconds=15):
    """Wait until no process of the lab is there."""
    end = time.monotonic() + seconds
    while left := [process.cmdline() for process in lab.processes()]:
        assert time.monotonic() < end, left
        time.sleep(0.1)


def jobs(printed):
    """The steps in the order in which Snakemake has started them."""
    return [line.split(": ")[1] for line in printed.splitlines() if line.startswith("Job ")]


def goes_on(lab):
    """The same command, once the notebook is quick, ends well."""
    lab.write("01_data")
    code, printed = lab.run("data")
    assert code == 0, printed
    assert (lab.run_dir / "data" / "notebook.ipynb").is_file()
    assert not list(lab.run_dir.rglob("notebook.*ing.ipynb"))


def test_a_run_leaves_pages_manifest_and_sums(done):
    names = {path.name for path in done.run_dir.iterdir()} - {".lock"}
    assert names == ALL | {"data", "index.html", "manifest.json", "SHA256SUMS"}
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=done.run_dir, check=True)
    assert "epochs 2" in (done.run_dir / "train-i3d" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("change", "steps", "reason"),
    [
        ("cell_limit_s=9", set(), "Nothing to be done"),
        ("epochs=3", ALL, "'epochs=2' now: 'epochs=3'"),
        ("params/models/i3d.yaml", ALL, "now: 'lr=0.005'"),
        ("trajnb/figures/style.py", ALL - {"train-i3d"}, "code="),
        ("trajnb/models/i3d.py", ALL, "code="),
        ("trajnb/models/magvit.py", ALL - {"train-i3d"}, "code="),
        ("attention_clips=9", {"attention", "explain", "report"}, "attention_clips=9"),
    ],
)
def test_what_runs_again(done, change, steps, reason):
    """`change`: a parameter, or a file in which something changes."""
    (done.run_dir / "data" / "recipes.parquet").touch()  # does not matter: it is as it was
    words = [change] if "=" in change else []
    path = done.folder / ("README" if words else change)
    before = path.read_text() if path.is_file() else ""
    path.write_text(before.replace("lr:", "#") + "\nlr: 0.005" if path.suffix == ".yaml" else before + "\n# another")
    try:
        code, printed = done.run("-n", "--config", "models=[i3d]", *words)
    finally:
        path.write_text(before)
    assert code == 0, printed
    assert {*jobs(printed)} - {"pages"} == steps
    assert reason in printed


def test_the_longest_step_starts_first(lab, done):
    code, printed = lab.run("trained", "--cores", "1", "--config", "models=[i3d,slowfast,transformer]")
    assert jobs(printed)[1:4] == ["train-transformer", "train-slowfast", "train-i3d"], printed
    assert {*jobs(done.printed)[2:4]} == {"evaluate", "robustness"}, done.printed


def test_a_bad_parameter_ends_with_two_and_one_sentence(lab):
    code, printed = lab.run("--config", "epochs=0")
    assert code == 2 and "epochs: 0 does not fit: write a whole number from 1" in printed.splitlines()[-1]
    assert not (lab.folder / "outputs").exists()


IMPOSSIBLE = {"threads: 1000 is above the": {"threads": 1000}, "preset paper does not": {"preset": "paper"}}


@pytest.mark.parametrize("sentence", IMPOSSIBLE)
def test_what_this_machine_or_a_network_cannot_do_is_refused(sentence):
    with pytest.raises(ParameterError, match=f"^{sentence}"):
        runs.check(*runs.read([], IMPOSSIBLE[sentence]))


def test_a_failing_cell_is_the_last_thing_printed_and_the_notebook_is_kept(lab):
    lab.write("01_data", "print('before')", "raise ValueError('no such clip')", "print('after')")
    code, printed = lab.run("data")
    assert code == 1
    assert printed.splitlines()[-1].endswith("ValueError: no such clip")
    assert (lab.run_dir / "data" / "notebook.failed.ipynb").is_file()


def test_a_cell_that_hangs_is_stopped_at_its_limit(lab):
    lab.write("01_data", SLOW)
    settings = json.dumps({"device": "cpu", "threads": 1, "cell_limit_s": 2})
    command = [sys.executable, "-m", "trajnb.runs", settings, "data", lab.run_dir / "data", 'run_name="smoke"']
    assert subprocess.run(command, cwd=lab.folder, env=lab.environment()).returncode == 1
    assert "timed out" in (lab.run_dir / "data" / "error.txt").read_text()
    nothing_is_left(lab)


@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "SIGKILL", "SIGKILL of papermill"])
def test_however_a_run_ends_nothing_is_left_and_the_same_command_goes_on(lab, end):
    lab.write("01_data", SLOW)
    process = once_printed("begun", lab.start("data"))
    if end == "SIGTERM":
        code, printed = lab.run("data")
        assert code == 2 and printed.splitlines()[-1].startswith("run_name: smoke is already running")
    if end == "SIGKILL of papermill":
        children = psutil.Process(process.pid).children(recursive=True)
        [child for child in children if "trajnb.kernel" not in child.cmdline()][-1].kill()
    else:
        process.send_signal(getattr(signal, end))
    code = process.wait(20)
    nothing_is_left(lab)
    if end in ("SIGINT", "SIGTERM"):
        assert code == 1
        assert "begun" in (lab.run_dir / "data" / "notebook.failed.ipynb").read_text(), "the notebook is saved"
    assert code != 0
    goes_on(lab)


@pytest.mark.rehearsal
def test_leftovers_of_a_power_cut_do_not_matter(lab):
    assert lab.run("data")[0] == 0
    for path in (lab.folder / ".snakemake" / "metadata").iterdir():
        path.write_bytes(b"")
    (lab.run_dir / "data" / "notebook.running.ipynb").write_text("{")
    (lab.run_dir / "data" / "recipes.parquet").unlink()
    goes_on(lab)


def test_a_full_disk_is_named(lab):
    mounted = lab.folder / "outputs"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here: a full disk is not tested")
    try:
        code, printed = lab.run("data")
        assert (code, printed.splitlines()[-1].split(":")[0]) == (2, "disk")
    finally:
        subprocess.run(["umount", mounted], check=True)
