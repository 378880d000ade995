"""The old report's mistakes: every experiment planned, and tables of what was trained."""

import pandas as pd
import pytest

from trajnb import audit, data
from trajnb.audit import postmortem
from trajnb.config import Config

CFG = Config(run_name="past", clips=200, test_clips=60)


def test_every_class_is_last_once_and_every_network_has_both_splits():
    planned = postmortem.experiments(CFG, "i3d")
    order = [one for one in planned if one.kind == postmortem.CLASS_ORDER]
    assert [one.cfg.motions[-1] for one in order if one.cfg.model == "i3d"] == CFG.motions
    assert all(sorted(one.cfg.motions) == sorted(CFG.motions) and one.cfg.split == "class_order" for one in order)
    honest = [one.cfg.model for one in planned if one.kind == postmortem.BY_RECIPE]
    assert sorted(one.cfg.model for one in order if one.last == "random") == sorted(honest) == sorted(CFG.models)
    (last_seen,) = [one for one in planned if one.kind == postmortem.LAST_SEEN]
    assert (last_seen.cfg.target, last_seen.cfg.split) == ("last_seen", "recipe")
    assert len({one.name for one in planned}) == len(planned) == 12, "each has a folder of its own"
    assert len({one.data for one in planned}) == 6


@pytest.mark.parametrize(
    ("change", "errors"), [({}, []), ({"split": "class_order"}, [1, 2]), ({"target": "last_seen"}, [14])], ids=str
)
def test_the_audit_finds_the_mistakes_and_nothing_else(tmp_path, change, errors):
    cfg = CFG.replace(**change)
    data.make(cfg, tmp_path)
    report = audit.examine(postmortem.dataset(cfg, tmp_path))
    assert sorted({finding.check for finding in report.errors}) == errors
    used = pd.read_parquet(tmp_path / "recipes.parquet")["split"].isin(["train", "val"]).sum()
    assert (report.examined, report.not_checked) == (used, {})


def test_one_training_run_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    cfg = CFG.replace(models=["i3d"], epochs=1, clips=80, test_clips=40)
    experiment = postmortem.experiments(cfg, "i3d")[3]
    folder = cfg.stage_dir("postmortem")
    outcome = postmortem.run(experiment, folder)
    assert outcome.scores["n_train"] == 64
    assert set(outcome.val.table["motion"]) == {"random"}
    apart = abs(outcome.scores["test_top1_last"] - outcome.scores["val_top1"])
    assert apart <= 4 * (0.25 / 10 + 0.25 / 16) ** 0.5, "both are the share of the last class that is predicted"
    checkpoints = folder / experiment.name / "checkpoints"
    written = {path.name: path.stat().st_mtime_ns for path in checkpoints.iterdir()}
    assert postmortem.run(experiment, folder).scores == outcome.scores
    assert {path.name: path.stat().st_mtime_ns for path in checkpoints.iterdir()} == written, "not trained again"
