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


def test_noise_has_the_deviation_of_its_parameter_and_differs_between_frames():
    cfg = Config(noise_min=0.02, noise_max=0.02, background_min=0.3, background_max=0.3)
    empty = everything(clips_of(cfg))[:, :, :4]  # the rim: no disc's centre comes within 3 px of the border
    frame = np.median(empty, axis=(2, 3), keepdims=True)
    assert np.abs(frame - 0.3 * 255).max() <= 1.5
    rest = empty - frame
    spread = np.sqrt(np.median(rest**2) / 0.4549)  # the median of a squared standard normal number
    assert spread == pytest.approx(0.02 * 255, rel=0.15)
    assert np.abs(np.corrcoef(rest[:, 0].ravel(), rest[:, 1].ravel())[0, 1]) < 0.1


def test_bytes_do_not_depend_on_the_batch():
    clips = clips_of(Config(texture=0.1, jitter_px=0.5, decoy=True, lighting=0.5, shadow=0.5, compression=20), n=21)
    together = clips.render(np.arange(21))
    backwards = np.concatenate([clips.render([i]) for i in range(20, -1, -1)])
    assert (together == backwards[::-1]).all()


def test_the_strongest_noise_allowed_does_not_overflow():
    """The table's entries times the steps of the deviation must fit 16 bits up to the bound of noise_max."""
    clips = clips_of(Config(noise_min=0.25, noise_max=0.25, background_min=0.5, background_max=0.5, brightness_min=0.6))
    scene = {name: clips.table[name].to_numpy() for name in clips.table.columns}
    noise = renderer.sensor_noise(clips.cfg, clips.seed, scene)
    assert noise.std() == pytest.approx(0.25 * 255, rel=0.02)


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
    """Table entries are 32 to a deviation; deviations come in quarters of a grey level; halves are rounded up."""
    table = renderer.noise_windows(1024)
    normal = philox.normals(0, [0, 16383, 16384], 0, 64)
    assert table.shape == (1 << 20, 1024)
    assert (table[0, :64] == np.rint(normal[0] * 32)).all()
    assert (table[-65, 1:129] == np.rint(normal[1:] * 32).flatten()).all()
    assert np.abs(table[:, 0].astype(int)).max() == 127
    monkeypatch.setattr(
        renderer.philox, "words", lambda seed, index, stream, n: {2: np.array([[5, 2**20 + 6, 7, 2**32 - 1]])}[stream]
    )
    noise = renderer.sensor_noise(SMALL, 0, {"index": np.array([0]), "noise": np.array([0.02])})
    for result, start in zip(noise[0], (5, 6, 7, 2**20 - 1), strict=True):
        assert (
            result.flatten() == np.floor(table[start].astype(int) * 20 / 128 + 0.5)
        ).all()  # 5.1 levels: 20 quarters


def test_lost_frames_by_hand(monkeypatch):
    """Lost are those with the smallest words; the first frame never is."""
    monkeypatch.setattr(
        renderer.philox, "words", lambda seed, index, stream, n: {6: np.array([[9, 3, 5, 4, 8]] * 3)}[stream][:, :n]
    )
    cfg, scene = SMALL.replace(frames=4), {"index": np.arange(3), "dropped_frames": np.array([0, 1, 2])}
    assert renderer.kept_frames(cfg, 0, scene).tolist() == [[0, 1, 2, 3], [0, 1, 1, 3], [0, 1, 1, 1]]


def test_shake_and_decoy_by_hand(monkeypatch):
    monkeypatch.setattr(
        renderer.philox, "normals", lambda seed, index, stream, n: {5: np.arange(1.0, n + 1)[None]}[stream]
    )
    monkeypatch.setattr(renderer.philox, "uniforms", lambda seed, index, stream, n: {4: np.array([[0.25]])}[stream])
    scene = {
        "index": np.array([0]),
        "jitter_px": np.array([0.5]),
        "decoy_x": np.array([0.0]),
        "decoy_y": np.array([0.5]),
    }
    assert renderer.jitter(SMALL, 0, scene)[0].tolist() == [[0.5, 1], [1.5, 2], [2.5, 3], [3.5, 4]]
    path = np.array([[[0.0, 0.0], [3.0, 4.0], [3.0, 6.0], [4.0, 6.0]]])  # steps of 5, 2 and 1 px: -5, -3, -4
    swing = np.array([3.0, -2.0, 0.0, -1.0])
    expected = np.stack([np.full(4, 3.0), 16 + swing], axis=1)  # along y, about (3, 16): 3 px from the left border
    assert renderer.decoy(SMALL, 0, scene, path)[0] == pytest.approx(expected)


def test_the_object_is_as_large_as_its_depth_says():
    """A disc of 0.1 m 1.6 m away is 4 px in radius, 0.6 times that where the clip's factor says so; grey in 255ths."""
    scene = {"index": np.arange(2), "brightness": np.ones(2), "background": np.full(2, 0.1), "noise": np.zeros(2)}
    scene |= {"size_factor": np.array([1.0, 0.6]), "occluder_px": np.full(2, 4.0), "occluder_place": np.zeros(2)}
    image = renderer.chunk(SMALL, 0, scene, np.zeros((2, 4, 3)) + [0.0, 0.0, 1.6])
    assert (image[:, :, 16, 16] == 255).all() and (image[:, :, 0, -1] == 26).all()
    assert (image[..., :4] == 140).all(), "a bar halfway between object and background"
    area = (image[..., 4:] - 26.0).sum(axis=(2, 3)) / 229
    assert area == pytest.approx(np.pi * np.array([[16.0], [5.76]]) + np.zeros(4), rel=0.02)


def test_squares_have_the_disc_s_area_and_a_flat_side():
    """Clips of both shapes at the same places: only the shape differs, for about the share asked for."""
    world = QUIET.replace(radius_m=0.4, extent_max_px=30.0)
    discs, mixed = clips_of(world, 40), clips_of(world.replace(squares=0.5), 40)
    assert (discs.table == mixed.table).all(axis=None)
    changed_N = (discs.render(np.arange(40)) != mixed.render(np.arange(40))).any(axis=(1, 2, 3))
    assert 10 < changed_N.sum() < 30
    for k in np.flatnonzero(changed_N)[:5]:
        disc_SS, square_SS = (clips.render(np.array([k]))[0, 0].astype(float) for clips in (discs, mixed))
        light = [(one - one.min()).sum() for one in (disc_SS, square_SS)]
        assert light[1] == pytest.approx(light[0], rel=0.05)
        sides = np.ptp(np.argwhere(square_SS > square_SS.min() + 0.6 * np.ptp(square_SS)), axis=0) + 1
        assert abs(sides[0] - sides[1]) <= 1
        full = (square_SS > square_SS.min() + 0.6 * np.ptp(square_SS)).sum()
        assert full == pytest.approx(sides.prod(), rel=0.02), "its box is full"


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
    rounded = scipy.fft.idctn(np.floor(coefficients / step + 0.5) * step, axes=(3, 5), norm="ortho").reshape(
        video.shape
    )
    error = renderer.compressed(video, step.flatten()) - np.clip(rounded, 0, 255)
    assert np.abs(error).mean() < 0.4, "half a level from rounding alone"
    assert (np.abs(error) > 2).mean() < 0.01, "a coefficient near the middle may be rounded the other way"
    assert (renderer.compressed(video, np.zeros(2)) == video).all()
