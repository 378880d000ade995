"""Footage as people have it: the object is found where it is, and what is none of it gets a sentence."""

import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from tests.footage import encode
from trajnb import predict
from trajnb.config import Config
from trajnb.predict import footage
from trajnb.predict.footage import NotPredicted

RADIUS = 9.0
WALL_HW = np.random.default_rng(0).integers(0, 255, (8, 12)).repeat(20, 0).repeat(20, 1)


def path(frames):
    """A line across the picture (T, 2), pixels."""
    return np.stack([np.linspace(40, 260, frames), np.linspace(150, 60, frames)], axis=1)


def discs(xy_Tx2, size=(200, 320), ground=60.0, level=200.0, noise=2.0, radius=RADIUS):
    """A disc on a ground, drawn by formula: (T, H, W) uint8."""
    y_H1, x_W = np.arange(size[0])[:, None] + 0.5, np.arange(size[1]) + 0.5
    away = np.hypot(x_W - xy_Tx2[:, 0, None, None], y_H1 - xy_Tx2[:, 1, None, None])
    cover = np.clip(radius + 0.5 - away, 0, 1)
    noisy = np.random.default_rng(0).normal(0, noise, cover.shape)
    return np.clip(ground + (level - ground) * cover + noisy, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    "kind", [".mp4", ".mov", ".avi", ".mkv", "pictures", "16 bits", ".npy", "array", "colours", "transparency"]
)
def test_every_kind_of_source_gives_the_same_frames(tmp_path, kind):
    level_THW, times = discs(path(20)), np.arange(20) / 30
    source = tmp_path / f"a{kind}"
    if kind in ("pictures", "16 bits"):
        source.mkdir()
        for k, level_HW in enumerate(level_THW if kind == "pictures" else level_THW.astype(np.uint16) * 257):
            PIL.Image.fromarray(level_HW).save(source / f"{k:03d}.PNG")
    elif kind == ".npy":
        np.save(source, level_THW / 255.0)
    elif kind in ("array", "colours", "transparency"):
        source = level_THW if kind == "array" else np.stack([level_THW] * (3 if kind == "colours" else 4), axis=-1)
    elif kind == ".mkv":  # at times of its own
        times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.05, 20))
        encode(source, level_THW, times=times)
    else:
        encode(source, level_THW)
    ((seconds_T, read_THW, share),) = footage.blocks(source)
    assert (read_THW.shape, share) == (level_THW.shape, 1)
    np.testing.assert_allclose(seconds_T - seconds_T[0], times - times[0], atol=1e-3)
    assert np.abs(read_THW.astype(int) - level_THW).mean() < 3


def test_large_frames_are_reduced_and_say_so():
    large = discs(path(16) * 4, size=(800, 1280), radius=4 * RADIUS)
    ((_, plain_THW, share),) = footage.blocks(large)
    assert (plain_THW.shape, share) == ((16, 400, 640), 0.5)
    np.testing.assert_allclose(footage.find_object(plain_THW)[0], path(16) * 2, atol=0.5)


def shaken(sd):
    """A disc before a wall that a shaking camera films."""
    smooth_HW = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(220, 340)), 6)
    wall_HW = 90 + 25 * smooth_HW / smooth_HW.std()
    offsets = 10 + np.random.default_rng(2).normal(0, sd, (24, 2))
    moved = [ndimage.shift(wall_HW, -offset, order=1)[:200, :320] for offset in offsets]
    return np.where(discs(path(24), ground=0, noise=0) > 100, 255, moved)


def lit():
    """A disc in noise before a wall, in a light that changes."""
    wall_HW = np.random.default_rng(1).uniform(60, 120, (200, 320))
    light_T11 = 10 * np.sin(np.arange(24) / 3)[:, None, None]
    return (np.maximum(discs(path(24), ground=0, noise=6), wall_HW) + light_T11).clip(0, 255)


FOUND = {  # footage, pixels and share of the radius by which the object may be elsewhere and of another size
    "bright": (lambda: discs(path(24)), 0.15, 0.06),
    "dark": (lambda: discs(path(24), level=30.0, ground=180.0), 0.15, 0.06),
    "in changing light": (lit, 0.5, 1.0),
    "before a camera that hardly shakes": (lambda: shaken(0.05), 1.0, 1.0),
}


@pytest.mark.parametrize("kind", FOUND)
def test_the_object_is_found_where_it_is_and_as_large(kind):
    make, pixels, share = FOUND[kind]
    xy_Tx2, radius_T, _ = footage.find_object(make().astype(np.uint8))
    np.testing.assert_allclose(xy_Tx2, path(24), atol=pixels)
    np.testing.assert_allclose(radius_T, RADIUS, rtol=share)


NOTHING = {
    "moves too little: 3.5 times its radius in 40 frames": lambda: discs(np.linspace((40, 150), (79, 150), 40)),
    "shows a moving object in 0 frames": lambda: discs(np.full((20, 2), 99.0)),
    "shows several moving things": lambda: np.maximum(discs(path(20)), discs(path(20)[:, ::-1] * [1, 0.6])),
    "has 9 frames: at least 16": lambda: discs(path(9)),
    "is not from a steady camera: its background moves by": lambda: shaken(1.0),
    "is not from a steady camera": lambda: np.stack([np.roll(WALL_HW, 4 * k, axis=1) for k in range(20)]),
}


@pytest.mark.parametrize("sentence", NOTHING)
def test_what_shows_no_single_object_is_refused(sentence):
    with pytest.raises(NotPredicted, match=f"^{sentence}"):
        predict.cut(Config(), NOTHING[sentence]().astype(np.uint8))


def test_folders_without_one_size_of_readable_pictures_are_one_sentence(tmp_path):
    with pytest.raises(NotPredicted, match="^has no frames"):
        list(footage.blocks(tmp_path))
    for k in range(20):
        PIL.Image.new("L", (40 + k, 40)).save(tmp_path / f"{k:02d}.png")
    with pytest.raises(ValueError, match="^has pictures of several sizes"):
        list(footage.blocks(tmp_path))
    (tmp_path / "07.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="^'07.png' is no picture that can be read"):
        list(footage.blocks(tmp_path))
