"""Motions against their physics."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.world import camera, motions, philox

CFG = Config()
N = 400


def draw(name, cfg=CFG):
    u = philox.uniforms(3, np.arange(N), 0, motions.RANDOM_NUMBERS)
    g = philox.normals(3, np.arange(N), 1, 3 * (cfg.frames + cfg.horizon))
    return motions.MOTIONS[name](u, g, np.full(N, 1 / cfg.frame_rate), cfg)


def test_linear_has_constant_velocity_within_its_bounds():
    velocity = np.diff(draw("linear"), axis=1) * CFG.frame_rate
    assert np.allclose(velocity, velocity[:, :1])
    speed = np.linalg.norm(velocity[:, 0], axis=1)
    assert CFG.speed_min <= speed.min() and speed.max() <= CFG.speed_max


def test_parabolic_accelerates_with_gravity_downwards():
    acceleration = np.diff(draw("parabolic"), 2, axis=1) * CFG.frame_rate**2
    assert np.allclose(acceleration, [0, CFG.gravity, 0])


def test_circular_keeps_its_radius_rate_and_plane():
    xyz = draw("circular")
    radius = np.linalg.norm(xyz, axis=2)
    assert np.allclose(radius, radius[:, :1])
    assert CFG.circle_radius_min_m <= radius.min() and radius.max() <= CFG.circle_radius_max_m
    normal = np.cross(xyz[:, 0], xyz[:, 1])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    assert np.allclose(np.einsum("nfc,nc->nf", xyz, normal), 0, atol=1e-9)
    assert np.abs(normal[:, 2]).min() >= np.cos(np.radians(CFG.tilt_max_deg)) - 1e-9
    cosine = np.einsum("nc,nc->n", xyz[:, 0], xyz[:, 1]) / radius[:, 0] ** 2
    sweep = np.degrees(np.arccos(cosine)) * (CFG.frames - 1)
    assert CFG.sweep_min_deg - 1e-6 <= sweep.min() and sweep.max() <= CFG.sweep_max_deg + 1e-6


def test_helical_is_a_circle_that_drifts_along_its_axis():
    turning, drifting = draw("circular"), draw("helical")
    drift = np.diff(drifting - turning, axis=1) * CFG.frame_rate
    assert np.allclose(drift, drift[:, :1])
    speed = np.linalg.norm(drift[:, 0], axis=1)
    assert CFG.helix_speed_min <= speed.min() and speed.max() <= CFG.helix_speed_max


def test_random_steps_are_correlated_as_promised():
    step = np.diff(draw("random"), axis=1)
    scaled = step / step.std(axis=(1, 2), keepdims=True)
    memory = (scaled[:, 1:] * scaled[:, :-1]).mean() / (scaled[:, :-1] ** 2).mean()
    assert memory == pytest.approx(np.exp(-1 / (CFG.frame_rate * CFG.ou_time_s)), abs=0.03)


def test_projection_and_its_inverse():
    xyz = np.array([[[0.0, 0.0, 2.0], [0.5, -0.25, 4.0]]])
    uv = camera.project(xyz, CFG)
    assert np.allclose(uv, [[[32, 32], [40, 28]]])
    assert np.allclose(camera.unproject(uv, xyz[..., 2], CFG), xyz)


def test_place_keeps_every_frame_inside_and_says_when_it_cannot():
    xyz = np.zeros((2, 3, 3))
    xyz[..., 2], xyz[0, :, 0], xyz[1, :, 0] = 3.0, [0, 0.5, 1.0], [0, 2.0, 4.0]
    shift, fits = camera.place(xyz, np.array([[0.0, 0.5], [0.5, 0.5]]), CFG)
    assert fits.tolist() == [True, False]
    xyz[..., :2] += shift[:, None]
    assert camera.project(xyz, CFG)[0, :, 0].min() == pytest.approx(CFG.frame_margin_px)
