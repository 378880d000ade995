"""A run copies itself with rclone; a remote that fails is reported and never stops it."""

import os
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest

from tests import servers
from trajnb import ROOT, files

QUICK = {"RCLONE_TIMEOUT": "5s", "RCLONE_CONTIMEOUT": "2s", "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}
# A run that saves itself when it is stopped, undisturbed by a second signal, and ends with an exit code of its own.
STOPPED = """trap 'trap "" INT TERM; sleep 2; echo all > $TRAJNB_OUTPUTS/tiny/saved; exit 7' INT TERM
sleep 1; echo begun; for _ in $(seq 150); do sleep 0.1; done"""


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    for name, value in ({"TRAJNB_OUTPUTS": str(tmp_path / "outputs")} | QUICK).items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "outputs" / "tiny"
    for name, text in {"evaluate/leaderboard.csv": "a", "train-i3d/final.safetensors": "b" * 5000, ".lock": ""}.items():
        files.write_text(folder / name, text)
    return folder


def remote(what, place, *command):
    """profiles/remote.sh, ended: .returncode, .stdout and .stderr."""
    return subprocess.run([servers.REMOTE, what, place, "tiny", *command], capture_output=True, text=True)


def test_a_folder_as_remote_receives_all_but_hidden_files_and_what_differs_in_neither_size_nor_time(run_dir, tmp_path):
    there = tmp_path / "there"
    pushed = remote("push", there, "echo", "ended")
    assert (pushed.returncode, pushed.stdout, pushed.stderr) == (0, "ended\n", f"{there}/tiny: equal to the run here\n")
    copied = {path.relative_to(there / "tiny").as_posix() for path in there.rglob("*") if path.is_file()}
    assert copied == {"evaluate/leaderboard.csv", "train-i3d/final.safetensors"}
    path = run_dir / "train-i3d" / "final.safetensors"
    changed = path.stat().st_mtime_ns
    path.write_text("c" * 5000)
    os.utime(path, ns=(changed, changed))
    remote("push", there, "true")
    assert (there / "tiny/train-i3d/final.safetensors").read_text() == "c" * 5000


def test_a_dead_remote_never_stops_a_run_and_is_reported(run_dir):
    (port,) = servers.free_ports(1)
    dead = f":s3,provider=Minio,endpoint='http://127.0.0.1:{port}',access_key_id=a,secret_access_key=b:lab"
    pushed = remote("push", dead, "sh", "-c", "exit 3")
    assert pushed.returncode == 3
    assert "tiny: NOT complete: " in pushed.stderr


@pytest.mark.parametrize("stop", [os.killpg, os.kill], ids=["a terminal's Ctrl-C", "a machine's SIGTERM"])
def test_a_run_that_is_stopped_is_copied_when_it_has_saved_itself(run_dir, tmp_path, monkeypatch, stop):
    monkeypatch.setenv("RCLONE_BWLIMIT", "2k")  # two or three seconds
    command = [servers.REMOTE, "push", tmp_path / "there", "tiny", "sh", "-c", STOPPED]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where tests run in background
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        for seconds in (0, 0.5, 3):  # the second one disturbs no saving, the third no copying
            time.sleep(seconds)
            stop(process.pid, signal.SIGINT if stop is os.killpg else signal.SIGTERM)
        assert process.communicate(timeout=30)[0].endswith("/tiny: equal to the run here\n")
    assert process.returncode == 7
    assert (tmp_path / "there" / "tiny" / "saved").read_text() == "all\n"


def test_a_bucket_receives_a_run_and_gives_it_to_another_machine(run_dir, tmp_path, monkeypatch):
    (tmp_path / "s3" / "lab").mkdir(parents=True)
    subprocess.run("sha256sum */* > SHA256SUMS", cwd=run_dir, shell=True, check=True)
    with servers.s3(tmp_path / "s3") as port, mock.patch.dict(os.environ, servers.environment(port)):
        assert "equal to the run here" in remote("push", "s3:lab/runs", "true").stderr
        monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "laptop"))
        assert remote("pull", "s3:lab/runs").returncode == 0
        path = tmp_path / "laptop/tiny/train-i3d/final.safetensors"
        assert path.read_text() == "b" * 5000
        path.write_text("x")
        monkeypatch.setenv("RCLONE_IGNORE_EXISTING", "true")  # so that this file is not copied
        assert "tiny: not copied: " in remote("pull", "s3:lab/runs").stderr, "what is not equal is not called pulled"


@pytest.mark.rehearsal
def test_over_a_bad_line_what_is_called_equal_is_equal():
    """A few of the thousand transfers and kills of benchmarks/push_faults.py."""
    command, own = [sys.executable, "benchmarks/push_faults.py", "40", "2"], os.environ | {"PYTHONPATH": "."}
    printed = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True).stdout
    assert printed.count(" 0 wrong and undetected\n") == 2, printed
    assert " 0 objects neither old nor new, 2 equal after the next push\n" in printed
