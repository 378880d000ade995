"""Kept files are the old ones or the new ones."""

import os
from unittest.mock import Mock

import pandas as pd
import pytest

from trajnb import files


def test_written_and_read_back(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, None]})
    obj = {"x": [1, 2.5, None]}
    assert files.read_json(files.write_json(tmp_path / "new" / "a.json", obj)) == obj
    assert files.write_csv(tmp_path / "a.csv", frame).read_text() == "a,b\n1,0.5\n2,\n"
    assert pd.read_parquet(files.write_parquet(tmp_path / "a.parquet", frame)).equals(frame)
    assert files.sha256(files.write_text(tmp_path / "a.txt", "abc")).startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, broken):
    path = files.write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, broken, Mock(side_effect=OSError("the disk is full")))
    with pytest.raises(OSError, match="disk"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_json_refuses_what_other_programs_cannot_read(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_permissions_follow_the_umask(tmp_path):
    path = files.write_text(tmp_path / "a.txt", "abc")
    (tmp_path / "b.txt").write_text("abc")
    assert path.stat().st_mode == (tmp_path / "b.txt").stat().st_mode
