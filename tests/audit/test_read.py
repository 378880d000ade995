"""Folders of clips as people have them: names and tables of other systems and programs, and what is refused."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest

from benchmarks import audit as suite
from trajnb import ParameterError, files
from trajnb.audit import audit
from trajnb.audit.read import extract, load, read, split_table


def disc(seed=0, frames=20, height=32, width=32):
    """A bright square that wanders (T, H, W)."""
    rng = np.random.default_rng(seed)
    clip_THW = rng.integers(30, 50, (frames, height, width)).astype(np.uint8)
    for t, (y, x) in enumerate(rng.integers(0, 26, 2) + np.cumsum(rng.integers(-4, 5, (frames, 2)), axis=0)):
        clip_THW[t, y % 26 : y % 26 + 6, x % 26 : x % 26 + 6] = 220
    return clip_THW


def put(folder, names, frames=20):
    """Write a clip of its own for each name."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        suite.write_clip(folder / name, disc(seed, frames), 30)


def evidence(report, check):
    return [(finding.level, finding.evidence) for finding in report.findings if finding.check == check]


BROKEN = {
    "is not a complete .npy array of numbers": lambda path, clip: path.write_bytes(path.read_bytes()[:-100]),
    "is not a complete .npy array of": lambda path, clip: path.write_bytes(pickle.dumps(clip)),  # never opened
    "holds float64 levels from 0 to 255": lambda path, clip: np.save(path, (clip - clip.min()) / np.ptp(clip) * 255.0),
    "holds float64 levels from nan": lambda path, clip: np.save(path, clip * np.nan),
    "holds uint8 levels from 0 to 1": lambda path, clip: np.save(path, (clip > 100).astype(np.uint8)),
    "holds int64 levels": lambda path, clip: np.save(path, clip.astype(np.int64)),
    r"has shape \(32, 32\)": lambda path, clip: np.save(path, clip[0]),
    r"has shape \(20, 32, 32, 2\)": lambda path, clip: np.save(path, clip[..., None].repeat(2, axis=3)),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_array_is_one_sentence(tmp_path, sentence):
    np.save(tmp_path / "a.npy", disc())
    BROKEN[sentence](tmp_path / "a.npy", disc())
    with pytest.raises(ValueError, match=f"^{sentence}"):
        load(tmp_path / "a.npy")


def test_floats_and_colours_are_levels_too(tmp_path):
    level_THW = np.random.default_rng(0).integers(0, 256, (16, 32, 32)).astype(np.uint8)
    for values in ((level_THW / 255).astype(np.float32), level_THW[..., None].repeat(3, axis=3)):
        np.save(tmp_path / "a.npy", values)
        np.testing.assert_array_equal(load(tmp_path / "a.npy")[0], level_THW)


def test_clips_of_another_size_or_too_few_frames_cannot_be_used_and_the_others_are_audited(tmp_path):
    put(tmp_path, ["a/1.NPY", "a/2.npy", "b/3.avi", "b/6.Mov", ".hidden/1.npy", "a/._1.npy"])
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "a" / "folder.npy").mkdir()
    np.save(tmp_path / "b" / "4.npy", disc(height=32, width=64))
    put(tmp_path, ["b/5.mp4"], frames=15)
    dataset = read(tmp_path)
    f = extract(dataset, range(len(dataset.table)))
    assert list(f.faults) == ["b/4.npy", "b/5.mp4"], "hidden files and folders are no clips"
    assert list(f.table["path"]) == ["a/1.NPY", "a/2.npy", "b/3.avi", "b/6.Mov"]
    assert f.faults["b/4.npy"] == "has frames of (32, 64) pixels, the first clip examined has (32, 32)"
    assert f.faults["b/5.mp4"].startswith("is too short or too small: write at least 16 frames")
    level, text = evidence(audit(tmp_path), 13)[0]
    assert level == "error" and " clips cannot be used; " in text


def test_large_frames_are_averaged_and_the_object_is_where_it_was(tmp_path):
    small_THW, whole = disc(frames=16, height=64, width=80), []
    (tmp_path / "a").mkdir()
    for video_THW in (small_THW, small_THW.repeat(3, axis=1).repeat(3, axis=2)):
        np.save(tmp_path / "a" / "1.npy", video_THW)
        whole.append(extract(read(tmp_path), [0]).whole_MTHW[0])
    np.testing.assert_array_equal(*whole)


@pytest.mark.parametrize("broken", [False, True])
def test_names_in_other_bytes_are_escaped(tmp_path, broken):
    put(tmp_path, ["a/1.npy", "a/2.npy", "b/3.npy"])
    os.rename(os.fsencode(tmp_path / "a") + b"/1.npy", os.fsencode(tmp_path / "a") + b"/caf\xe9.npy")
    if broken:
        (tmp_path / "a" / os.fsdecode(b"caf\xe9.npy")).write_bytes(b"nothing")
    report = audit(tmp_path)
    assert bool(report.errors) == broken == ("1 clips cannot be used; a/caf\\udce9.npy is not a" in report.table())


def test_nothing_to_audit_is_one_sentence(tmp_path):
    files.write_bytes(tmp_path / "broken" / "a" / "one.npy", b"")
    (tmp_path / "empty").mkdir()
    sentences = {"none": "is not a folder", "empty": "holds no clips: put them into"}
    for name, sentence in (sentences | {"broken": "no clip can be read: a/one.npy is not a complete"}).items():
        with pytest.raises(ParameterError, match=sentence):
            audit(tmp_path / name)


