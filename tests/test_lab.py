"""The lab with real notebooks: a training run that is stopped and goes on."""

import shutil
import signal
import subprocess
import sys

import pytest

from tests.runs import stop_at
from trajnb import ROOT


def snakemake(*words):
    """The runner as a process."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*command, "--configfile", "params/smoke.yaml"], cwd=ROOT, **pipes)


@pytest.mark.slow
def test_a_stopped_training_run_goes_on_to_the_same_bits(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    words = ["--until", "train", "--config", "models=[i3d]", "epochs=3", "clips=120", "threads=1", "checkpoint_every=1"]
    whole = snakemake(*words, "run_name=whole")
    assert (whole.communicate()[0], whole.returncode)[1] == 0
    shutil.copytree(tmp_path / "whole" / "data", tmp_path / "cut" / "data")
    process = snakemake(*words, "run_name=cut")
    stop_at(process, "epoch   1/3", signal.SIGTERM)
    assert process.wait(60) == 1
    assert not (tmp_path / "cut/train-i3d/final.safetensors").exists()
    again = snakemake(*words, "run_name=cut")
    printed, code = again.communicate()[0], again.returncode
    assert code == 0 and "epoch   1/3" not in printed, printed
    first, second = (tmp_path / name / "train-i3d" / "final.safetensors" for name in ("whole", "cut"))
    assert first.read_bytes() == second.read_bytes()
