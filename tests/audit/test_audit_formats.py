"""A user's folder: what is read, what is said about files that are broken, and that the answer is always the same."""

import av
import numpy as np
import pandas as pd
import pytest
from planted import SUITE, write

from trajnb import files
from trajnb.audit import AuditError, audit, clipfile


def faults(report):
    """Evidence of check 13 about single clips."""
    return next(test.evidence for test in report.tests if test.check == 13 and "cannot be used" in test.evidence)


def first_of(folder):
    """Path of the first clip in splits.csv."""
    return folder / pd.read_csv(folder / "splits.csv")["path"][0]


def video(path, frames_THWx3, rate=30):
    """Write an mp4."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames_THWx3.shape[1:3], "yuv420p"
        stream.bit_rate = 4_000_000
        for image in frames_THWx3:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def test_a_complete_folder_is_checked_whole(folder):
    report = audit(folder)
    assert report.findings == []
    assert report.not_checked == {}


def test_the_same_bytes_twice(folder, tmp_path):
    first, second = (audit(folder).save(tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second
    said = files.read_json(tmp_path / "a" / "audit.json")
    assert (said["audited"], said["severe"], said["looked"]["clips"]) == ("clips", False, 80)
    assert {test["check"] for test in said["tests"]} == set(range(1, 18))


def test_clips_alone_name_what_is_missing(folder):
    for name in ("splits.csv", "positions.parquet", "stats.json", "predictions.parquet", "oracle.json"):
        (folder / name).unlink()
    report = audit(folder)
    assert report.findings == []
    missing = {1: "splits.csv", 2: "splits.csv", 3: "splits.csv", 4: "splits.csv", 6: "splits.csv"}
    missing |= {14: "positions.parquet", 15: "stats.json", 16: "predictions.parquet", 17: "predictions.parquet"}
    assert report.not_checked == {number: f"{name} is missing" for number, name in missing.items()}


def test_without_an_oracle_only_contradictions_can_be_beyond_it(folder):
    (folder / "oracle.json").unlink()
    assert audit(folder).not_checked[17].startswith("oracle.json is missing")
    paths = pd.read_csv(folder / "splits.csv")
    one, other = (paths[(paths["split"] == "val") & (paths["label"] == name)].iloc[0] for name in ("linear", "random"))
    (folder / other["path"]).write_bytes((folder / one["path"]).read_bytes())
    said = pd.DataFrame({"path": [one["path"], other["path"]], "predicted": ["linear", "random"]})
    files.write_parquet(folder / "predictions.parquet", said)
    found = {test.check: test.evidence for test in audit(folder).findings}
    assert found[17].startswith("predictions are correct for 2 clips that have two labels")
    assert found[5].startswith("2 clips have two labels")


BROKEN = {
    "is not a complete .npy array": lambda path, clip: path.write_bytes(path.read_bytes()[:-100]),
    "is not a complete .npy array of": lambda path, clip: np.save(path, np.array([{"a": 1}]), allow_pickle=True),
    "is missing": lambda path, clip: path.unlink(),
    "holds levels from 0 to 255": lambda path, clip: np.save(path, (clip - clip.min()) / np.ptp(clip) * 255.0),
    "holds levels from nan": lambda path, clip: np.save(path, clip * np.nan),
    "holds whole numbers up to 1": lambda path, clip: np.save(path, (clip > 100).astype(np.uint8)),
    "is of type int64": lambda path, clip: np.save(path, clip.astype(np.int64)),
    "is 8 x 64 x 64": lambda path, clip: np.save(path, clip[:8]),
    "has frames of 64 x 32 pixels, most have 64 x 64": lambda path, clip: np.save(path, clip[..., :32]),
    "has shape (64, 64)": lambda path, clip: np.save(path, clip[0]),
    "has shape (16, 64, 64, 2)": lambda path, clip: np.save(path, clip[..., None].repeat(2, axis=3)),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_clip_is_one_sentence_and_the_others_are_audited(folder, sentence):
    path = first_of(folder)
    BROKEN[sentence](path, np.load(path))
    report = audit(folder)
    assert report.severe
    name = path.relative_to(folder).as_posix()
    assert faults(report).startswith(f"1 clips cannot be used; {name} {sentence}")
    assert report.looked["pixels_of"] == 79


def test_a_pickle_is_never_opened(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    np.save(first_of(folder), np.array([Evil()]), allow_pickle=True)
    audit(folder)
    assert not (tmp_path / "opened").exists()


def test_videos_colours_and_large_frames_are_read(tmp_path):
    s = SUITE.clean(2, 60).film()
    write(s, tmp_path)
    for path, clip_THW in zip(s.table["path"], s.video_NTHW, strict=True):
        (tmp_path / path).unlink()
        large_THW = clip_THW.repeat(2, axis=1).repeat(2, axis=2)
        video((tmp_path / path).with_suffix(".mp4"), large_THW[..., None].repeat(3, axis=3))
    table = s.table[["path", "label", "split"]].replace(r"\.npy$", ".mp4", regex=True)
    files.write_csv(tmp_path / "splits.csv", table)
    for name in ("positions.parquet", "predictions.parquet"):
        frame = s.extras[name].replace(r"\.npy$", ".mp4", regex=True)
        files.write_parquet(tmp_path / name, frame)
    (tmp_path / "stats.json").unlink()
    report = audit(tmp_path)
    assert report.findings == []
    clip = clipfile.read(tmp_path / table["path"][0])
    assert clip.grey_THW.shape == (16, 64, 64)
    assert clip.rate == 30
    assert np.abs(clip.grey_THW.astype(int) - s.video_NTHW[0]).mean() < 4


def test_a_video_that_cannot_be_decoded_is_one_sentence(folder):
    table = pd.read_csv(folder / "splits.csv")
    path = first_of(folder).with_suffix(".mp4")
    path.write_bytes(b"no video at all" * 100)
    table.loc[0, "path"] = path.relative_to(folder).as_posix()
    files.write_csv(folder / "splits.csv", table)
    assert "is not a video that can be decoded: write it again" in faults(audit(folder))


def test_floats_and_channels_are_levels_too(tmp_path):
    grey_THW = np.random.default_rng(0).integers(0, 256, (16, 32, 32)).astype(np.uint8)
    np.save(tmp_path / "a.npy", (grey_THW / 255).astype(np.float32))
    np.save(tmp_path / "b.npy", np.stack([grey_THW, grey_THW // 2, grey_THW], axis=3))
    one, other = clipfile.read(tmp_path / "a.npy"), clipfile.read(tmp_path / "b.npy")
    np.testing.assert_array_equal(one.grey_THW, grey_THW)
    assert one.tint == (0, 0)
    assert other.tint[0] == other.tint[1] > 50
    np.testing.assert_allclose([total / other.pixels for total, _ in other.sums][0], grey_THW.mean() / 255)


TABLES = {
    "splits.csv cannot be read": ("splits.csv", b"\xff\xfe\x00broken"),
    "splits.csv has no column split": ("splits.csv", b"path,label\na/b.npy,a\n"),
    "splits.csv names '../up.npy'": ("splits.csv", b"path,label,split\n../up.npy,a,train\n"),
    "splits.csv names '/etc/passwd'": ("splits.csv", b"path,label,split\n/etc/passwd,a,train\n"),
    "splits.csv has no split called train, only val": ("splits.csv", b"path,label,split\na/b.npy,a,val\n"),
    "positions.parquet cannot be read": ("positions.parquet", b"PAR1"),
    "stats.json cannot be used": ("stats.json", b'{"mean": [0.1, 0.2]}'),
    "stats.json cannot be read": ("stats.json", b"[1, 2"),
    "oracle.json has top1 'high'": ("oracle.json", b'{"top1": "high"}'),
}


@pytest.mark.parametrize("sentence", TABLES)
def test_a_broken_table_stops_the_audit_with_one_sentence(folder, sentence):
    name, content = TABLES[sentence]
    (folder / name).write_bytes(content)
    with pytest.raises(AuditError) as error:
        audit(folder)
    assert str(error.value).startswith(sentence)
    assert ": write" in str(error.value)


def test_predictions_and_positions_of_something_else_stop_the_audit(folder):
    files.write_parquet(folder / "predictions.parquet", pd.DataFrame({"path": ["x"], "predicted": ["linear"]}))
    with pytest.raises(AuditError, match="names no clip of the folder"):
        audit(folder)
    (folder / "predictions.parquet").unlink()
    table = pd.read_parquet(folder / "positions.parquet")
    for wrong, sentence in (
        (table.assign(target="no"), "not true or false"),
        (table.assign(u="1"), "holds '1' in the column u"),
    ):
        files.write_parquet(folder / "positions.parquet", wrong)
        with pytest.raises(AuditError, match=sentence):
            audit(folder)


def test_nothing_to_audit_is_one_sentence(tmp_path):
    with pytest.raises(AuditError, match="is not a folder"):
        audit(tmp_path / "none")
    with pytest.raises(AuditError, match="holds no clips: put them into"):
        audit(tmp_path)
    (tmp_path / "manifest.json").write_text('{"world_code": "1"}')
    with pytest.raises(AuditError, match=r"holds a manifest.json without the data"):
        audit(tmp_path)


def test_a_folder_in_which_no_clip_can_be_read(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.npy").write_bytes(b"")
    with pytest.raises(AuditError, match=r"no clip can be read: a/one.npy is not a complete"):
        audit(tmp_path)


def test_clips_outside_the_list_are_a_note(folder):
    table = pd.read_csv(folder / "splits.csv")
    files.write_csv(folder / "splits.csv", table.iloc[1:])
    (found,) = audit(folder).findings
    assert (found.severity, found.evidence) == ("note", "1 clips are not in splits.csv and were not audited")


def test_targets_among_the_frames_shown_are_facts(folder):
    table = pd.read_parquet(folder / "positions.parquet")
    table.loc[table["frame"] == 15, "target"] = True
    files.write_parquet(folder / "positions.parquet", table)
    found = [test for test in audit(folder).findings if test.check == 14]
    assert found[0].evidence == "80 clips have targets before frame 16, the first one that is not observed"


def test_a_single_seen_position_is_no_path(folder):
    table = pd.read_parquet(folder / "positions.parquet")
    files.write_parquet(folder / "positions.parquet", table[(table["frame"] == 15) | table["target"]])
    assert "a single observed position" in audit(folder).not_checked[14]


def test_one_mean_stands_for_all_channels(tmp_path):
    s = SUITE.clean(5, 60).film()
    stats = dict(s.extras["stats.json"])
    write(s, tmp_path)
    for path, video_THW in zip(s.table["path"], s.video_NTHW, strict=True):
        np.save(tmp_path / path, video_THW[..., None].repeat(3, axis=3))
    for given in (stats, stats | {name: [stats[name]] * 3 for name in ("mean", "std")}):
        files.write_json(tmp_path / "stats.json", given)
        report = audit(tmp_path)
        assert 15 not in report.not_checked
        assert 15 not in {test.check for test in report.findings}


def test_stats_that_say_what_they_were_fitted_on(folder):
    stats = files.read_json(folder / "stats.json")
    files.write_json(folder / "stats.json", stats | {"fitted_on": "all"})
    assert [test.evidence for test in audit(folder).findings] == ["stats.json was fitted on 'all'"]
    files.write_json(folder / "stats.json", {"mean": round(stats["mean"], 1), "std": round(stats["std"], 1)})
    assert "agree to all digits of stats.json" in audit(folder).not_checked[15]
