"""Pixels against positions, and each nuisance against its definition."""

import numpy as np
import pytest
import scipy.fft

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.world import camera, philox, recipes, renderer

QUIET = Config(noise_min=0.0, noise_max=0.0)


def clips_of(cfg, n=12, seed=2):
    return ClipSet(cfg, seed, recipes.draw(cfg, seed, np.arange(n)))


def everything(clips):
    return clips.render(np.arange(len(clips))).astype(float)


def test_the_disc_is_where_and_as_large_as_it_should_be():
    """A white disc of 0.1 m times its clip's factor on a tenth of white, of which 255ths are shown."""
    clips = clips_of(QUIET.replace(size_factor_min=0.6, brightness_min=1.0, background_min=0.1, background_max=0.1))
    light = everything(clips) - 26
    total = light.sum(axis=(2, 3))
    centre = np.arange(QUIET.size) + 0.5
    u, v = (light.sum(axis=2) * centre).sum(2) / total, (light.sum(axis=3) * centre).sum(2) / total
    true = camera.project(clips.xyz_NFx3[:, : QUIET.frames], QUIET)
    error = np.stack([u, v], axis=2) - true
    assert np.sqrt((error**2).mean()) < 0.02, "pixels; coverage by distance is not exactly coverage by area"
    assert np.abs(error).max() < 0.06
    radius = np.sqrt(total / (np.pi * (255 - 26)) - 1 / 12)
    size = clips.table[["size_factor"]].to_numpy()
    assert radius == pytest.approx(6.4 * size / clips.xyz_NFx3[:, : QUIET.frames, 2], rel=0.02)
    behind = everything(clips_of(clips.cfg.replace(occluder_px=4.0)))
    assert ((behind == 140).sum(axis=(2, 3)) >= 4 * QUIET.size).all(), "a bar halfway between object and background"


def test_noise_is_added_to_every_frame():
    quiet, noisy = (clips_of(Config(noise_min=share, noise_max=share)) for share in (0.0, 0.02))
    noise = renderer.sensor_noise(noisy.cfg, noisy.seed, noisy.table)
    assert (everything(noisy) == np.clip(everything(quiet) + noise, 0, 255)).all()


SMALL = QUIET.replace(size=32, frames=4, extent_max_px=20.0)


