"""Oracles against tracks whose answer is known in closed form, and against what the world promises."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import leaderboard, metrics, oracles
from trajnb.evaluation.measure import measure
from trajnb.world import camera, recipes

CFG = Config()


@pytest.fixture(scope="module")
def clips():
    return ClipSet(CFG, 3, recipes.draw(CFG, 3, np.arange(600)))


def known_track(xyz_Fx3):
    xyz_NTx3 = xyz_Fx3[None, : CFG.frames]
    return camera.project(xyz_NTx3, CFG), xyz_NTx3[..., 2]


def times():
    return (np.arange(CFG.frames + CFG.horizon) / CFG.frame_rate)[:, None]


STRAIGHT = np.array([-0.5, 0.2, 3.0]) + np.array([1.5, -0.4, 0.8]) * times()
FALLING = np.array([-0.4, 0.3, 2.8]) + np.array([1.2, -2.0, 0.3]) * times() + 4.905 * times() ** 2 * [0, 1, 0]
RATE = np.radians(300) / 0.5
TURNING = np.array([0.1, -0.1, 3.2]) + 0.5 * np.concatenate(
    [np.cos(RATE * times()), np.sin(RATE * times()) * np.cos(0.6), np.sin(RATE * times()) * np.sin(0.6)], axis=1
)


@pytest.mark.parametrize(("motion", "xyz"), [("linear", STRAIGHT), ("parabolic", FALLING), ("circular", TURNING)])
def test_a_noise_free_path_is_named_and_continued_exactly(motion, xyz):
    posterior, future = oracles.infer(*known_track(xyz), [oracles.TRUE_SD], CFG)
    assert CFG.motions[posterior[0].argmax()] == motion
    assert posterior[0].max() > 0.999
    assert future[0] == pytest.approx(xyz[CFG.frames :], abs=2e-3)


def test_the_random_motions_mean_step_shrinks_by_its_memory():
    """E[x(t + h)] = x(t) + last step (a + a^2 + ... + a^h), a = exp(-dt / tau)."""
    path = np.cumsum(np.random.default_rng(0).normal(0, 0.05, (1, CFG.frames, 3)), axis=1) + [0, 0, 3]
    future = oracles.conditional_mean(path, np.full((1, 3), 1e-12), CFG)
    memory = np.exp(-1 / (CFG.frame_rate * CFG.ou_time_s))
    weight = np.cumsum(memory ** np.arange(1, CFG.horizon + 1))[:, None]
    assert future[0] == pytest.approx(path[0, -1] + weight * (path[0, -1] - path[0, -2]), abs=1e-4)


def test_the_forecast_of_random_motion_is_a_weighted_mean_of_what_was_seen():
    matrix = oracles.predictor(0.01, CFG)
    assert matrix.sum(axis=1) == pytest.approx(1), "a shifted path has a shifted future"


def test_both_oracles_know_the_default_world(clips):
    for oracle in (oracles.true_oracle, oracles.pixel_oracle):
        posterior, future = oracle(clips, CFG)
        assert metrics.top1(posterior, clips.label_N) >= 0.98
        error = metrics.displacement_px(metrics.to_track(future, CFG), clips.track_NFx3[:, CFG.frames :], CFG)
        assert error[clips.label_N != CFG.motions.index("random")].mean() < 0.2
        assert error[clips.label_N == CFG.motions.index("random")].mean() > 3, "nobody can foresee random motion"


WORLDS = {  # world: least top-1 of the pixel oracle, which had 0.5 and 0.25 with the default world's error
    "robust": (
        0.7,
        {"varied": True, "noise_max": 0.1, "blur_px": 3.0, "texture": 0.35, "occluder_px": 12.0, "decoy": True},
    ),
    "decoys": (0.5, {"decoy": True}),
    "shaken": (0.85, {"jitter_px": 1.0}),
}


@pytest.mark.parametrize("world", WORLDS)
def test_the_pixel_oracle_has_the_measurement_error_of_its_world(world):
    least, changes = WORLDS[world]
    cfg = CFG.replace(**changes)
    val, test = (ClipSet(cfg, seed, recipes.draw(cfg, seed, np.arange(200))) for seed in (3, 4))
    found = leaderboard.tracks(val, test, cfg)
    assert metrics.top1(found["pixel_oracle"].prob_NK, test.label_N) > least
    assert metrics.top1(oracles.pixel_oracle(test, cfg)[0], test.label_N) > least


def test_the_default_world_keeps_its_error_and_groups_run_from_small_to_large(clips):
    some = clips.take(slice(100))
    measured = oracles.measured_track(some, CFG)
    assert oracles.measurement_sds(some.xyz_NFx3[:, : CFG.frames], measured, CFG) == [oracles.PIXEL_SD]
    shift_N11 = np.repeat([0.0, 1.0, 2.0, 3.0], 25)[:, None, None]
    sds = oracles.measurement_sds(some.xyz_NFx3[:, : CFG.frames], (measured[0] + shift_N11, measured[1]), CFG)
    assert [sd[0] for sd in sds] == pytest.approx([0.05, 1, 2, 3], abs=0.05)


def test_helices_can_be_asked_for():
    cfg = Config(motions=["circular", "helical"])
    clips = ClipSet(cfg, 3, recipes.draw(cfg, 3, np.arange(100)))
    posterior, _ = oracles.true_oracle(clips, cfg)
    assert metrics.top1(posterior, clips.label_N) > 0.95


def test_measuring_is_as_good_as_the_pixel_oracle_assumes(clips):
    uv, radius = measure(clips.render(np.arange(200)))
    true = clips.xyz_NFx3[:200, : CFG.frames]
    assert np.sqrt(((uv - camera.project(true, CFG)) ** 2).mean()) < oracles.PIXEL_SD[0]
    depth = CFG.focal_px * CFG.radius_m / radius
    assert np.sqrt((np.log(depth / true[..., 2]) ** 2).mean()) < oracles.PIXEL_SD[1]
