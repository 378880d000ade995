"""Folders of clips as people have them: names, tables and videos of other systems, programs and cameras."""

import os
import unicodedata
import weakref
from itertools import repeat
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest
from videos import encode

from trajnb import cli, files
from trajnb.audit import AuditError, audit, clipfile, features, material, soundness, tables


def disc(seed=0, frames=20, height=32, width=32):
    """A bright square that wanders (T, H, W)."""
    rng = np.random.default_rng(seed)
    clip_THW = rng.integers(30, 50, (frames, height, width)).astype(np.uint8)
    for t, (y, x) in enumerate(rng.integers(0, 26, 2) + np.cumsum(rng.integers(-4, 5, (frames, 2)), axis=0)):
        clip_THW[t, y % 26 : y % 26 + 6, x % 26 : x % 26 + 6] = 220
    return clip_THW


def put(folder, names, frames=20):
    """Write a clip of its own for each name; returns the folder."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".npy":
            with open(path, "wb") as file:
                np.save(file, disc(seed, frames))
        else:
            encode(path, disc(seed, frames))
    return folder


def looked(folder):
    """The folder's Material after all its clips were read."""
    found = material.read(folder)
    found.read(range(len(found.table)))
    return found


# ---- names


def test_extensions_in_capitals_and_other_containers_are_read(tmp_path):
    names = ["a/1.NPY", "a/2.MP4", "a/3.Avi", "b/4.MOV", "b/5.GIF", "b/6.npy", "b/7.mkv"]
    found = looked(put(tmp_path, names))
    assert list(found.table["path"]) == names
    assert found.faults == {}


def test_hidden_and_system_folders_are_no_classes(tmp_path):
    names = [".ipynb_checkpoints/1.npy", ".git/1.npy", "__MACOSX/1.npy", "@eaDir/1.npy", "a/._1.npy", "a/1.npy"]
    put(tmp_path, names)
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "a" / "folder.npy").mkdir()
    found = material.read(tmp_path)
    assert (found.classes, list(found.table["path"])) == (["a"], ["a/1.npy"])