def test_discs_to_the_last_digit():
    """Coverage is 1/2 plus the signed distance to the rim over the rim's width, in steps of 1/256; then blended."""
    uv, radius = np.array([[[10.3, 20.0]], [[30.9, 1.2]]]), np.array([[3.4], [5.0]])
    level, blur, background = np.array([200, 40]), np.array([0.0, 2.0]), np.full((2, 1, 32, 32), 90, np.int16)
    image = background.copy()
    renderer.draw_discs(SMALL, image, uv, radius, level.astype(np.int16), blur)
    x = (np.arange(32) * 256 + 128)[None, None, None]
    centre = np.rint(uv * 256)[..., None, None]
    distance = np.floor(np.sqrt((x - centre[:, :, 0]) ** 2 + (x.swapaxes(2, 3) - centre[:, :, 1]) ** 2))
    rim = (256 * (1 + blur))[:, None, None, None]
    cover = np.clip((np.rint(radius * 256)[..., None, None] - distance) * 256 // rim + 128, 0, 256)
    assert (image == background + ((level[:, None, None, None] - background) * cover + 128) // 256).all()
    assert (image[1, 0, 0, 26:] != 90).all(), "the second one lies across the border"
    untouched = background.copy()
    renderer.draw_discs(SMALL, untouched, uv, np.full((2, 1), -1.0), level.astype(np.int16), np.zeros(2))
    assert (untouched == background).all(), "a negative radius draws nothing"


def test_backdrop_and_bar_by_hand(monkeypatch):
    """Patches of 8 px, a share of the contrast around the background; a bar between the borders, over everything."""
    u = np.linspace(0, 1, 16)
    monkeypatch.setattr(renderer.philox, "uniforms", lambda seed, index, stream, n: u[None] if stream == 3 else 0)
    scene = {"index": np.array([0]), "texture": np.array([0.4]), "occluder_px": np.array([6.0])}
    image = renderer.backdrop(SMALL, 0, scene, np.array([100]))
    assert (image == 100 + np.rint(0.4 * (u - 0.5) * 255).reshape(4, 4).repeat(8, 0).repeat(8, 1)).all()
    before = image.copy()
    renderer.draw_occluder(SMALL, image, scene | {"occluder_place": np.array([0.25])}, np.array([7]))
    assert (image[..., 6:12] == 7).all(), "a quarter of the 26 px that are left, rounded to even"
    assert (np.delete(image, np.s_[6:12], axis=3) == np.delete(before, np.s_[6:12], axis=3)).all()


def test_noise_by_hand(monkeypatch):
    """Table entries are 32 to a deviation; deviations come in quarters of a grey level; halves are rounded up.

    The largest entry times the strongest noise allowed still fits 16 bits.
    """
    table = renderer.noise_windows(1024)
    normal = philox.normals(0, [0, 16383, 16384], 0, 64)
    assert table.shape == (1 << 20, 1024)
    assert (table[0, :64] == np.rint(normal[0] * 32)).all()
    assert (table[-65, 1:129] == np.rint(normal[1:] * 32).flatten()).all()
    largest = np.abs(table[:, 0].astype(int)).argmax()
    assert abs(table[largest, 0]) == 127
    word = {2: np.array([[5, 2**20 + 6, largest, 2**32 - 1]])}
    monkeypatch.setattr(renderer.philox, "words", lambda seed, index, stream, n: word[stream])
    for share, quarters in ((0.02, 20), (0.25, 255)):  # 5.1 and 63.75 levels
        noise = renderer.sensor_noise(SMALL, 0, {"index": np.array([0]), "noise": np.array([share])})
        for result, start in zip(noise[0], (5, 6, largest, 2**20 - 1), strict=True):
            assert (result.flatten() == np.floor(table[start].astype(int) * quarters / 128 + 0.5)).all()


def test_lost_frames_by_hand(monkeypatch):
    """Lost are those with the smallest words; the first frame never is."""
    word = {6: np.array([[9, 3, 5, 4, 8]] * 3)}
    monkeypatch.setattr(renderer.philox, "words", lambda seed, index, stream, n: word[stream][:, :n])
    cfg, scene = SMALL.replace(frames=4), {"index": np.arange(3), "dropped_frames": np.array([0, 1, 2])}
    assert renderer.kept_frames(cfg, 0, scene).tolist() == [[0, 1, 2, 3], [0, 1, 1, 3], [0, 1, 1, 1]]


def test_shake_and_decoy_by_hand(monkeypatch):
    drawn = {4: np.array([[0.25]]), 5: np.arange(1.0, 12)[None]}
    for kind in ("normals", "uniforms"):
        monkeypatch.setattr(renderer.philox, kind, lambda seed, index, stream, n: drawn[stream][:, :n])
    scene = {name: np.array([x]) for name, x in {"index": 0, "jitter_px": 0.5, "decoy_x": 0.0, "decoy_y": 0.5}.items()}
    assert renderer.jitter(SMALL, 0, scene)[0].tolist() == [[0.5, 1], [1.5, 2], [2.5, 3], [3.5, 4]]
    path = np.array([[[0.0, 0.0], [3.0, 4.0], [3.0, 6.0], [4.0, 6.0]]])  # steps of 5, 2 and 1 px: -5, -3, -4
    swing = np.array([3.0, -2.0, 0.0, -1.0])
    expected = np.stack([np.full(4, 3.0), 16 + swing], axis=1)  # along y, about (3, 16): 3 px from the left border
    assert renderer.decoy(SMALL, 0, scene, path)[0] == pytest.approx(expected)


def test_squares_have_the_disc_s_area_and_a_flat_side():
    """Clips of both shapes at the same places: only the shape differs, for about the share asked for."""
    world = QUIET.replace(radius_m=0.4, extent_max_px=30.0)
    discs, mixed = (everything(clips_of(cfg, 40)) for cfg in (world, world.replace(squares=0.5)))
    changed_N = (discs != mixed).any(axis=(1, 2, 3))
    assert 10 < changed_N.sum() < 30
    for disc_SS, square_SS in zip(discs[changed_N][:5, 0], mixed[changed_N][:5, 0], strict=True):
        assert (square_SS - square_SS.min()).sum() == pytest.approx((disc_SS - disc_SS.min()).sum(), rel=0.05)
        full_SS = square_SS > square_SS.min() + 0.6 * np.ptp(square_SS)
        rows, columns = np.ptp(np.argwhere(full_SS), axis=0) + 1
        assert abs(rows - columns) <= 1
        assert full_SS.sum() == pytest.approx(rows * columns, rel=0.02), "its box is full"


def test_light_falls_off_from_one_side_to_the_other(monkeypatch):
    monkeypatch.setattr(renderer.philox, "uniforms", lambda seed, index, stream, n: {9: np.zeros((1, 1))}[stream])
    image = np.full((1, 4, 32, 32), 200, np.int16)
    renderer.light(SMALL, 0, {"index": np.array([0]), "lighting": np.array([0.5])}, image)
    across = ((np.arange(32) + 0.5) / 32 - 0.5) / 2**0.5 + 0.5
    assert np.abs(image - 200 * (1 - 0.5 * across)).max() <= 1, "from left to right"


def test_a_shadow_lies_below_and_to_the_right_of_the_object_and_takes_the_background_s_light():
    still, shaded = (everything(clips_of(QUIET.replace(**one))) for one in ({}, {"shadow": 0.5}))
    clips, darker = clips_of(QUIET), still - shaded
    back = renderer.grey(clips.table["background"]).reshape(-1, 1, 1, 1)
    assert darker.min() == 0 and (darker <= np.ceil(back / 2)).all() and (darker > 0).any(axis=(2, 3)).all()
    total, centre = darker.sum(axis=(2, 3)), np.arange(QUIET.size) + 0.5
    uv = camera.project(clips.xyz_NFx3[:, : QUIET.frames], QUIET)
    right, below = (darker * centre).sum(axis=(2, 3)) / total, (darker * centre[:, None]).sum(axis=(2, 3)) / total
    inside = (uv < QUIET.size - 12).all(axis=2)
    assert (right > uv[..., 0])[inside].all() and (below > uv[..., 1])[inside].all()


def test_compression_rounds_the_coefficients_of_each_block():
    video = clips_of(Config(), n=2).render(np.arange(2))
    coefficients = scipy.fft.dctn(video.reshape(2, 16, 8, 8, 8, 8).astype(float), axes=(3, 5), norm="ortho")
    step = np.array([10.0, 60.0]).reshape(2, 1, 1, 1, 1, 1)
    rounded = scipy.fft.idctn(np.floor(coefficients / step + 0.5) * step, axes=(3, 5), norm="ortho")
    error = renderer.compressed(video, step.flatten()) - np.clip(rounded.reshape(video.shape), 0, 255)
    assert np.abs(error).mean() < 0.4, "half a level from rounding alone"
    assert (np.abs(error) > 2).mean() < 0.01, "a coefficient near the middle may be rounded the other way"
    assert (renderer.compressed(video, np.zeros(2)) == video).all()
