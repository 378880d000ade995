"""Difficulty suites: one knob at a time, the same clips where the knob acts after the motion, none ever trained on."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import dataset
from trajnb.robustness import conditions

CFG = Config(suite_clips=12)


@pytest.fixture(scope="module")
def base():
    return conditions.base(CFG)


@pytest.fixture(scope="module")
def asked(base):
    return list(conditions.questions(base))


def test_every_level_of_every_suite_is_asked_after_the_clips_as_they_are(asked):
    assert (asked[0].suite, asked[0].level) == (conditions.USUAL, 0)
    found = {(one.suite, one.level) for one in asked[1:]}
    wanted = {(name, float(level)) for name, suite in conditions.SUITES.items() for level in suite.levels}
    assert found == wanted | {(conditions.PAIRED, float(k)) for k in range(len(conditions.TOGETHER))}
    assert all(len(one.clips) == 12 for one in asked)


def test_no_clip_of_a_suite_is_one_of_training_or_test(base):
    assert base.seed not in (CFG.data_seed, CFG.data_seed + dataset.TEST_SEEDS)
    assert base.seed == CFG.data_seed + conditions.SUITE_SEEDS


def test_a_knob_that_acts_after_the_motion_leaves_the_motion(asked, base):
    same = {
        "noise",
        "blur",
        "contrast",
        "texture",
        "occluder",
        "decoy",
        "jitter",
        "smaller",
        "larger",
        "dropped",
        "seen",
    }
    for one in asked:
        if one.suite in same | {conditions.USUAL, conditions.PAIRED}:
            assert np.array_equal(one.clips.track_NFx3, base.track_NFx3)
        else:
            assert not np.array_equal(one.clips.xyz_NFx3, base.xyz_NFx3)
        assert np.array_equal(one.clips.label_N, base.label_N)


def test_every_level_changes_the_pixels(asked, base):
    plain = base.render(np.arange(12))
    for one in asked[1:]:
        assert (one.clips.render(np.arange(12)) != plain).any(axis=(1, 2, 3)).mean() > 0.7, (one.suite, one.level)


def test_only_the_last_frames_are_shown(base):
    shown, whole = conditions.held(base, 3).render(np.arange(4)), base.render(np.arange(4))
    assert np.array_equal(shown[:, -3:], whole[:, -3:])
    assert (shown[:, :-3] == whole[:, -3:-2]).all(), "the first of them stands in for those before"


def test_the_decoy_has_the_objects_energy_and_no_net_path(base):
    quiet = conditions.with_columns(base, noise=0.0)
    alone = quiet.render(np.arange(12)).astype(float)
    both = conditions.filmed(quiet, decoy=True).render(np.arange(12)).astype(float)
    energy = [np.abs(np.diff(video, axis=1)).sum(axis=(1, 2, 3)) for video in (alone, both - alone)]
    assert np.median(energy[1] / energy[0]) == pytest.approx(1, abs=0.1)


def test_contrast_and_size_do_what_they_say(base):
    low = conditions.contrast(base, 0.5).table
    gap = (base.table["brightness"] - base.table["background"]).to_numpy()
    assert (low["brightness"] - low["background"]).to_numpy() == pytest.approx(0.5 * gap)
    light = [c.render([0])[0, 0].astype(float) for c in (base, conditions.size(base, 2))]
    back = 255 * base.table["background"][0]
    assert (light[1] - back).clip(20).sum() > 2 * (light[0] - back).clip(20).sum() - 20 * 64 * 64


def test_slower_paths_are_shorter_and_gravity_stays(base):
    slow = conditions.speed(base, 0.7)
    assert slow.cfg.gravity == CFG.gravity
    assert (
        np.ptp(slow.track_NFx3[:, :16, :2], axis=1).max(axis=1).mean()
        < 0.8 * np.ptp(base.track_NFx3[:, :16, :2], axis=1).max(axis=1).mean()
    )
    assert conditions.frame_rate(base, 40).cfg.frame_rate == 40


def test_a_level_that_a_world_has_no_room_for_is_left_out_and_named(base, monkeypatch, capsys):
    slower = conditions.SUITES["slower"]._replace(levels=(0.9, 0.3))
    monkeypatch.setattr(suites, "SUITES", {"slower": slower})
    monkeypatch.setattr(conditions.recipes, "ATTEMPTS", 256)
    assert [one.level for one in conditions.questions(base) if one.suite == "slower"] == [0.9]
    assert capsys.readouterr().out.startswith(
        "slower 0.3 is left out, so the mean over slower covers a shorter range: extent_min_px"
    )


def test_a_level_lost_to_a_mistake_is_no_level_left_out(base, monkeypatch):
    broken = conditions.SUITES["noise"]._replace(change=lambda clips, level: np.zeros(3).reshape(2, 2))
    monkeypatch.setattr(suites, "SUITES", {"noise": broken})
    with pytest.raises(ValueError, match="cannot reshape"):
        list(conditions.questions(base))


def test_varied_worlds_start_from_clean_clips():
    base = conditions.base(Config(suite_clips=12, varied=True, blur_px=3.0, decoy=True, noise_max=0.2))
    assert not base.cfg.varied
    assert base.cfg.blur_px == 0 and not base.cfg.decoy
    assert base.cfg.noise_max == Config().noise_max


def test_clips_that_know_of_a_longer_future_are_the_same_clips(base):
    far = conditions.far(base)
    assert far.cfg.horizon == conditions.LONGEST_HORIZON
    rows = np.flatnonzero(base.table["index"].isin(far.table["index"]))
    assert np.array_equal(far.xyz_NFx3[:, :21], base.xyz_NFx3[rows])
