"""Folders of clips as people have them: names and tables of other systems and programs, and what is refused."""

import os
import unicodedata

import numpy as np
import pandas as pd
import pytest
from folders import disc, encode, put

from trajnb import files
from trajnb.audit import CHECKS, AuditError, audit, examine, features, read


def examined(folder):
    """The folder's Dataset after all its clips were read."""
    dataset = read.read(folder)
    dataset.videos(range(len(dataset.table)))
    return dataset


# ---- names


def test_extensions_in_capitals_and_other_containers_are_read(tmp_path):
    names = ["a/1.NPY", "a/2.MP4", "a/3.Avi", "b/4.MOV", "b/5.GIF", "b/6.npy", "b/7.mkv"]
    dataset = examined(put(tmp_path, names))
    assert (list(dataset.table["path"]), dataset.faults) == (names, {})


def test_hidden_and_system_folders_are_no_classes(tmp_path):
    put(tmp_path, [".ipynb_checkpoints/1.npy", ".git/1.npy", "__MACOSX/1.npy", "@eaDir/1.npy", "a/._1.npy", "a/1.npy"])
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "a" / "folder.npy").mkdir()
    dataset = read.read(tmp_path)
    assert (dataset.classes, list(dataset.table["path"])) == (["a"], ["a/1.npy"])


ODD = {b"caf\xe9.npy": "caf\\xe9.npy", b"two\nlines.npy": "two\\nlines.npy", b"\x1b[31mred.npy": "\\x1b[31mred.npy"}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("broken", [False, True])
def test_names_that_no_terminal_shows_are_escaped(tmp_path, name, broken):
    put(tmp_path, ["a/1.npy", "a/2.npy", "b/3.npy"])
    os.rename(os.fsencode(tmp_path / "a") + b"/1.npy", os.fsencode(tmp_path / "a") + b"/" + name)
    if broken:
        (tmp_path / "a" / os.fsdecode(name)).write_bytes(b"nothing")
    report = audit(tmp_path)
    text = report.table() + report.save(tmp_path / "out").read_text()
    assert bool(report.errors) == broken == (f"1 clips cannot be used; a/{ODD[name]} is not a complete" in text)
    assert text.replace("\n", "").isprintable()


def test_a_table_may_compose_letters_that_the_file_system_decomposes(tmp_path):
    put(tmp_path, [unicodedata.normalize("NFD", "caf\u00e9") + "/1.npy"])
    (tmp_path / "splits.csv").write_text("path,label,split\ncaf\u00e9/1.npy,caf\u00e9,train\n")
    assert examined(tmp_path).faults == {}


def test_somebodys_own_manifest_is_no_data_of_a_run(tmp_path):
    put(tmp_path, ["a/1.npy", "data/2.npy"])
    for folder in (tmp_path, tmp_path / "data"):
        (folder / "manifest.json").write_bytes(b'{"files": 60, "licence": "CC0"}')
    assert read.read(tmp_path).classes == ["a", "data"]


