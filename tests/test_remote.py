"""A run copies itself with rclone; a remote that fails is reported and never stops it."""

import os
import socket
import subprocess
import sys
import time

import pytest

from trajnb import files, remote

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


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The remote s3:lab, a bucket on rclone's own S3 server on loopback, which keeps it in a folder."""
    port, keys = free_port(), ("a-key-of-the-tests", "a-secret-of-the-tests")
    (tmp_path / "s3" / "lab").mkdir(parents=True)
    serve = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(keys), "--config", os.devnull]
    process = subprocess.Popen([remote.RCLONE, *serve, tmp_path / "s3"], stderr=subprocess.DEVNULL)
    own = {"RCLONE_CONFIG_S3_ENDPOINT": f"http://127.0.0.1:{port}", "RCLONE_CONFIG_S3_PROVIDER": "Rclone"}
    for name, value in (own | dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), keys, strict=True))).items():
        monkeypatch.setenv(name, value)
    while process.poll() is None and socket.socket().connect_ex(("127.0.0.1", port)):
        time.sleep(0.05)
    yield "s3:lab"
    process.kill()
    process.wait()


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
    dead = f":s3,provider=Minio,endpoint='http://127.0.0.1:{free_port()}',access_key_id=a,secret_access_key=b:lab"
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
