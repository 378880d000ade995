"""The old report's mistakes: every setting asked for, and tables that say what was trained, not what was hoped."""

import numpy as np
import pandas as pd
import pytest

from trajnb.audit import postmortem
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.training import checkpoints
from trajnb.world import recipes

CFG = Config(run_name="past", clips=200, test_clips=60)


def test_every_class_stands_last_once_and_every_network_has_both_splits():
    found = postmortem.settings(CFG, "i3d")
    order = [one for one in found if one.kind == postmortem.ORDER]
    assert [one.cfg.motions[-1] for one in order if one.cfg.model == "i3d"] == CFG.motions
    assert all(sorted(one.cfg.motions) == sorted(CFG.motions) and one.cfg.split == "class_order" for one in order)
    shared = [one.cfg.model for one in order if one.last == "random"]
    assert (
        sorted(shared) == sorted(one.cfg.model for one in found if one.kind == postmortem.HONEST) == sorted(CFG.models)
    )
    (seen,) = [one for one in found if one.kind == postmortem.SEEN]
    assert (seen.cfg.target, seen.cfg.split) == ("last_seen", "recipe")
    assert len({one.name for one in found}) == len(found) == 12, "each has a folder of its own"
    assert len({one.data for one in found}) == 6


@pytest.fixture
def taught():
    """Made-up results: validation top-1 of network and epoch by formula; one that says the last seen position."""
    cfg = CFG.replace(target="last_seen")
    val = ClipSet(cfg, 0, recipes.draw(cfg, 0, np.arange(80)))
    exact = Predictions(np.eye(4)[val.label_N], val.track_NFx3[:, cfg.frames :])
    found = []
    for number, setting in enumerate(postmortem.settings(CFG, "i3d")):
        history = pd.DataFrame({"epoch": [1, 2], "val_top1": [number / 100, number / 50]})
        row = {"kind": setting.kind, "last": setting.last, "network": setting.cfg.model, "val_top1": number / 50}
        found.append(postmortem.Taught(setting, "", history, val, exact, row))
    return found


def test_top1_by_epoch_is_the_one_network_s(taught):
    top1 = postmortem.by_epoch(taught, "i3d")
    assert top1.index.tolist() == CFG.motions
    assert top1.columns.tolist() == [1, 2]
    assert top1.loc["circular"].tolist() == [0.02, 0.04], "the third setting"


def test_beside_the_report_stands_one_setting_alone(taught):
    parts = postmortem.beside_the_report(taught, CFG)
    assert list(parts) == ["reported", "class order", "by recipe"]
    assert [part.index.tolist() for part in parts.values()] == [CFG.models] * 3
    assert parts["class order"].loc["i3d", "val_top1"] == 3 / 50, "with the run's last class last"
    assert parts["reported"].loc["slowfast", "val_loss"] == 8.76


def test_who_says_the_last_seen_position_is_right_about_the_old_target_and_wrong_about_the_future(taught):
    found = postmortem.old_future(taught)
    exact, repeated, steady = found.to_numpy()
    assert exact[0] == 0
    assert 0 < repeated[0] < 0.2, "measuring errs by 0.03 px"
    assert exact[1] > 5
    assert steady[1] < exact[1], "going straight on is nearer to the future than standing still"
    assert steady[0] > repeated[0]


def test_one_training_end_to_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    cfg = CFG.replace(models=["i3d"], model="i3d", epochs=1)
    setting = postmortem.Setting(postmortem.ORDER, "random", postmortem.at_the_end(cfg, "random"))
    one = postmortem.teach(setting, cfg.stage_dir("postmortem"))
    assert one.verdict.startswith("FORCED")
    assert one.scores["n_train"] == 160
    assert set(one.val.table["motion"]) == {"random"}
    apart = abs(one.scores["test_top1_last"] - one.scores["val_top1"])
    assert apart <= 4 * (0.25 / 15 + 0.25 / 40) ** 0.5, "both are the share of the last class that it names"
    assert one.scores["mark"] == one.verdict
    before = checkpoints.written(tmp_path / "past/postmortem/class-order-random-i3d")
    again = postmortem.teach(setting, cfg.stage_dir("postmortem"))
    assert again.scores == one.scores
    assert checkpoints.written(tmp_path / "past/postmortem/class-order-random-i3d") == before, "not repeated"
