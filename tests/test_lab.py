"""The smoke lab through the command that a person would type; nbval looks at the same folder afterwards."""

import json
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest
from safetensors import safe_open

from trajnb import ROOT, files, models
from trajnb.config import Config
from trajnb.evaluation import baselines, ensembles
from trajnb.runs import runner, stages
from trajnb.training import checkpoints

TRAININGS = {f"train-{model}": "history.csv" for model in models.EXTRACTORS}
FILES = {
    "data": "audit.json",
    **TRAININGS,
    "evaluate": "notebook.html",
    "robustness": "areas.csv",
    "attention": "scores.csv",
}


@pytest.mark.slow
@pytest.mark.skipif(not (stages.NOTEBOOKS / "03_evaluate.ipynb").exists(), reason="no notebooks yet")
def test_the_smoke_lab(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("TRAJNB_OUTPUTS", raising=False)
    run_dir = Config().run_dir
    trajnb("run", "params/smoke.yaml", "--force")
    assert all((run_dir / stage / name).is_file() for stage, name in FILES.items())
    assert all((run_dir / stage / "notebook.ipynb").is_file() for stage in FILES)
    table = pd.read_csv(run_dir / "leaderboard.csv")
    networks = list(models.EXTRACTORS)
    failing = [f"{model}_{order}" for model in networks for order in baselines.ORDERS]
    assert table["model"].tolist() == [*networks, *ensembles.ENSEMBLES, *baselines.KINDS, *failing]
    for model in networks:
        assert not files.mark(run_dir / f"train-{model}"), "nothing is wrong with the data"
    assert len(pd.read_csv(run_dir / "comparisons.csv")) == 6, "every pair of four networks"
    assert "Winner" not in (run_dir / "REPORT.md").read_text(), "a smoke run names none"
    assert "proves nothing" in (run_dir / "REPORT.md").read_text()
    assert (run_dir / "index.html").is_file()
    again = trajnb("run", "params/smoke.yaml", "--dry-run")
    assert again.count("would be skipped, unchanged") == len(FILES)
    shutil.copytree(stages.MODEL_FILES, tmp_path / "models")
    (tmp_path / "models" / "i3d.yaml").write_text("model: i3d\nlr: 0.02\n")
    monkeypatch.setattr(stages, "MODEL_FILES", tmp_path / "models")
    capsys.readouterr()
    runner.run(Config(), dry_run=True)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "unchanged" not in line] == [
        "train-i3d: would run, lr 0.01 -> 0.02",
        "evaluate: would run, train-i3d runs again",
        "robustness: would run, train-i3d runs again",
        "attention: would run, train-i3d runs again",
    ]


def trajnb(*arguments):
    command = [sys.executable, "-c", "from trajnb import cli; cli.main()", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_class_ordered_split_is_refused_and_forced_only_under_a_mark(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    arguments = ["run", "params/smoke.yaml", "-p", "run_name=bad", "-p", "models=[i3d]", "-p", "split=class_order"]
    command = [sys.executable, "-c", "from trajnb import cli; cli.main()", *arguments]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "train-i3d was not started: the audit refuses these data: class missing or rare" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1, "one sentence"
    assert not (tmp_path / "bad" / "train-i3d").exists()

    trajnb(*arguments, "--force")
    run_dir = tmp_path / "bad"
    mark = files.mark(run_dir / "train-i3d")
    assert mark.startswith("FORCED: ")
    assert files.mark(run_dir / "evaluate") == mark == files.read_json(run_dir / "train-i3d" / "metrics.json")["mark"]
    assert set(pd.read_csv(run_dir / "leaderboard.csv")["mark"]) == {mark}
    with safe_open(run_dir / "train-i3d" / "final.safetensors", "np") as weights:
        assert json.loads(weights.metadata()["trajnb"])["mark"] == mark
    assert files.mark(run_dir / "robustness") == files.mark(run_dir / "attention") == mark
    assert set(pd.read_csv(run_dir / "attention" / "scores.csv")["mark"]) == {mark}
    for page in ["REPORT.md", "index.html", "train-i3d/notebook.html", "evaluate/notebook.html"]:
        assert "FORCED" in (run_dir / page).read_text(), page
    forced_again = trajnb(*arguments, "--dry-run")
    assert forced_again.count("would be skipped, unchanged") == 5, "what was forced need not be forced again"


@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_same_bits(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    own = ["-p", "models=[i3d]", "-p", "epochs=6", "-p", "threads=1", "--only", "data", "--only", "train"]
    trajnb("run", "params/smoke.yaml", "-p", "run_name=whole", *own)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "train-i3d")

    arguments = ["run", "params/smoke.yaml", "-p", "run_name=cut", *own]
    command = [sys.executable, "-c", "from trajnb import cli; cli.main()", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "epoch   2/6" in line:
            process.send_signal(signal.SIGTERM)
            break
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped" in said
    state = checkpoints.newest(tmp_path / "cut" / "train-i3d")["place"]
    assert 2 <= len(state["history"]) < 6
    assert "run cut: stopped" in (tmp_path / "cut" / "PROGRESS.txt").read_text()

    trajnb(*arguments)
    whole, cut = (tmp_path / name / "train-i3d" / "final.safetensors" for name in ("whole", "cut"))
    assert whole.read_bytes() == cut.read_bytes()
    resumed = (tmp_path / "cut" / "train-i3d" / "log.txt").read_text()
    assert "epoch   1/6" not in resumed, "it went on from where it was"
