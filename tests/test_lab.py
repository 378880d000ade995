"""The lab with a real notebook: a training run that is stopped goes on, and a killed one (the runner: test_runs.py)."""

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.runs import once_printed
from trajnb import ROOT, data, models, runs
from trajnb.training import fit

WORDS = {"run_name": "cut", "models": ["i3d"], "epochs": 3, "clips": 120, "threads": 1}


def train(cfg):
    """The process of the training run's notebook, as the Snakefile starts it."""
    settings, job = json.dumps({"device": "auto", "threads": 1, "cell_limit_s": 0}), runs.job("train", cfg).values()
    command = [sys.executable, "-m", "trajnb.runs", settings, "train", cfg.stage_dir(cfg.train_stage), *job]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_a_stopped_training_run_goes_on_to_the_bits_of_a_whole_one(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    cfg = runs.read([ROOT / "params/smoke.yaml"], WORDS)[1]["train-i3d"]
    data.make(cfg, cfg.stage_dir("data"))
    process = train(cfg)
    once_printed("epoch   1/3", process).send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert not (tmp_path / "cut/train-i3d/final.safetensors").exists()
    again = train(cfg)
    printed, code = again.communicate()[0], again.returncode
    assert code == 0 and "epoch   1/3" not in printed, printed
    fit(models.build(cfg), data.load(cfg, "train"), data.load(cfg, "val"), cfg, tmp_path / "whole")
    first, second = (tmp_path / name / "final.safetensors" for name in ("whole", "cut/train-i3d"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.rehearsal
@pytest.mark.skipif(sys.platform != "linux", reason="the harness forks, and asks Linux how its children are")
def test_every_kill_at_a_random_instant_is_survived_to_the_bit():
    """A few of the kills of benchmarks/kill.py."""
    command = [sys.executable, "benchmarks/kill.py", "5", "tiny"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    survived, kills, in_steps = re.search(r"survived (\d+) of (\d+) kills .*\((\d+) in step", done.stdout).groups()
    assert survived == kills == "5"
    assert int(in_steps) < 5, "some fell in a save, an evaluation or a resume"
