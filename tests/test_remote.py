"""A run copies itself with rclone; a remote that fails is reported and never stops it."""

import os
import subprocess
import sys

import pytest

from tests import servers
from tests.slurm import free_ports
from trajnb import ROOT, files, remote

QUICK = [sys.executable, "-c", "print('ended')"]


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "outputs"))
    quick = "--timeout 5s --contimeout 2s --retries 1 --low-level-retries 1"
    monkeypatch.setattr(remote, "TIMEOUT", quick.split())
    folder = tmp_path / "outputs" / "tiny"
    for name, text in {"evaluate/leaderboard.csv": "a", "train-i3d/final.safetensors": "b" * 5000, ".lock": ""}.items():
        files.write_text(folder / name, text)
    return folder


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The remote s3:lab, of rclone's own S3 server on loopback, which keeps the bucket in a folder."""
    (tmp_path / "s3" / "lab").mkdir(parents=True)
    with servers.s3(tmp_path / "s3") as port:
        for name, value in servers.environment(port).items():
            monkeypatch.setenv(name, value)
        yield "s3:lab"


def test_a_folder_as_remote_receives_all_but_hidden_files(run_dir, tmp_path, capfd):
    assert remote.push(str(tmp_path / "there"), "tiny", QUICK) == 0
    assert "ended" in (printed := capfd.readouterr()).out
    assert printed.err.endswith("there/tiny: equal to the run here\n")
    copied = {p.relative_to(tmp_path / "there/tiny").as_posix() for p in (tmp_path / "there").rglob("*") if p.is_file()}
    assert copied == {"evaluate/leaderboard.csv", "train-i3d/final.safetensors"}


def test_another_file_of_the_same_size_and_time_is_copied(run_dir, tmp_path):
    remote.push(str(tmp_path / "there"), "tiny", QUICK)
    path = run_dir / "train-i3d" / "final.safetensors"
    time = path.stat().st_mtime_ns
    path.write_text("c" * 5000)
    os.utime(path, ns=(time, time))
    remote.push(str(tmp_path / "there"), "tiny", QUICK)
    assert (tmp_path / "there/tiny/train-i3d/final.safetensors").read_text() == "c" * 5000


def test_a_dead_remote_never_stops_a_run_and_is_reported(run_dir, capfd):
    (port,) = free_ports(1)
    dead = f":s3,provider=Minio,endpoint='http://127.0.0.1:{port}',access_key_id=a,secret_access_key=b:lab"
    assert remote.push(dead, "tiny", [sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert "tiny: NOT complete: " in capfd.readouterr().err


def test_a_bucket_receives_a_run_and_gives_it_to_another_machine(run_dir, bucket, tmp_path, monkeypatch, capfd):
    subprocess.run("sha256sum */* > SHA256SUMS", cwd=run_dir, shell=True, check=True)
    assert remote.push(f"{bucket}/runs", "tiny", QUICK) == 0
    assert "equal to the run here" in capfd.readouterr().err
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "laptop"))
    assert remote.pull(f"{bucket}/runs", "tiny") == 0
    path = tmp_path / "laptop/tiny/train-i3d/final.safetensors"
    assert path.read_text() == "b" * 5000
    monkeypatch.setattr(remote, "copy", lambda source, target: "")
    path.write_text("x")
    assert remote.pull(f"{bucket}/runs", "tiny") == 1, "what is not equal is not called pulled"


@pytest.mark.rehearsal
def test_over_a_bad_line_what_is_called_equal_is_equal():
    """A few of the thousand transfers and kills of benchmarks/push_faults.py."""
    command, own = [sys.executable, "benchmarks/push_faults.py", "40", "2"], os.environ | {"PYTHONPATH": "."}
    printed = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True).stdout
    assert printed.count(" 0 wrong and undetected\n") == 2, printed
    assert " 0 objects neither old nor new, 2 equal after the next push\n" in printed