def test_nothing_to_audit_is_one_sentence(tmp_path):
    with pytest.raises(AuditError, match="is not a folder"):
        audit(tmp_path / "none")
    with pytest.raises(AuditError, match="holds no clips: put them into"):
        audit(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.npy").write_bytes(b"")
    with pytest.raises(AuditError, match=r"no clip can be read: a/one.npy is not a complete"):
        audit(tmp_path)
    (tmp_path / "recipes.parquet").write_bytes(b"")
    with pytest.raises(AuditError, match=r"holds data that cannot be used .*: run 01_data again"):
        audit(tmp_path)


# ---- tables

ROWS = [["a/1.npy", "a", "train"], ["a/x 2.MP4", "a", "val"], ["b/3.npy", "b", "test"]]
TEXT = "path,label,split\n" + "".join(",".join(row) + "\n" for row in ROWS)
READ = {
    "semicolon": TEXT.replace(",", ";"),
    "tab": TEXT.replace(",", "\t"),
    "blanks": TEXT.replace(",", ", "),
    "bom": "\ufeff" + TEXT,
    "cr": TEXT.replace("\n", "\r"),
    "backslash and dot": TEXT.replace("/", "\\").replace("a\\", ".\\a\\"),
    "capital": TEXT.replace("train", "Train").replace("val", "Validation").replace("test", "TEST"),
    "valid": TEXT.replace(",val", ",valid").replace("path,label", "Path,Label"),
    "comment": "# made by me\n\n" + TEXT + "# end\n",
    "excel": "sep=;\n" + TEXT.replace(",", ";"),
    "quotes": TEXT.replace("a/x 2.MP4", '"a/x 2.MP4"').replace("label", '"label"'),
    "index": "".join(f"{k},{line}\n" for k, line in enumerate(TEXT.splitlines())).replace("0,", ",", 1),
}


@pytest.mark.parametrize("case", READ)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_with_one_reading_is_read(tmp_path, case, encoding):
    (tmp_path / "splits.csv").write_bytes(READ[case].encode(encoding))
    assert read.split_table(tmp_path / "splits.csv").to_numpy().tolist() == ROWS


HEAD = b"path,label,split\n"
REFUSED = {
    b"a/1.npy 0\nb/2.npy 1\n": "no column path in its first line 'a/1.npy 0' (separated by blanks)",
    b"file\tclass\tset\na\tb\tc\n": "no column path in its first line 'file\\tclass\\tset' (separated by tabs)",
    b"": "no column path in its first line '-'",
    HEAD + b"a/1.npy,a\n": "the row 'a/1.npy,a,'",
    HEAD + b"a/1.npy,a,train\na/1.npy,a,train,7\n": "cannot be read (Error tokenizing data. C error: Expected 3 fields",
    HEAD + b"a/1.npy,a,0\n": "no split called train, only 0: write train for one of them",
    HEAD + b"C:\\clips\\1.npy,a,train\n": "the row 'C:/clips/1.npy,a,train'",
    HEAD + b"../up.npy,a,train\n": "the row '../up.npy,a,train'",
    HEAD + b"a/1.txt,a,train\n": "the row 'a/1.txt,a,train'",
    HEAD + b"a/th\xe9.npy,a,train\n": "cannot be read ('utf-8' codec can't decode",
}


@pytest.mark.parametrize("content", REFUSED, ids=list(map(str, range(len(REFUSED)))))
def test_a_table_with_several_readings_is_refused_by_name(tmp_path, content):
    (tmp_path / "splits.csv").write_bytes(content)
    with pytest.raises(AuditError) as error:
        read.split_table(tmp_path / "splits.csv")
    assert str(error.value).startswith("splits.csv") and REFUSED[content] in str(error.value)
    assert ": write " in str(error.value) and "\n" not in str(error.value)


@pytest.fixture
def beside(tmp_path):
    """Write a file beside two clips, one a class; returns their Dataset."""
    put(tmp_path, ["a/1.npy", "b/2.npy"])

    def written(name, content):
        (files.write_json if name.endswith("json") else files.write_parquet)(tmp_path / name, content)
        return read.read(tmp_path)

    return written


PLACES = pd.DataFrame({"path": ["a/1.npy"] * 3, "frame": [0, 1, 2], "u": [1.0, 2, 3], "v": [4.0, 5, 6]})
PLACES["target"] = [False, False, True]
PREDICTED = pd.DataFrame({"path": ["a/1.npy", "b/2.npy"], "predicted": ["a", "b"], "ade_px": [1.0, 2.0]})


def test_nullable_types_are_numbers_and_booleans(beside):
    table = PLACES.convert_dtypes().assign(u=pd.array([1.5, None, 3], "Float64"))
    places = beside("positions.parquet", table).positions()
    assert places["target"].dtype == bool
    np.testing.assert_array_equal(places["u"], [1.5, np.nan, 3])
    table = PREDICTED.assign(ade_px=pd.array([1, 2], "Int8"), predicted=pd.array([0, 1]))
    dataset = beside("predictions.parquet", table)
    dataset.classes = ["0", "1"]
    table = dataset.predictions()
    assert (list(table["predicted"]), list(table["ade_px"])) == (["0", "1"], [1.0, 2.0])


BESIDE = {  # sentence: changed columns or text
    "positions.parquet holds inf in u: write numbers from -1,000,000,000 to": {"u": [1.0, np.inf, 2.0]},
    "positions.parquet holds nan in frame: write numbers": {"frame": [0, None, 2]},
    "positions.parquet holds '1' in v: write numbers": {"v": ["1", "2", "3"]},
    "positions.parquet has values in target that are not true or false": {"target": ["yes", "no", "no"]},
    "positions.parquet has two rows for one frame of one clip: write one": {"frame": [0, 2, 2]},
    "positions.parquet cannot be read: write it again, with path, frame, u, v, target": "PAR1",
    "predictions.parquet holds '1.5' in ade_px: write numbers": {"ade_px": ["1.5", "2"]},
    "predictions.parquet predicts '', no class: write one of a, b": {"predicted": ["a", None]},
    "predictions.parquet names no clip of the folder: write <class>/<name>": {"path": ["x", "y"]},
    "stats.json cannot be read: write it again, with mean, std": '{"mean": [0.1, 0.2]}',
    "stats.json has not as many means as standard deviations": '{"mean": [0.1, 0.2, 0.3], "std": 0.1}',
    "stats.json holds -1 in mean: write numbers from 0 to 255": '{"mean": -1, "std": 0.1}',
    "oracle.json holds nan in top1: write numbers from 0 to 1": '{"top1": NaN}',
    "oracle.json holds True in top1: write numbers from 0 to 1": '{"top1": true}',
    "oracle.json holds [] in ade_px: write numbers from 0 to 1,000,000": '{"ade_px": []}',
}


@pytest.mark.parametrize("sentence", BESIDE)
def test_a_broken_file_stops_the_audit_with_one_sentence(beside, tmp_path, sentence):
    name, content = sentence.split()[0], BESIDE[sentence]
    beside("predictions.parquet", PREDICTED)
    if isinstance(content, str):
        (tmp_path / name).write_text(content)
    else:
        beside(name, (PLACES if name.startswith("positions") else PREDICTED).assign(**content))
    with pytest.raises(AuditError) as error:
        examine(read.read(tmp_path), checks={k: CHECKS[k] for k in (14, 15, 16, 17)})
    assert str(error.value).startswith(sentence)


# ---- whole folders


def evidence(report, check):
    return [(finding.level, finding.evidence) for finding in report.findings if finding.check == check]


def test_what_is_missing_is_not_checked_and_the_answer_is_always_the_same(folder, tmp_path):
    first = audit(folder)
    assert (first.findings, first.not_checked) == ([], {})
    for name in ("splits.csv", "stats.json", "predictions.parquet", "positions.parquet", "oracle.json"):
        (folder / name).unlink()
    report = audit(folder)
    assert report.save(tmp_path / "a").read_bytes() == audit(folder).save(tmp_path / "b").read_bytes()
    missing = {14: "positions.parquet", 15: "stats.json", 16: "predictions.parquet", 17: "predictions.parquet"}
    missing = {k: f"{name} is missing" for k, name in missing.items()}
    missing |= dict.fromkeys((1, 2, 3, 4, 6), "splits.csv is missing, or has no split but train")
    assert (report.findings, report.not_checked) == ([], missing)


def test_changes_beside_the_clips_are_found(folder):
    table = pd.read_csv(folder / "splits.csv")
    a, b = (table[(table["split"] == "val") & (table["label"] == name)].iloc[0] for name in ("linear", "random"))
    (folder / b["path"]).write_bytes((folder / a["path"]).read_bytes())
    table.loc[table.index[2:], "path"] = "./" + table["path"][2:]  # names the same files
    files.write_csv(folder / "splits.csv", table[1:])
    (folder / table["path"][1]).unlink()
    files.write_json(folder / "oracle.json", {"database": "XE"})
    positions = pd.read_parquet(folder / "positions.parquet")
    positions.loc[positions["frame"] == 15, "target"] = True
    files.write_parquet(folder / "positions.parquet", positions)
    report = audit(folder)
    assert evidence(report, 5)[0][1].startswith("2 clips have two labels")
    assert ("info", "1 clips are not in splits.csv and were not audited") in evidence(report, 13)
    assert evidence(report, 13)[0][1].startswith(f"1 clips cannot be used; {table['path'][1]} is missing: restore it")
    assert evidence(report, 14)[0][1].startswith("80 clips have targets before frame 16, the first one")
    assert report.not_checked[17] == "oracle.json has neither top1 nor ade_px"
    assert report.not_checked[15] == "it needs the pixels of all clips, all grey or all with colours"


@pytest.mark.parametrize("lengths", [[40, 16, 20, 18], [20, 20, 20, 20, 64]])
def test_of_several_lengths_the_first_frames_are_examined_and_that_is_reported(tmp_path, monkeypatch, lengths):
    monkeypatch.setattr(features, "BATCH", 4)  # so that another length turns up after the first batch
    for k, frames in enumerate(lengths):
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        np.save(tmp_path / "ab"[k % 2] / f"{k}.npy", disc(k, frames))
    report = audit(tmp_path)
    note = f"clips have {min(lengths)} to {max(lengths)} frames; the first 16 of each were examined"
    assert (evidence(report, 13), report.errors) == ([("info", note)], [])
    assert report.counts["examined"] == len(lengths)


def test_a_clip_of_another_size_cannot_be_used_and_the_others_are_audited(tmp_path):
    put(tmp_path, ["a/1.npy", "a/2.npy", "b/3.npy"])
    np.save(tmp_path / "b" / "3.npy", disc(height=32, width=64))
    encode(tmp_path / "b" / "4.mp4", disc(frames=15))
    report = audit(tmp_path)
    sentence = "2 clips cannot be used; b/3.npy has frames of 32 x 64 pixels, most have 32 x 32"
    assert evidence(report, 13)[0] == ("error", sentence)
    assert report.counts["examined"] == 2
