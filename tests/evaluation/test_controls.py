"""Controls: they must find a leak that is there, and nothing where there is none."""

import numpy as np
import pytest
from sklearn.ensemble._hist_gradient_boosting import gradient_boosting
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as threads
from threadpoolctl import threadpool_limits

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import controls
from trajnb.world import recipes

CFG = Config()


def clips_of(n, seed):
    return ClipSet(CFG, seed, recipes.draw(CFG, seed, np.arange(n)))


def test_a_leak_in_any_nuisance_is_found():
    varied = {"size_factor_max": 1.5, "varied": True, "blur_px": 2.0, "texture": 0.3, "occluder_px": 8.0, "decoy": True}
    cfg = Config(**varied, dropped_frames=4)
    clips = ClipSet(cfg, 0, recipes.draw(cfg, 0, np.arange(300)))
    assert controls.nuisance_top1(clips) < 0.4
    for name in ["brightness", "size_factor", "blur_px", "texture", "occluder_px", "decoy", "dropped_frames"]:
        table = clips.table.copy()
        clips.table[name] = 1.0 + 0.1 * clips.label_N
        assert controls.nuisance_top1(clips, folds=2) > 0.9, name
        clips.table = table


def test_a_leak_in_one_frame_is_found():
    clips = clips_of(300, 0)
    clips.track_NFx3[:, 7, 0] = 0.2 * clips.label_N + 0.1
    single = controls.single_frame_top1(clips, folds=2)
    assert single[7] > 0.9
    assert np.delete(single, 7).max() < 0.45


def test_baselines_return_probabilities_for_test_clips():
    train, test = clips_of(100, 0), clips_of(60, 2)
    train.label_N[:60] = 2
    single, frame = controls.single_frame(train, clips_of(40, 1), test)
    majority = controls.majority(train, test)
    assert single.shape == majority.shape == (60, 4)
    assert np.stack([single, majority]).sum(axis=2) == pytest.approx(1)
    assert 0 <= frame < CFG.frames
    assert set(majority.argmax(axis=1)) == {2}, "the same for every clip"


def test_pictures_see_a_stamp_and_motion_energy_sees_only_what_moves():
    clips = clips_of(200, 0)
    real = clips.render

    def stamped(rows):
        video = real(rows)
        video[:, :, :8, :8] = 60 * clips.label_N[rows][:, None, None, None]
        return video

    clips.render = stamped
    found = controls.picture_controls(clips, clips)
    assert (found["mean_frame"].argmax(axis=1) == clips.label_N).mean() == 1.0
    flat = controls.pictures(clips)["motion_energy"].reshape(-1, 16, 16)
    assert flat[:, :2, :2].max() == 0, "a stamp that stands still has no energy"
    assert flat.max() > 1


def test_path_features_by_hand():
    """A step of 3 px to the right in every frame; then one that turns by a right angle half way."""
    uv = np.zeros((2, 16, 2))
    uv[:, :, 0] = 3 * np.arange(16)
    uv[1, 9:] = uv[1, 8] + 3 * np.arange(1, 8)[:, None] * [0, 1]
    straight, turned = controls.path_features(uv, CFG)
    assert straight == pytest.approx(np.array([0, 0, straight[2], 3, 0, 0, 0, 0, 0, 0, 0]), abs=1e-6)
    assert turned[3:7] == pytest.approx([3, 0, -3 / 14, 3 / 14]) and turned[9] == pytest.approx(np.pi / 2)
    assert (turned[:3] > straight[:3]).all() and turned[0] > 1


def test_kinematic_features_tell_the_motions_apart():
    prob = controls.kinematic(clips_of(1000, 0), clips_of(400, 1))
    assert (prob.argmax(axis=1) == clips_of(400, 1).label_N).mean() > 0.9


def test_boosted_trees_use_one_thread_however_many_there_are(monkeypatch):
    counts = []

    def count(most=None):
        counts.append(threads(most))
        return counts[-1]

    monkeypatch.setattr(gradient_boosting, "_openmp_effective_n_threads", count)
    clips = clips_of(40, 0)
    with threadpool_limits(limits=2, user_api="openmp"):
        for use in (controls.nuisance_top1, controls.single_frame_top1):
            use(clips, folds=2)
        controls.single_frame(clips, clips, clips)
        for use in (controls.picture_controls, controls.kinematic):
            use(clips, clips)
        assert set(counts) == {1}
        assert threads() == 2, "others have as many as before"
