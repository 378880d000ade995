"""Data folders: made, loaded, refused when they are not what they say."""

import numpy as np
import pandas as pd
import pytest

from trajnb import ParameterError, config, data, files
from trajnb.config import Config
from trajnb.data import dataset
from trajnb.data.dataset import Drawn
from trajnb.training import checkpoints

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
    data.load(CFG.replace(test_clips=100), "train", folder)  # a training run need not know how many there are


def test_tracks_by_hand():
    """Pixels over the frame's width, and metres, of all frames; the old target repeats the last observed one."""
    cfg = CFG.replace(frames=4, horizon=2, motions=["random", "linear"])
    xyz = np.zeros((1, 6, 3)) + [0.5, -0.25, 4.0] + np.arange(6)[:, None] * [0.5, 0, 0]
    table = pd.DataFrame({"index": [3], "motion": ["linear"]})
    expected = [[(8 + 8 * frame + 32) / 64, 28 / 64, 4] for frame in range(6)]
    assert data.ClipSet(cfg, 0, table, xyz).track_NFx3.tolist() == [expected]
    assert data.ClipSet(cfg, 0, table, xyz).label_N.tolist() == [1]
    old = data.ClipSet(cfg.replace(target="last_seen"), 0, table, xyz).track_NFx3
    assert old.tolist() == [[*expected[:4], expected[3], expected[3]]]


def test_a_spread_is_even_and_held_frames_repeat_the_first_of_the_last(folder):
    clips = data.load(CFG, "test", folder)
    assert clips.spread(4).table["index"].tolist() == [0, 19, 39, 59]
    assert len(clips.spread(99)) == 60
    held = data.Reordered(clips, "held", seen=5)
    assert held.order_NT[7].tolist() == [11] * 12 + [12, 13, 14, 15]


def test_a_smaller_set_is_contained_in_a_larger_one_with_its_split(folder, tmp_path):
    data.make(CFG.replace(clips=400), tmp_path)
    small, large = (pd.read_parquet(path / "recipes.parquet") for path in (folder, tmp_path))
    pd.testing.assert_frame_equal(small, large[large["index"] < 200])


@pytest.mark.parametrize("change", [{"gravity": 3.0}, {"clips": 300}, {"test_clips": 100}, {"target": "last_seen"}])
def test_other_parameters_are_refused_by_name(folder, change):
    with pytest.raises(ValueError, match=f"differ in {next(iter(change))}: run 01_data again"):
        data.load(CFG.replace(**change), "test" if "test_clips" in change else "train", folder)


def test_missing_data_says_what_to_run_and_a_changed_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="run 01_data first"):
        data.load(CFG, "train", tmp_path)
    data.make(CFG, tmp_path)
    table = pd.read_parquet(tmp_path / "recipes.parquet")
    files.write_parquet(tmp_path / "recipes.parquet", table.assign(depth_m=3.0))
    with pytest.raises(ValueError, match="not what its manifest says"):
        data.load(CFG, "train", tmp_path)


def test_the_old_target_changes_no_split_and_no_picture(folder, tmp_path):
    made = data.make(CFG.replace(target="last_seen"), tmp_path)
    assert made["sha256"] == files.read_json(folder / "manifest.json")["sha256"], "the same recipes, divided in one way"


MISTAKES = {
    "target: last_seen is a position that the network has observed: write future": {"target": "last_seen"},
    r"split: class_order leaves val with 0 \w+ clips, at least 1 needed: write recipe": {"split": "class_order"},
    "clips: 40 leaves val with 0 linear clips, at least 1 needed: write more clips": {"clips": 40, "data_seed": 2},
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_mistakes_are_refused_in_one_sentence(sentence, tmp_path):
    cfg = CFG.replace(**MISTAKES[sentence])
    data.make(cfg, tmp_path)
    with pytest.raises(ParameterError, match=rf"^{sentence}\.$"):
        data.check(cfg, tmp_path)


@pytest.mark.parametrize("other", ["recipes.parquet", "test.parquet"])
def test_a_recipe_in_two_splits_is_refused(other, folder, tmp_path):
    assert data.check(CFG, folder) is None
    data.make(CFG, tmp_path)
    recipe = pd.read_parquet(folder / "recipes.parquet").query("split == 'train'").iloc[:1]
    table = pd.read_parquet(folder / other)
    leaked = recipe.assign(split="test" if other == "test.parquet" else "val")
    files.write_parquet(tmp_path / other, pd.concat([table, leaked]))
    with pytest.raises(ParameterError, match="data_seed: 0 puts 1 recipes into two splits: write another"):
        data.check(CFG, tmp_path)


def test_reordered_clips_keep_all_but_the_order(folder):
    clips = data.load(CFG, "train", folder)
    plain, back = clips.batch(np.arange(3)), data.Reordered(clips, "reversed").batch(np.arange(3))
    assert back.video.equal(plain.video.flip(2)) and back.label.equal(plain.label)
    shuffled = data.Reordered(clips, "shuffled")
    video = shuffled.batch(np.arange(3)).video
    assert not video.equal(plain.video) and video.sum(2).equal(plain.video.sum(2)), "the same frames"
    assert shuffled.batch(np.array([2])).video.equal(video[2:]), "whatever the batch"
    assert shuffled.take(slice(2, 3)).batch(np.array([0])).video.equal(video[2:]), "and whatever else is in the set"
    assert len(shuffled) == len(clips)


def test_a_control_changes_training_clips_alone_where_it_permutes_labels(folder):
    cfg, plain = CFG.replace(control="permuted"), data.load(CFG, "train", folder)
    train = data.load(cfg, "train", folder)
    assert sorted(train.label_N) == sorted(plain.label_N) and (train.label_N == plain.label_N).mean() < 0.5
    assert np.array_equal(train.label_N, data.load(cfg, "train", folder).label_N), "always the same way"
    for which in ("val", "test"):
        assert np.array_equal(data.load(cfg, which, folder).label_N, data.load(CFG, which, folder).label_N)
    for which in ("train", "val", "test"):
        assert isinstance(data.load(CFG.replace(control="shuffled"), which, folder), data.Reordered)


@pytest.mark.parametrize("control", ["none", "permuted"])
def test_a_set_too_large_for_memory_shows_the_same_clips(control, folder, monkeypatch):
    cfg = CFG.replace(control=control, motions=["random", "linear", "circular", "parabolic"], data_seed=3)
    data.make(cfg, folder / "other")
    small = data.load(cfg, "train", folder / "other")
    monkeypatch.setattr(config, "HELD", 0)
    large = data.load(cfg, "train", folder / "other")
    assert isinstance(large, Drawn) and len(large) == len(small)
    assert checkpoints.data_hash(large) == checkpoints.data_hash(small), "a training resumes where more fits or less"
    rows = np.array([5, 2, 90])
    for one, same in zip(large.batch(rows), small.batch(rows), strict=True):
        assert one.equal(same)
    assert np.array_equal(large.render([7]), small.render([7])) and np.array_equal(large.track_NFx3, small.track_NFx3)
    assert np.array_equal(data.Rendered(large).take(rows).label_N, small.label_N[rows])
    held = {"index_N", "attempt_N", "label_N"}
    assert {name for name, value in vars(large).items() if isinstance(value, np.ndarray)} == held, "and no more"


def test_the_same_parameters_make_the_same_bytes_in_whatever_blocks(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "BLOCK", 77)
    assert data.make(CFG, tmp_path) == files.read_json(folder / "manifest.json")
