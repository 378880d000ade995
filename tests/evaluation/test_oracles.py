"""Oracles against tracks whose answer is known in closed form, and against what the world promises."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import metrics, oracles
from trajnb.world import camera, recipes

CFG = Config()
TIME = (np.arange(CFG.frames + CFG.horizon) / CFG.frame_rate)[:, None]
STRAIGHT = np.array([-0.5, 0.2, 3.0]) + np.array([1.5, -0.4, 0.8]) * TIME
FALLING = np.array([-0.4, 0.3, 2.8]) + np.array([1.2, -2.0, 0.3]) * TIME + 4.905 * TIME**2 * [0, 1, 0]
ANGLE = np.radians(300) / 0.5 * TIME
TURNING = [0.1, -0.1, 3.2] + 0.5 * np.hstack([np.cos(ANGLE), np.sin(ANGLE) * np.cos(0.6), np.sin(ANGLE) * np.sin(0.6)])
DRIFTING = TURNING + 0.8 * TIME * [0, -np.sin(0.6), np.cos(0.6)]
PATHS = {"linear": STRAIGHT, "parabolic": FALLING, "circular": TURNING, "helical": DRIFTING}


@pytest.mark.parametrize("motion", PATHS)
def test_a_noise_free_path_is_classified_and_continued_exactly(motion):
    cfg, xyz = Config(motions=[*CFG.motions, "helical"]), PATHS[motion]
    observed = xyz[None, : cfg.frames]
    posterior, future = oracles.infer(camera.project(observed, cfg), observed[..., 2], [oracles.TRUE_SD], cfg)
    assert posterior[0, cfg.motions.index(motion)] > 0.999
    assert future[0] == pytest.approx(xyz[cfg.frames :], abs=2e-3)


def test_random_motion_is_a_gaussian_process():
    """Kriging with a start of very large variance; the evidence is the density of what a shift does not change."""
    cfg = Config(frames=4, horizon=1, ou_speed_min=1.0, ou_speed_max=4.0)
    keep, frame = np.exp(-1 / 3), 1 / 30
    step = frame**2 * keep ** np.abs(np.subtract.outer(range(4), range(4)))
    sums = np.tril(np.ones((5, 4)), -1)
    covariance = sums @ step @ sums.T
    assert oracles.displacement_covariance(cfg) == pytest.approx(covariance)
    vague = covariance + 1e4
    path = np.random.default_rng(1).normal(0, 0.05, (2, 4, 3)) + [0.3, -0.2, 3.0]
    variance = np.array([[1e-4, 4e-4, 9e-4], [1e-5, 1e-5, 1e-5]])
    contrast = np.array([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]])
    for speed in (1.0, 2.0):
        expected = np.zeros(2)  # differences of neighbours, whose volume is the start's: 1 / sqrt(T)
        for (n, axis), v in np.ndenumerate(variance):
            spread = contrast @ (speed**2 * covariance[:4, :4] + v * np.eye(4)) @ contrast.T
            expected[n] += multivariate_normal(np.zeros(3), spread).logpdf(contrast @ path[n, :, axis])
        assert oracles.path_evidence(path, variance, speed, cfg) == pytest.approx(expected)
    near, exact = oracles.conditional_mean(path, variance, cfg, levels=400), np.zeros((2, 1, 3))
    for (n, axis), v in np.ndenumerate(variance):
        exact[n, :, axis] = vague[4:, :4] @ np.linalg.solve(vague[:4, :4] + v * np.eye(4), path[n, :, axis])
    assert near == pytest.approx(exact, abs=1e-3)
    assert oracles.conditional_mean(path, variance, cfg) == pytest.approx(near, abs=0.02)


def test_the_speed_of_random_motion_is_averaged_over(monkeypatch):
    cfg = Config(frames=4, horizon=1, ou_speed_min=1.0, ou_speed_max=4.0)
    path = np.random.default_rng(1).normal(0, 0.05, (2, 4, 3)) + [0.3, -0.2, 3.0]
    speeds, evidence = np.exp(np.linspace(0, np.log(4), 9)), np.linspace(0, 1, 9)
    found = {round(speed, 6): of_speed for speed, of_speed in zip(speeds, evidence, strict=True)}
    monkeypatch.setattr(oracles, "path_evidence", lambda xyz, v, speed, cfg: np.full(2, found[round(speed, 6)]))
    monkeypatch.setattr(oracles, "conditional_mean", lambda xyz, ratio, cfg: ratio)
    uv, z = camera.project(path, cfg), path[..., 2]
    found, ratio = oracles.fit_random(uv, z, (0.5, 0.01), cfg)
    assert found == pytest.approx(np.full(2, np.log(np.exp(evidence).mean())))
    depth, speed = z.mean(axis=1), (np.exp(evidence) * speeds).sum() / np.exp(evidence).sum()
    errors = np.stack([depth * 0.5 / 64, depth * 0.5 / 64, depth * 0.01], axis=1)
    assert ratio == pytest.approx((errors / speed) ** 2)


def test_priors_by_hand():
    """Uniform speed and direction: 1 / (4 pi v^2 3); on circles what the world draws, in the fit's own parameters."""
    speeds = np.array([[0.0, 0.0, 2.0], [0.0, 4.1, 0.0], [0.95, 0.0, 0.0]])
    flat = -np.log(4 * np.pi * np.array([2, 4.1, 0.95]) ** 2 * 3)
    assert oracles.velocity_prior(speeds, CFG) == pytest.approx(flat - [0, 4, 1])
    theta = np.zeros((5, 8))
    theta[:, 3], theta[:, 4], theta[:, 7] = np.log(0.5), 0.6, np.radians(300) / 0.5
    theta[1, 3], theta[2, 7], theta[3, 4], theta[4, 7] = np.log(0.84), np.radians(110) / 0.5, 0.93, -theta[0, 7]
    sine, radius = theta[:, 4], np.exp(theta[:, 3])
    density = radius / 0.55 / (np.pi * np.sqrt(1 - sine**2)) / (2 * np.pi) / (2 * np.radians(280) / 0.5)
    outside = [0, (0.04 / 0.02) ** 2, (np.radians(10) / 0.05) ** 2, ((0.93 - np.sqrt(0.75)) / 0.03) ** 2, 0]
    assert oracles.orbit_prior(theta, CFG) == pytest.approx(np.log(density) - outside)
    helix = np.column_stack([theta[:2], [CFG.helix_speed_min, -CFG.helix_speed_max - 0.1]])
    along = np.log(1 / 2 / (CFG.helix_speed_max - CFG.helix_speed_min)) - np.array([0, 4])
    assert oracles.orbit_prior(helix, CFG) == pytest.approx((np.log(density) - outside)[:2] + along)


