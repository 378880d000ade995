"""Where a run came from, and that every byte is as it was left."""

import subprocess

import pytest

from trajnb import ROOT, files, provenance

KEPT = ("data/recipes.parquet", "evaluate/leaderboard.csv", "train-i3d/final.safetensors")


@pytest.fixture
def run_dir(tmp_path):
    for name in KEPT:
        files.write_text(tmp_path / "tiny" / name, name)
    for name in (".lock", "data/.recipes.1.tmp"):
        (tmp_path / "tiny" / name).write_text("")
    provenance.write(tmp_path / "tiny", {"epochs": 3})
    return tmp_path / "tiny"


def sums(run_dir):
    command = ["sha256sum", "--quiet", "-c", provenance.SUMS]
    return subprocess.run(command, cwd=run_dir, capture_output=True, text=True)


def test_sha256sum_alone_finds_one_changed_byte(run_dir):
    assert sums(run_dir).returncode == 0
    listed = {line.split("  ")[1] for line in (run_dir / provenance.SUMS).read_text().splitlines()}
    assert listed == {*KEPT, "manifest.json"}
    for name in listed:
        whole = (run_dir / name).read_bytes()
        (run_dir / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        assert f"{name}: FAILED" in sums(run_dir).stdout
        (run_dir / name).write_bytes(whole)


def test_the_manifest_holds_commit_versions_hardware_and_parameters(run_dir):
    about = files.read_json(run_dir / provenance.MANIFEST)
    assert about["parameters"] == {"epochs": 3}
    assert about["environment"]["lock"] == files.sha256(ROOT / "requirements.lock")
    assert about["environment"]["torch"].startswith("2.") and about["environment"]["processor"]
    assert set(about["code"]) == {"commit", "changes"}


def test_the_commit_and_the_difference_to_it(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.code() == {"commit": None, "changes": None}, "no repository"
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "a")
    clean = provenance.code()
    assert len(clean["commit"]) == 40 and clean["changes"] is False
    files.write_text(tmp_path / ".git" / "own" / "git" / "ignore", "*")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".git" / "own"))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    for name, before in {"a": "1", "new": ""}.items():
        (tmp_path / name).write_text("2")
        assert provenance.code() == clean | {"changes": True}, "a person's variables and settings do not count"
        (tmp_path / name).write_text(before)
    (tmp_path / "inside").mkdir()
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "inside")
    assert provenance.code() == {"commit": None, "changes": None}, "a repository around this folder is not ours"
