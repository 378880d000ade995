"""Data folders: made, loaded, refused when they are not what they say."""

import numpy as np
import pandas as pd
import pytest

from trajnb import data, files
from trajnb.config import Config

CFG = Config(clips=200, test_clips=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data.make(CFG, folder)
    return folder


def test_splits_cover_the_table_and_test_clips_come_from_another_seed(folder):
    parts = {which: data.load(CFG, which, folder) for which in ("train", "val", "test")}
    assert len(parts["test"]) == 60
    assert 0.55 * 200 < len(parts["train"]) < 0.85 * 200
    assert parts["test"].seed != parts["train"].seed == parts["val"].seed
    assert not set(parts["train"].table["index"]) & set(parts["val"].table["index"])


def test_a_batch_is_what_a_network_needs(folder):
    batch = data.load(CFG, "train", folder).batch(np.array([3, 1]))
    assert tuple(batch.video.shape) == (2, 1, 16, 64, 64)
    assert batch.video.dtype.itemsize == 1
    assert tuple(batch.track.shape) == (2, 21, 3)
    assert batch.label.tolist() == data.load(CFG, "train", folder).label_N[[3, 1]].tolist()


def test_the_target_lies_after_the_last_seen_frame(folder):
    track = data.load(CFG, "train", folder).track_NFx3
    copy_last = np.linalg.norm(track[:, CFG.frames :, :2] - track[:, CFG.frames - 1, None, :2], axis=2) * CFG.size
    assert track.shape[1] == CFG.frames + CFG.horizon
    assert (copy_last.mean(axis=0) > 1).all(), "repeating the last seen position must not score zero"


def test_a_smaller_set_is_contained_in_a_larger_one_with_its_split(folder, tmp_path):
    data.make(CFG.replace(clips=400), tmp_path)
    small, large = (pd.read_parquet(path / "recipes.parquet") for path in (folder, tmp_path))
    pd.testing.assert_frame_equal(small, large.iloc[:200])


def test_the_same_parameters_make_the_same_bytes(folder, tmp_path):
    assert data.make(CFG, tmp_path) == files.read_json(folder / "manifest.json")


def test_other_parameters_are_refused_by_name(folder):
    with pytest.raises(ValueError, match="differ in gravity: run 01_data again"):
        data.load(CFG.replace(gravity=3.0), "train", folder)
    with pytest.raises(ValueError, match="differ in clips"):
        data.load(CFG.replace(clips=300), "train", folder)


def test_a_changed_file_is_refused(folder, tmp_path):
    data.make(CFG, tmp_path)
    table = pd.read_parquet(tmp_path / "recipes.parquet")
    files.write_parquet(tmp_path / "recipes.parquet", table.assign(depth_m=3.0))
    with pytest.raises(ValueError, match="not what its manifest says"):
        data.load(CFG, "train", tmp_path)


def test_missing_data_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="run 01_data first"):
        data.load(CFG, "train", tmp_path)


def test_a_stream_never_repeats_a_clip(folder):
    stream = data.load(CFG.replace(stream=True), "train", folder)
    seen = set(stream.table["index"])
    for epoch in range(3):
        new = set(stream.for_epoch(epoch).table["index"])
        assert len(new) == len(stream)
        assert not new & seen
        seen |= new
    plain = data.load(CFG, "train", folder)
    assert plain.for_epoch(3) is plain