def test_paths_by_hand():
    """Phase runs from x to y about the axis whose first two coordinates stand in the parameters."""
    time = np.array([0.0, 0.5, 1.0])
    flat = np.array([[1.0, 2.0, 3.0, np.log(2), 0.0, 0.0, 0.0, np.pi]])
    assert oracles.circular_path(flat, time, CFG)[0] == pytest.approx(np.array([[3, 2, 3], [1, 4, 3], [-1, 2, 3]]))
    tilted = np.array([[0.0, 0.0, 3.0, 0.0, 0.6, 0.0, np.pi / 2, np.pi, 2.0]])
    orbit = np.array([[0, 1, 3], [-0.8, 0, 3.6], [0, -1, 3]])
    assert oracles.circular_path(tilted, time, CFG)[0] == pytest.approx(orbit + time[:, None] * [1.2, 0, 1.6])
    radius, sine = oracles.radius_and_sine(np.array([[0, 0, 0, 9.0, 0.6, 0.8], [0, 0, 0, -9.0, 0.3, 0.4]]))
    assert radius == pytest.approx(np.exp([4.6, -7])) and sine == pytest.approx([0.999, 0.5])
    falling = oracles.thrown_path(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]), time, CFG, CFG.gravity)[0]
    assert falling[1] == pytest.approx([3, 4.5 + 9.81 / 8, 6])
    assert oracles.seconds(CFG)[[0, 15, 20]] == pytest.approx([-0.25, 0.25, 12.5 / 30])


@pytest.mark.parametrize("sense", [1, -1])
def test_a_circle_is_fitted_from_the_circle_itself(sense):
    """With a rate that is tried and true positions the start is the answer, up to the tilt's sign."""
    rate = sense * np.radians(np.linspace(108, 440, 24))[12] / 0.5
    theta, time = np.array([[0.1, -0.2, 3.0, np.log(0.5), 0.3, 0.4, 0.7, rate]]), oracles.seconds(CFG)[:16]
    xyz = oracles.circular_path(theta, time, CFG)
    for sign in (1, -1):
        start = oracles.orbit_start(xyz, sign, 8, CFG)
        assert oracles.circular_path(start, time, CFG)[..., :2] == pytest.approx(xyz[..., :2])
        assert start[0, [2, 3, 7]] == pytest.approx([xyz[..., 2].mean(), *theta[0, [3, 7]]])
        assert abs(start[0, 4:6]) == pytest.approx([0.3, 0.4])
    drifting, level = (oracles.orbit_start(xyz + z * time[:, None] * [0, 0, 1], 1, 9, CFG) for z in (1.5, 0))
    assert drifting[0, 8] - level[0, 8] == pytest.approx(1.5)


