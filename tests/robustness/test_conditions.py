"""Evaluation conditions: one corruption at a time, the same trajectories where it acts after the motion."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import dataset
from trajnb.robustness import conditions

CFG = Config(robustness_clips=12)
MOTION = {"slower", "faster", "fewer fps", "more fps"}  # corruptions that change the motion itself


@pytest.fixture(scope="module")
def clean():
    return conditions.clean_clips(CFG)


def test_clean_clips_come_first_then_every_severity_which_changes_the_pixels_and_sometimes_the_motion(clean):
    first, *others = conditions.all_conditions(clean)
    assert first == (conditions.CLEAN, 0, clean)
    every = {(name, float(x)) for name, corruption in conditions.CORRUPTIONS.items() for x in corruption.severities}
    assert {(name, severity) for name, severity, _ in others} == every
    assert clean.seed not in (CFG.data_seed, CFG.data_seed + dataset.TEST_SEEDS), "no clip of training or test"
    plain = clean.render(np.arange(12))
    for name, severity, clips in others:
        assert (clips.render(np.arange(12)) != plain).any(axis=(1, 2, 3)).mean() > 0.7, (name, severity)
        assert np.array_equal(clips.xyz_NFx3, clean.xyz_NFx3) == (name not in MOTION)
        assert np.array_equal(clips.label_N, clean.label_N) and clips.seed == clean.seed


def test_contrast_scales_the_difference_from_the_background(clean):
    low = conditions.corrupted(clean, "contrast", 0.5).table
    gap = (clean.table["brightness"] - clean.table["background"]).to_numpy()
    assert (low["brightness"] - low["background"]).to_numpy() == pytest.approx(0.5 * gap)


def test_slower_paths_are_shorter_and_gravity_stays(clean):
    slow = conditions.corrupted(clean, "slower", 0.7)
    assert slow.cfg.gravity == CFG.gravity
    length = [np.ptp(c.track_NFx3[:, :16, :2], axis=1).max(axis=1).mean() for c in (slow, clean)]
    assert length[0] < 0.8 * length[1]
    assert conditions.corrupted(clean, "more fps", 40).cfg.frame_rate == 40


def test_a_severity_that_a_world_has_no_room_for_is_skipped_with_a_line(clean, monkeypatch, capsys):
    severities = {"slower": (0.9, 0.3), "observed": (12, 16, 24)}  # 16 is what clean clips have
    some = {name: conditions.CORRUPTIONS[name]._replace(severities=each) for name, each in severities.items()}
    monkeypatch.setattr(conditions, "CORRUPTIONS", some)
    monkeypatch.setattr(conditions.recipes, "ATTEMPTS", 256)
    assert [tuple(one) for *one, _ in conditions.all_conditions(clean)][1:] == [("slower", 0.9), ("observed", 12)]
    slower, observed = capsys.readouterr().out.splitlines()
    assert slower.startswith("slower 0.3 is skipped, so the mean over slower covers a shorter range: extent_min_px")
    assert observed.endswith("covers a shorter range: observed frames: 24 of 16 hold nothing back.")


def test_varied_worlds_start_from_clean_clips():
    clean = conditions.clean_clips(Config(robustness_clips=12, varied=True, blur_px=3.0, decoy=True, noise_max=0.2))
    assert not clean.cfg.varied and clean.cfg.blur_px == 0 and not clean.cfg.decoy
    assert clean.cfg.noise_max == Config().noise_max


def test_clean_clips_have_the_severity_of_their_world():
    world = CFG.replace(frames=24, frame_rate=25.0, decoy=True, noise_min=0.02, noise_max=0.04, robustness_clips=4)
    names = ("observed", "fewer fps", "decoy", "noise", "slower")
    assert [conditions.clean_severity(name, world) for name in names] == [24, 25, True, pytest.approx(0.03), 1]
    slow = CFG.replace(frame_rate=27.0, decoy=True, robustness_clips=4)
    found = {tuple(one) for *one, _ in conditions.all_conditions(conditions.clean_clips(slow))}
    assert {("fewer fps", 25.0), ("observed", 12.0)} <= found
    assert not found & {("decoy", 1.0), ("fewer fps", 27.0)}, "what is so already is no corruption"
