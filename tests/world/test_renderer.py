"""Pixels against positions, and each knob against what it promises."""

import numpy as np
import pytest
import torch

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.world import camera, recipes, renderer

QUIET = Config(noise_min=0.0, noise_max=0.0)


def clips_of(cfg, n=12, seed=2):
    return ClipSet(cfg, seed, recipes.draw(cfg, seed, np.arange(n)))


def everything(clips):
    return clips.render(np.arange(len(clips))).astype(float)


def test_the_disc_is_where_and_as_large_as_it_should_be():
    clips = clips_of(QUIET)
    light = everything(clips) - renderer.grey(clips.table["background"]).reshape(-1, 1, 1, 1)
    total = light.sum(axis=(2, 3))
    centre = np.arange(QUIET.size) + 0.5
    u, v = (light.sum(axis=2) * centre).sum(2) / total, (light.sum(axis=3) * centre).sum(2) / total
    true = camera.project(clips.xyz_NFx3[:, : QUIET.frames], QUIET)
    error = np.stack([u, v], axis=2) - true
    assert np.sqrt((error**2).mean()) < 0.02, "pixels; coverage by distance is not exactly coverage by area"
    assert np.abs(error).max() < 0.06
    level = renderer.grey(clips.table["brightness"]) - renderer.grey(clips.table["background"])
    radius = np.sqrt(total / (np.pi * level[:, None]) - 1 / 12)
    assert radius == pytest.approx(6.4 / clips.xyz_NFx3[:, : QUIET.frames, 2], rel=0.02)


def test_no_subnormal_number_can_reach_a_network():
    video = torch.from_numpy(clips_of(Config()).render(np.arange(12))).float() / 255
    positive = video[video > 0]
    assert positive.min() >= 1 / 255 > torch.finfo(torch.float32).tiny


def test_noise_has_the_deviation_asked_for_and_differs_between_frames():
    cfg = Config(noise_min=0.02, noise_max=0.02, background_min=0.3, background_max=0.3)
    empty = everything(clips_of(cfg))[:, :, :4]  # the rim: no disc's centre comes within 3 px of the border
    frame = np.median(empty, axis=(2, 3), keepdims=True)
    assert np.abs(frame - 0.3 * 255).max() <= 1.5
    rest = empty - frame
    spread = np.sqrt(np.median(rest**2) / 0.4549)  # the median of a squared standard normal number
    assert spread == pytest.approx(0.02 * 255, rel=0.15)
    assert np.abs(np.corrcoef(rest[:, 0].ravel(), rest[:, 1].ravel())[0, 1]) < 0.1


def test_bytes_do_not_depend_on_the_batch():
    clips = clips_of(Config(texture=0.1, jitter_px=0.5, decoy=True), n=21)
    together = clips.render(np.arange(21))
    backwards = np.concatenate([clips.render([i]) for i in range(20, -1, -1)])
    assert (together == backwards[::-1]).all()


def test_dropped_frames_repeat_the_one_before():
    clips = clips_of(QUIET.replace(dropped_frames=3))
    repeated = (np.diff(everything(clips), axis=1) == 0).all(axis=(2, 3)).sum(axis=1)
    assert (repeated == 3).all()


def test_occluder_hides_and_blur_softens():
    hidden = everything(clips_of(QUIET.replace(occluder_px=20.0)))
    assert (np.ptp(hidden, axis=(1, 2)) == 0).sum(axis=1).min() >= 20, "20 columns never change"
    sharp, soft = everything(clips_of(QUIET)), everything(clips_of(QUIET.replace(blur_px=3.0)))
    assert np.abs(np.diff(soft, axis=3)).max() < np.abs(np.diff(sharp, axis=3)).max()


def test_the_decoy_steps_as_far_as_the_object_and_goes_nowhere():
    clips = clips_of(QUIET.replace(decoy=True))
    scene = {name: clips.table[name].to_numpy() for name in clips.table.columns}
    uv = camera.project(clips.xyz_NFx3[:, : QUIET.frames], QUIET)
    path = renderer.decoy(clips.cfg, clips.seed, scene, uv)
    step = np.linalg.norm(np.diff(uv, axis=1), axis=2)
    assert np.linalg.norm(np.diff(path, axis=1), axis=2) == pytest.approx(step)
    assert (recipes.extent(path) < 0.5 * step.sum(axis=1)).all()


def test_camera_shake_moves_the_picture_but_not_the_truth():
    still, shaken = clips_of(QUIET), clips_of(QUIET.replace(jitter_px=1.0))
    assert (still.track_NFx3 == shaken.track_NFx3).all()
    assert (everything(still) != everything(shaken)).any(axis=(2, 3)).mean() > 0.9


def test_size_factor_scales_the_disc():
    small, large = (
        everything(clips_of(QUIET)),
        everything(clips_of(QUIET.replace(size_factor_min=2, size_factor_max=2))),
    )
    back = np.median(small, axis=(1, 2, 3), keepdims=True)
    assert (large - back).sum() == pytest.approx(4 * (small - back).sum(), rel=0.1)


def test_the_strongest_noise_allowed_does_not_overflow():
    """The table's entries times the steps of the deviation must fit 16 bits up to the bound of noise_max."""
    clips = clips_of(Config(noise_min=0.25, noise_max=0.25, background_min=0.5, background_max=0.5, brightness_min=0.6))
    scene = {name: clips.table[name].to_numpy() for name in clips.table.columns}
    noise = renderer.sensor_noise(clips.cfg, clips.seed, scene)
    assert noise.std() == pytest.approx(0.25 * 255, rel=0.02)
