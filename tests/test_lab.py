"""The smoke lab through the command that a person would type; nbval looks at the same folder afterwards."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest

from trajnb import ROOT, models
from trajnb.config import Config
from trajnb.runs import runner, stages

TRAININGS = {f"train-{model}": "history.csv" for model in models.EXTRACTORS}
FILES = {"data": "manifest.json", **TRAININGS, "evaluate": "notebook.html"}


@pytest.mark.slow
@pytest.mark.skipif(not (stages.NOTEBOOKS / "03_evaluate.ipynb").exists(), reason="no notebooks yet")
def test_the_smoke_lab(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("TRAJNB_OUTPUTS", raising=False)
    run_dir = Config().run_dir
    trajnb("run", "params/smoke.yaml", "--force")
    assert all((run_dir / stage / name).is_file() for stage, name in FILES.items())
    assert all((run_dir / stage / "notebook.ipynb").is_file() for stage in FILES)
    table = pd.read_csv(run_dir / "leaderboard.csv")
    assert table["model"].tolist() == (
        "transformer i3d slowfast magvit ensemble_all ensemble_magvit_i3d "
        "chance single_frame constant_velocity constant_velocity_true pixel_oracle true_oracle".split()
    )
    assert len(pd.read_csv(run_dir / "comparisons.csv")) == 6, "every pair of four networks"
    assert "Winner" not in (run_dir / "REPORT.md").read_text(), "a smoke run names none"
    assert "proves nothing" in (run_dir / "REPORT.md").read_text()
    assert (run_dir / "index.html").is_file()
    again = trajnb("run", "params/smoke.yaml", "--dry-run")
    assert again.count("would be skipped, unchanged") == 6
    shutil.copytree(stages.MODEL_FILES, tmp_path / "models")
    (tmp_path / "models" / "i3d.yaml").write_text("model: i3d\nlr: 0.02\n")
    monkeypatch.setattr(stages, "MODEL_FILES", tmp_path / "models")
    capsys.readouterr()
    runner.run(Config(), dry_run=True)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "unchanged" not in line] == [
        "train-i3d: would run, lr 0.01 -> 0.02",
        "evaluate: would run, train-i3d runs again",
    ]


def trajnb(*arguments):
    command = [sys.executable, "-c", "from trajnb import cli; cli.main()", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