ROWS = [["a/1.npy", "a", "train"], ["a/x 2.MP4", "a", "val"], ["b/3.npy", "b", "test"]]
TEXT = "path,label,split\n" + "".join(",".join(row) + "\n" for row in ROWS)
READ = {
    "semicolon": TEXT.replace(",", ";"),
    "tab": TEXT.replace(",", "\t"),
    "blanks": TEXT.replace(",", ", "),
    "bom": "\ufeff" + TEXT,
    "backslash and dot": TEXT.replace("/", "\\").replace("a\\", ".\\a\\"),
    "capital": TEXT.replace("train", "Train").replace("val", "Validation").replace("path,label", "Path,Label"),
    "quotes": TEXT.replace("a/x 2.MP4", '"a/x 2.MP4"').replace("label", '"label"'),
    "index": "".join(f"{k},{line}\n" for k, line in enumerate(TEXT.splitlines())).replace("0,", ",", 1),
}


@pytest.mark.parametrize("case", READ)
def test_a_table_with_one_reading_is_read(tmp_path, case):
    (tmp_path / "splits.csv").write_bytes(READ[case].encode())
    assert split_table(tmp_path / "splits.csv").to_numpy().tolist() == ROWS


HEAD = b"path,label,split\n"
REFUSED = {
    b"file\tclass\tset\na\tb\tc\n": "cannot be read",
    b"": "cannot be read",
    HEAD + b"a/1.npy,a\n": "has the row 'a/1.npy,a,'",
    HEAD + b"a/1.npy,a,0\n": "has the splits 0",
    HEAD + b"a/th\xe9.npy,a,train\n": "cannot be read ('utf-8' codec can't decode",
}


@pytest.mark.parametrize("content", REFUSED, ids=range(len(REFUSED)))
def test_a_table_without_a_reading_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "splits.csv").write_bytes(content)
    with pytest.raises(ParameterError) as error:
        split_table(tmp_path / "splits.csv")
    assert str(error.value).startswith(f"splits.csv {REFUSED[content]}")
    assert ": write " in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [{"v": ["1", "b", "3"]}, {"frame": [0, None, 2]}, {"frame": [0, 1, 1], "target": False}, {"target": False}]
    + [{"target": ["yes", "no", "no"]}, {"target": [True, None, False]}, None],
    ids=str,
)
def test_broken_positions_stop_the_audit_with_one_sentence(tmp_path, change):
    put(tmp_path, ["a/1.npy", "b/2.npy"])
    table = pd.DataFrame({"path": ["a/1.npy"] * 3, "frame": [0, 1, 2], "u": [1.0, 2, 3], "v": [4.0, 5, 6]})
    table["target"] = [False, False, True]
    files.write_parquet(tmp_path / "positions.parquet", table)
    seen_NTx2, target_NHx2 = read(tmp_path).positions
    assert (seen_NTx2.tolist(), target_NHx2.tolist()) == ([[[1, 4], [2, 5]]], [[[3, 6]]])
    if change is None:
        (tmp_path / "positions.parquet").write_bytes(b"PAR1")
    else:
        files.write_parquet(tmp_path / "positions.parquet", table.assign(**change))
    with pytest.raises(ParameterError, match="^positions.parquet cannot be used: write path, frame, u, v"):
        read(tmp_path)


def test_a_clean_folder_what_is_missing_and_what_is_changed(tmp_path):
    s, folder = suite.clean(1, 80).film(), tmp_path / "clips"
    for path, video_THW in zip(s.table["path"], s.video_NTHW, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / path, video_THW)
    files.write_csv(folder / "splits.csv", s.table[["path", "label", "split"]])
    files.write_parquet(folder / "positions.parquet", s.positions())
    first = audit(folder)
    assert (first.findings, first.not_checked, first.examined) == ([], {}, 80)
    assert first.save(tmp_path / "a").read_bytes() == audit(folder).save(tmp_path / "b").read_bytes()
    assert files.read_json(tmp_path / "a" / "audit.json")["findings"] == []
    table = pd.read_csv(folder / "splits.csv")
    a, b = (table[(table["split"] == "val") & (table["label"] == name)].iloc[0] for name in ("linear", "random"))
    (folder / b["path"]).write_bytes((folder / a["path"]).read_bytes())
    table["path"] = "./" + table["path"]  # names the same files
    files.write_csv(folder / "splits.csv", table)
    (folder / table["path"][1]).unlink()
    report = audit(folder)
    assert evidence(report, 5)[0][1].startswith("2 clips, or near copies, have two labels")
    assert evidence(report, 13)[0][1].startswith(f"1 clips cannot be used; {table['path'][1][2:]} is missing: restore")
    for name in ("splits.csv", "positions.parquet"):
        (folder / name).unlink()
    no_splits = dict.fromkeys((1, 2, 3, 4, 6), "splits.csv is missing, or has no split but train")
    assert audit(folder).not_checked == no_splits | {14: "positions.parquet is missing"}


def test_training_clips_that_are_all_gone_are_errors_and_no_traceback(tmp_path):
    names = [f"{label}/{k}.npy" for label in ("down", "right") for k in range(6)]
    put(tmp_path, names[::2])
    lines = [f"{name},{name.split('/')[0]},{'train' if k % 2 else 'val'}" for k, name in enumerate(names)]
    (tmp_path / "splits.csv").write_text("\n".join(["path,label,split", *lines]))
    report = audit(tmp_path)
    assert 11 in report.not_checked and any("cannot be used" in finding.evidence for finding in report.errors)
