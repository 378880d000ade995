"""Severe data are refused; forced, whatever is made of them says so."""

import pandas as pd
import pytest

from trajnb import audit, data, files
from trajnb.audit import admission
from trajnb.config import Config

CFG = Config(run_name="admission", clips=200, test_clips=60)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Make the run's data with other parameters; returns (cfg, folder of a stage)."""
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))

    def made(**changes):
        cfg = CFG.replace(**changes)
        data.make(cfg, cfg.stage_dir("data"))
        return cfg, cfg.stage_dir("train-i3d")

    return made


def test_sound_data_are_admitted_and_audited_once(make, monkeypatch):
    cfg, folder = make()
    assert audit.admit(cfg, folder) == "The audit made 14 of its 17 checks on 260 clips: nothing severe."
    monkeypatch.setattr(admission, "audit", None)  # a second audit would fail
    audit.admit(cfg, folder)
    assert not folder.exists(), "nothing is marked"


def test_the_predecessors_split_is_refused(make):
    cfg, folder = make(split="class_order")
    with pytest.raises(audit.AuditError, match=r"refuses these data: class missing.* --force"):
        audit.admit(cfg, folder)
    assert not folder.exists()


def test_an_audit_of_other_code_is_made_anew(make, monkeypatch):
    cfg, folder = make()
    audit.admit(cfg, folder)
    before = files.read_json(cfg.stage_dir("data") / "audit.json")["looked"]["data"]
    monkeypatch.setattr(admission.material, "identity", lambda folder: "of other code")
    assert admission.saved(cfg.stage_dir("data")) is None
    assert ", audit " in before


def test_the_predecessors_target_is_refused(make):
    cfg, folder = make(target="last_seen")
    with pytest.raises(audit.AuditError, match=r"target inside the observed frames: \d+ of 260 clips"):
        audit.admit(cfg, folder)


def test_forced_products_are_marked_until_the_data_are_sound(make):
    cfg, folder = make(split="class_order", force=True)
    said = audit.admit(cfg, folder)
    assert said.startswith("FORCED: ")
    assert "class missing or rare in a split; split ordered by class" in said
    assert files.mark(folder) == files.mark(cfg.stage_dir("data")) == said
    sound, evaluate = make()[0], cfg.stage_dir("evaluate")
    audit.admit(sound, evaluate, made_from=[folder])
    assert files.mark(evaluate) == said, "a network taught on severe data stays what it is"
    audit.admit(sound, folder)
    audit.admit(sound, evaluate, made_from=[folder])
    assert files.mark(folder) == files.mark(evaluate) == files.mark(cfg.stage_dir("data")) == ""


def test_a_recipe_in_two_splits_is_refused(make):
    cfg, folder = make()
    path = cfg.stage_dir("data") / "recipes.parquet"
    table = pd.read_parquet(path)
    first = table[table["split"] == "train"].iloc[[0]].assign(split="val")
    files.write_parquet(path, pd.concat([table, first]))
    manifest = files.read_json(path.with_name("manifest.json"))
    manifest["sha256"]["recipes.parquet"] = files.sha256(path)
    files.write_json(path.with_name("manifest.json"), manifest)
    with pytest.raises(audit.AuditError, match="exact duplicates across splits: 2 clips are in two splits"):
        audit.admit(cfg, folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"looked": 1}', '{"looked": {"data": "other"}}', '{"severe": 1}'])
def test_an_audit_of_other_data_or_a_broken_one_is_made_anew(make, text):
    cfg, folder = make()
    files.write_text(cfg.stage_dir("data") / "audit.json", text)
    assert "nothing severe" in audit.admit(cfg, folder)
    assert files.read_json(cfg.stage_dir("data") / "audit.json")["looked"]["clips"] == 260
