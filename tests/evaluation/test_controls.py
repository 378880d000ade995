"""Controls: they must find a leak that is there, and nothing where there is none."""

import numpy as np

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import controls
from trajnb.world import recipes


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


def test_pictures_see_a_stamp_and_motion_energy_sees_only_what_moves(clips):
    clips = clips.take(slice(200))
    real = clips.render

    def stamped(rows):
        video = real(rows)
        video[:, :, :8, :8] = 60 * clips.label_N[rows][:, None, None, None]
        return video

    clips.render = stamped
    pictures = controls.pictures(clips)
    assert (controls.picture_trees(clips)["mean_frame"].predict(pictures["mean_frame"]) == clips.label_N).all()
    flat = pictures["motion_energy"].reshape(-1, 16, 16)
    assert flat[:, :2, :2].max() == 0, "a stamp that stands still has no energy"
    assert flat.max() > 1