ODD = {b"caf\xe9.npy": "caf\\xe9.npy", b"two\nlines.npy": "two\\nlines.npy", b"\x1b[31mred.npy": "\\x1b[31mred.npy"}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("broken", [False, True])
def test_names_that_no_terminal_shows_are_escaped(tmp_path, monkeypatch, capsys, name, broken):
    put(tmp_path, ["a/1.npy", "a/2.npy", "b/3.npy"])
    folder = os.fsencode(tmp_path / "a")
    os.rename(folder + b"/1.npy", folder + b"/" + name)
    if broken:
        (tmp_path / "a" / os.fsdecode(name)).write_bytes(b"nothing")
    monkeypatch.setattr("sys.argv", ["trajnb", "audit", str(tmp_path), "--json", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as code:
        cli.main()
    shown, saved = capsys.readouterr().out, files.read_json(tmp_path / "out" / "audit.json")
    assert code.value.code == int(broken)
    assert (f"1 clips cannot be used; a/{ODD[name]} is not a complete" in shown) == broken
    text = shown + str([test["evidence"] for test in saved["tests"]])
    assert text.replace("\n", "").isprintable()


def test_a_table_may_name_files_in_the_bytes_of_another_system(tmp_path):
    put(tmp_path, ["a/1.npy", "b/2.npy"])
    os.rename(tmp_path / "a" / "1.npy", os.fsencode(tmp_path) + b"/a/caf\xe9.npy")
    (tmp_path / "splits.csv").write_bytes(b"path,label,split\na/caf\xe9.npy,a,train\nb/2.npy,b,train\n")
    assert looked(tmp_path).faults == {}
    (tmp_path / "splits.csv").write_bytes(b"path,label,split\na/th\xe9.npy,a,train\nb/2.npy,b,train\n")
    with pytest.raises(AuditError, match="not UTF-8: write it"):
        material.read(tmp_path)


def test_a_table_may_compose_letters_that_the_file_system_decomposes(tmp_path):
    put(tmp_path, [unicodedata.normalize("NFD", "caf\u00e9") + "/1.npy"])
    (tmp_path / "splits.csv").write_text("path,label,split\ncaf\u00e9/1.npy,caf\u00e9,train\n")
    assert looked(tmp_path).faults == {}


@pytest.mark.parametrize("text", [b'{"files": 60, "licence": "CC0"}', b"[]", b"3", b"no JSON", b"\xff"])
def test_somebodys_own_manifest_is_no_data_of_ours(tmp_path, text):
    put(tmp_path, ["a/1.npy", "data/2.npy"])
    for folder in (tmp_path, tmp_path / "data"):
        (folder / "manifest.json").write_bytes(text)
    assert material.read(tmp_path).classes == ["a", "data"]


def test_links_to_nothing_are_missing_clips(tmp_path):
    put(tmp_path, ["a/1.npy"])
    for name, target in (("lost.npy", "/nonexistent.npy"), ("loop.npy", "loop.npy")):
        os.symlink(target, tmp_path / "a" / name)
    assert {path: why[:10] for path, why in looked(tmp_path).faults.items()} == {
        "a/loop.npy": "is missing",
        "a/lost.npy": "is missing",
    }


# ---- tables

ROWS = [("a/1.npy", "a", "train"), ("a/x 2.MP4", "a", "val"), ("b/3.npy", "b", "test")]
TEXT = "path,label,split\n" + "".join(",".join(row) + "\n" for row in ROWS)
READ = {
    "plain": TEXT,
    "semicolon": TEXT.replace(",", ";"),
    "tab": TEXT.replace(",", "\t"),
    "bar": TEXT.replace(",", "|"),
    "blanks": TEXT.replace(",", ", "),
    "bom": "\ufeff" + TEXT,
    "crlf": TEXT.replace("\n", "\r\n"),
    "cr": TEXT.replace("\n", "\r"),
    "backslash": TEXT.replace("/", "\\"),
    "dot": TEXT.replace("a/", "./a/").replace("b/", "./b/"),
    "capital": TEXT.replace("train", "Train").replace("val", "Validation").replace("test", "TEST"),
    "valid": TEXT.replace(",val", ",valid").replace("path,label", "Path,Label"),
    "comment": "# made by me\n\n" + TEXT + "# end\n",
    "heading as a comment": "# " + TEXT,
    "excel": "sep=;\n" + TEXT.replace(",", ";"),
    "quotes": TEXT.replace("a/x 2.MP4", '"a/x 2.MP4"').replace("label", '"label"'),
    "no heading": TEXT.partition("\n")[2],
    "index": "".join(f"{k},{line}\n" for k, line in enumerate(TEXT.splitlines())).replace("0,", ",", 1),
    "another column": TEXT.replace("path,", "path,size,").replace(".npy,", ".npy,7,").replace(".MP4,", ".MP4,8,"),
}


@pytest.mark.parametrize("case", READ)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_with_one_reading_is_read(tmp_path, case, encoding):
    (tmp_path / "splits.csv").write_bytes(READ[case].encode(encoding))
    assert tables.splits(tmp_path) == ROWS


REFUSED = {
    "a/1.npy 0\nb/2.npy 1\n": "no column path in its first line 'a/1.npy 0' (separated by blanks)",
    "path;label\na/1.npy;a\n": "no column split in its first line 'path;label' (separated by semicolons)",
    "file\tclass\tset\na\tb\tc\n": "no column path in its first line 'file\\tclass\\tset' (separated by tabs)",
    "path,label,split\na/1.npy,,train\n": "an empty cell in column label in line 2",
    "path,label,split\na/1.npy,a,train,7\n": "more cells than columns in line 2",
    "path,label,split\na/1.npy,a,0\n": "no split called train, only 0",
    "path,label,split\nC:\\clips\\1.npy,a,train\n": "names 'C:/clips/1.npy': write paths within the folder",
    "path,label,split\na/1.txt,a,train\n": "names 'a/1.txt': write paths within the folder",
    "": "cannot be read, it is empty",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_table_with_several_readings_is_refused_by_name(tmp_path, text):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(AuditError) as error:
        tables.splits(tmp_path)
    assert REFUSED[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_paths_with_dots_name_the_clips_that_are_there(tmp_path):
    put(tmp_path, ["a/1.npy", "b/2.npy"])
    (tmp_path / "splits.csv").write_text("path,label,split\n./a/1.npy,a,train\n.\\b\\2.npy,b,train\n")
    found = looked(tmp_path)
    assert (found.problems, found.faults, list(found.table["path"])) == ([], {}, ["a/1.npy", "b/2.npy"])


PLACES = pd.DataFrame({"path": ["a/1.npy"] * 3, "frame": [0, 1, 2], "u": [1.0, 2, 3], "v": [4.0, 5, 6]})
PLACES["target"] = [False, False, True]


def test_nullable_types_are_numbers_and_booleans():
    found = tables.positions(PLACES.convert_dtypes().assign(u=pd.array([1.5, None, 3], "Float64")))
    assert found["target"].dtype == bool
    np.testing.assert_array_equal(found["u"], [1.5, np.nan, 3])
    np.testing.assert_array_equal(found["frame"], [0, 1, 2])
    said = pd.DataFrame(
        {"path": ["x", "y"], "predicted": pd.array([0, 1], "Int64"), "ade_px": pd.array([1, 2], "Int8")}
    )
    found = tables.predictions(said, ["0", "1"])
    assert (list(found["predicted"]), list(found["ade_px"])) == (["0", "1"], [1.0, 2.0])


WRONG = {
    "positions.parquet holds inf in the column u of a/1.npy: write finite": {"u": [1.0, np.inf, 2.0]},
    "positions.parquet holds nan in the column frame of a/1.npy: write finite": {"frame": [0, None, 2]},
    "positions.parquet holds '1' in the column v: write numbers": {"v": ["1", "2", "3"]},
    "positions.parquet has values in the column target that are not": {
        "target": pd.array([True, None, False], "boolean")
    },
}


@pytest.mark.parametrize("sentence", WRONG)
def test_positions_that_are_no_numbers_are_refused_by_value(sentence):
    with pytest.raises(AuditError, match=f"^{sentence}"):
        tables.positions(PLACES.assign(**WRONG[sentence]))


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("ade_px", ["1.5", "2"], "predictions.parquet holds '1.5' in the column ade_px: write numbers, not text"),
        ("ade_px", [1.0, np.nan], "predictions.parquet holds nan in the column ade_px of y: write finite numbers"),
        (
            "predicted",
            ["a", None],
            "predictions.parquet has '' in the column predicted, which is no class: write one of a",
        ),
        ("predicted", [0.0, 1.0], "predictions.parquet has '0.0' in the column predicted, which is no class"),
    ],
)
def test_predictions_that_mean_nothing_are_refused_by_value(column, values, sentence):
    said = pd.DataFrame({"path": ["x", "y"], "predicted": ["a", "a"], "ade_px": [1.0, 2.0]}).assign(**{column: values})
    with pytest.raises(AuditError, match=f"^{sentence}"):
        tables.predictions(said, ["a"])


@pytest.mark.parametrize(
    "text", ['{"top1": NaN}', '{"top1": Infinity}', '{"top1": 98}', '{"ade_px": "1"}', '{"top1": true}']
)
def test_an_impossible_oracle_is_refused_by_value(tmp_path, text):
    put(tmp_path, ["a/1.npy", "b/2.npy"])
    said = pd.DataFrame({"path": ["a/1.npy", "b/2.npy"], "predicted": ["a", "b"]})
    files.write_parquet(tmp_path / "predictions.parquet", said)
    (tmp_path / "oracle.json").write_text(text)
    with pytest.raises(AuditError, match=r"^oracle.json has (top1|ade_px) .*: write a number from 0 to"):
        audit(tmp_path)


def test_somebodys_own_oracle_is_not_checked(tmp_path):
    put(tmp_path, ["a/1.npy", "b/2.npy"])
    files.write_parquet(tmp_path / "predictions.parquet", pd.DataFrame({"path": ["a/1.npy"], "predicted": ["a"]}))
    (tmp_path / "oracle.json").write_text('{"database": "XE"}')
    assert audit(tmp_path).not_checked[17] == "oracle.json has neither top1 nor ade_px"


# ---- videos


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_videos_are_turned_as_players_turn_them(tmp_path, suffix, degrees):
    encode(tmp_path / f"flat{suffix}", disc(height=32, width=48))
    encode(tmp_path / f"turned{suffix}", disc(height=32, width=48), rotation=degrees)
    flat, found = (clipfile.read(tmp_path / f"{name}{suffix}").grey_THW for name in ("flat", "turned"))
    np.testing.assert_array_equal(found, np.rot90(flat, degrees // 90, axes=(1, 2)))


def test_a_display_matrix_may_mirror():
    image_HWC, one = np.arange(12).reshape(2, 3, 2), 2**16
    for (a, b, c, d), right in {
        (one, 0, 0, one): image_HWC,
        (-one, 0, 0, one): image_HWC[:, ::-1],
        (one, 0, 0, -one): image_HWC[::-1],
        (0, one, one, 0): image_HWC.swapaxes(0, 1),
        (0, one, -one, 0): np.rot90(image_HWC, -1),
    }.items():
        matrix = np.array([a, b, 0, c, d, 0, 0, 0, 2**30], np.int32).tobytes()
        np.testing.assert_array_equal(clipfile.turned(image_HWC, matrix), right)


@pytest.mark.parametrize("lengths", [[40, 16, 20, 18], [20, 20, 20, 20, 30, 17], [20, 20, 20, 20, 64]])
def test_of_several_lengths_the_first_frames_are_examined_and_that_is_noted(tmp_path, monkeypatch, lengths):
    monkeypatch.setattr(features, "CHUNK", 4)  # so that another length turns up after the first chunk
    for k, frames in enumerate(lengths):
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        np.save(tmp_path / "ab"[k % 2] / f"{k}.npy", disc(k, frames))
    report = audit(tmp_path)
    note = f"clips have from {min(lengths)} to {max(lengths)} frames; only the first 16 frames of each were examined"
    assert [test.evidence for test in report.findings if test.check == 13] == [note]
    assert not report.severe
    assert report.looked["pixels_of"] == len(lengths)


def test_clips_under_16_frames_are_one_sentence(tmp_path):
    put(tmp_path, ["a/1.mp4", "a/2.npy"], frames=15)
    faults = looked(put(tmp_path, ["b/3.npy"])).faults
    assert faults == dict.fromkeys(
        ("a/1.mp4", "a/2.npy"), "is 15 x 32 x 32: write at least 16 frames of 16 x 16 pixels"
    )


def rate_findings(rate_N, even_N=True):
    """(severity, evidence) of frame rates."""
    info = pd.DataFrame({"rate": rate_N, "even": even_N})
    return [(test.severity, test.evidence) for test in soundness.rates(SimpleNamespace(info=info)) if test.found]


def test_phones_differ_by_a_note_and_other_rates_are_severe():
    assert rate_findings([30.0, 29.97]) == rate_findings([24.0, 24000 / 1001]) == rate_findings([None, None]) == []
    assert rate_findings([29.6, 30.1, None]) == [("note", "frame rates range from 29.6 to 30.1 per second in 2 clips")]
    assert [severity for severity, _ in rate_findings([24.0, 25.0])] == ["severe"]


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".mkv"])
def test_rates_are_measured_from_the_times_of_the_frames(tmp_path, suffix):
    encode(tmp_path / f"even{suffix}", disc())
    clip = clipfile.read(tmp_path / f"even{suffix}")
    assert (clip.rate, clip.even) == (pytest.approx(30, rel=0.02), True)
    times = np.cumsum(np.random.default_rng(0).choice([1, 4], 20)) / 30
    encode(tmp_path / f"uneven{suffix}", disc(), times=times)
    clip = clipfile.read(tmp_path / f"uneven{suffix}")
    assert (clip.rate, clip.even) == (None, False)
    assert rate_findings([30.0, None], [True, False]) == [("note", "1 of 2 clips have a variable frame rate")]


def test_frames_are_let_go_one_by_one():
    alive = []

    def frames():
        for k in range(40):
            assert sum(one() is not None for one in alive) <= 2
            block = np.full((1, 64, 64, 3), k, np.uint8)
            alive.append(weakref.ref(block))
            yield block
            del block

    assert clipfile.to_clip(frames()).grey_THW.shape == (40, 64, 64)


def test_a_video_is_decoded_no_further_than_it_is_looked_at():
    image_HWC = np.zeros((32, 32, 3), np.uint8)
    frame = SimpleNamespace(is_corrupt=False, side_data={}, time=0.0, to_ndarray=lambda format: image_HWC)
    assert len(list(clipfile.decoded(repeat(frame), [], []))) == clipfile.MOST_FRAMES


@pytest.mark.parametrize("suffix", [".mp4", ".npy"])
def test_a_large_clip_needs_the_memory_of_a_few_frames(tmp_path, monkeypatch, suffix):
    import tracemalloc

    monkeypatch.setattr(clipfile, "BLOCK", 2**20)
    path, clip = tmp_path / f"large{suffix}", disc(frames=48, height=480, width=640)
    if suffix == ".npy":
        np.save(path, (clip / np.float32(255))[..., None].repeat(3, axis=3))
    else:
        encode(path, clip)
    del clip
    tracemalloc.start()
    clipfile.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * 48 * 480 * 640 * 3  # the bytes of all frames; as float32, four times as many


def flipped(data, packets):
    """A few bits in the middle: the decoder goes on and says which frame is not sound."""
    position, size = packets[8]
    for k in range(3):
        data[position + size // 2 + k] ^= 0x5A


def lost(data, packets):
    """Two packets of noise: the decoder gives up."""
    (start, _), (last, size) = packets[8], packets[9]
    data[start : last + size] = np.random.default_rng(0).bytes(last + size - start)


def ended(data, packets):
    """The last fifth missing; in a plain mp4 that is where its index is."""
    del data[int(0.8 * len(data)) :]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (flipped, "has frames that decode with errors: copy it"),
        (lost, "is not a video that can be decoded: write it"),
        (ended, "is not a video that can be decoded: write it"),
        (lambda data, packets: data.clear(), "is not a video that"),
    ],
)
def test_a_damaged_video_is_one_sentence(tmp_path, damage, sentence):
    path = tmp_path / "a.mp4"
    encode(path, disc(frames=30))
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    damage(data, packets)
    path.write_bytes(data)
    with pytest.raises(clipfile.ClipError, match=f"^{sentence}"):
        clipfile.read(path)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(clipfile.ClipError, match="is not a video that can be decoded"):
        clipfile.read(path)