def test_evidence_of_a_place_by_hand():
    """T equal measurements of a resting point: the integral over its place of T Gaussians in u, v and log z."""
    T, z, sd = 16, 2.0, (0.5, 0.01)
    place = np.zeros((2, T, 3)) + [0.1, -0.2, z]
    start = np.array([[0.1, -0.2, z], [0.12, -0.2, z]])
    prior = np.array([-3.0, -4.0])

    def resting(theta, time, cfg):
        return theta[:, None] + np.zeros((len(theta), len(time), 3))

    measured = camera.project(place, CFG), place[..., 2]
    found, future = oracles.laplace(resting, lambda theta: prior, start, *measured, sd, CFG)
    one = 2 * np.log(z * sd[0] / 64) + np.log(z * sd[1]) + 1.5 * np.log(2 * np.pi)  # volume of one measurement's errors
    assert found == pytest.approx(prior - (T - 1) * one - 1.5 * np.log(T), abs=1e-3)
    assert future == pytest.approx(np.zeros((2, 5, 3)) + [0.1, -0.2, z], abs=1e-5)


def test_the_posterior_mixes_families_and_errors(monkeypatch):
    evidence = {("linear", 1): [0.0, 5.0], ("random", 1): [np.log(3), 5.0]}
    evidence |= {("linear", 2): [0.0, -800.0], ("random", 2): [np.log(3), 5.0]}

    def fit(uv, z, sd, cfg, name):
        return np.array(evidence[name, sd]) + 900, np.full((2, 1, 3), float(sd + 10 * (name == "random")))

    monkeypatch.setattr(oracles, "FITS", {name: partial(fit, name=name) for name in ("linear", "random")})
    posterior, future = oracles.infer(None, None, [1, 2], Config(motions=["linear", "random"]))
    assert posterior == pytest.approx(np.array([[0.25, 0.75], [1 / 3, 2 / 3]]))
    assert future[:, 0, 0] == pytest.approx([(1 + 2) / 8 + (11 + 12) * 3 / 8, (1 + 11 + 12) / 3])


def test_both_oracles_on_the_default_world(clips):
    for oracle in (oracles.true_oracle, oracles.pixel_oracle):
        posterior, future = oracle(clips, CFG)
        assert metrics.top1(posterior, clips.label_N) >= 0.98
        error = metrics.displacement_px(metrics.to_track(future, CFG), clips.track_NFx3[:, CFG.frames :], CFG)
        assert error[clips.label_N != CFG.motions.index("random")].mean() < 0.2
        assert error[clips.label_N == CFG.motions.index("random")].mean() > 3, "random motion is unpredictable"


ROBUST = {"varied": True, "noise_max": 0.1, "blur_px": 3.0, "texture": 0.35, "occluder_px": 12.0, "decoy": True}


@pytest.mark.parametrize(("least", "world"), [(0.7, ROBUST), (0.5, {"decoy": True})], ids=["robust", "decoys"])
def test_the_pixel_oracle_has_the_measurement_error_of_its_world(least, world):
    """With the default world's error it had a top-1 of 0.5 and 0.25."""
    cfg = CFG.replace(**world)
    test = ClipSet(cfg, 4, recipes.draw(cfg, 4, np.arange(120)))
    assert metrics.top1(oracles.pixel_oracle(test, cfg)[0], test.label_N) > least


def test_the_default_world_keeps_its_error_and_groups_run_from_small_to_large(clips):
    some = clips.take(slice(120))  # two parts of 50 and a rest
    true, (uv, z) = some.xyz_NFx3[:, : CFG.frames], oracles.measured_track(some, CFG)
    assert oracles.measurement_sds(true, (uv, z), CFG) == [oracles.PIXEL_SD]
    sds = oracles.measurement_sds(true, (uv + np.repeat([0.0, 1.0, 2.0, 3.0], 30)[:, None, None], z), CFG)
    assert [sd[0] for sd in sds] == pytest.approx([0.05, 1, 2, 3], abs=0.05)
