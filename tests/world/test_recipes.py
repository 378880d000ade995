"""Recipes: pure functions of (seed, index, world), and clips that show their class and nothing else."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import controls
from trajnb.world import camera, families, motions, recipes

CFG = Config()


@pytest.fixture(scope="module")
def clips():
    return ClipSet(CFG, 5, recipes.draw(CFG, 5, np.arange(1200)))


def bytes_of(index):
    """Pixels of some clips, in a process of its own as well."""
    clips = ClipSet(CFG, 5, recipes.draw(CFG, 5, np.asarray(index)))
    return clips.render(np.arange(len(clips))).tobytes()


def test_a_clip_is_the_same_in_any_order_batch_and_process():
    index = np.array([9, 2, 10**12, 4, 10**9, 7, 3, 1])
    one_by_one = b"".join(bytes_of([i]) for i in index)
    assert bytes_of(index) == one_by_one
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert b"".join(pool.map(bytes_of, [index[:3], index[3:]])) == one_by_one


def test_another_seed_is_another_clip():
    table = recipes.draw(CFG, 6, np.arange(50))
    same = recipes.draw(CFG, 5, np.arange(50))
    assert not np.allclose(table["depth_m"], same["depth_m"])


def test_classes_are_balanced_in_every_block_but_not_ordered():
    label = recipes.labels(CFG, 0, np.arange(4000)).reshape(-1, 4)
    assert (np.sort(label, axis=1) == np.arange(4)).all()
    assert len({tuple(row) for row in label}) == 24


def test_seen_centres_lie_inside_the_frame_and_extents_match(clips):
    uv = camera.project(clips.xyz_NFx3[:, : CFG.frames], CFG)
    assert uv.min() >= CFG.frame_margin_px - 1e-9
    assert uv.max() <= CFG.size - CFG.frame_margin_px + 1e-9
    asked = clips.table["extent_px"].to_numpy()
    assert (np.abs(recipes.extent(uv) - asked) <= recipes.EXTENT_TOLERANCE * asked + 1e-9).all()
    assert recipes.extent(uv[clips.label_N == 0]).min() >= 12, "a line must not lie along the optical axis"


def test_every_clip_differs_from_every_simpler_family(clips):
    uv = camera.project(clips.xyz_NFx3[:, : CFG.frames], CFG)
    for number, motion in enumerate(CFG.motions):
        for family in motions.SIMPLER[motion]:
            assert families.FAMILIES[family](uv[clips.label_N == number], CFG).min() >= CFG.class_margin_px


def test_families_measure_known_deviations():
    t = np.linspace(-1, 1, CFG.frames)
    straight = np.stack([20 + 10 * t + 3 * t**3, 30 - 5 * t - 1.5 * t**3], axis=1)[None]
    falling = np.stack([10 * t, 4 * t**2], axis=1)[None]
    half = np.radians(CFG.sweep_max_deg) / 2  # one of the sweeps that are tried
    turning = np.stack([9 * np.cos(half * t), 5 * np.sin(half * t + 0.3)], axis=1)[None]
    assert families.line(straight, CFG)[0] == pytest.approx(0, abs=1e-6)
    assert families.quadratic(falling, CFG)[0] == pytest.approx(0, abs=1e-9)
    assert families.line(falling, CFG)[0] > 1
    assert families.quadratic(turning, CFG)[0] > 0.5
    assert families.ellipse(turning, CFG)[0] == pytest.approx(0, abs=1e-9)


def test_nuisances_do_not_tell_the_class(clips):
    slack = 3 * np.sqrt(0.25 * 0.75 / len(clips))
    assert controls.nuisance_top1(clips) <= 0.30 + slack
    assert controls.single_frame_top1(clips)[::5].max() <= 0.35 + slack


def test_an_impossible_world_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(recipes, "ATTEMPTS", 64)
    cfg = CFG.replace(speed_min=0.01, speed_max=0.02)
    with pytest.raises(ValueError, match="no linear path of .* widen its ranges"):
        recipes.draw(cfg, 0, np.arange(8))


def test_speed_factor_asks_for_longer_paths():
    slow = recipes.draw(CFG.replace(speed_factor_min=0.6, speed_factor_max=0.6), 0, np.arange(400))
    normal = recipes.draw(CFG, 0, np.arange(400))
    assert slow["extent_px"].mean() < 0.65 * normal["extent_px"].mean()


HARD = {"blur_px": 2.0, "texture": 0.3, "occluder_px": 12.0, "decoy": True, "jitter_px": 1.0, "dropped_frames": 6}


def test_varied_nuisances_come_one_at_a_time_and_up_to_what_was_asked():
    table = recipes.draw(Config(varied=True, **HARD), 5, np.arange(700))
    on = table[list(recipes.OPTIONAL)] > 0
    assert on.sum(axis=1).max() == 1, "never two at once"
    assert (on.sum(axis=1) == 0).mean() == pytest.approx(1 / 7, abs=0.05), "none as often as any"
    assert on.mean().min() > 0.08
    assert (table[list(recipes.OPTIONAL)].max() <= list(HARD.values())).all()
    assert table["blur_px"].nunique() > 50, "amounts differ"
    assert set(table["decoy"]) == {0, 1}
    assert (table["dropped_frames"] == table["dropped_frames"].round()).all()


def test_varied_nuisances_leave_every_other_number_as_it_was():
    plain, varied = (recipes.draw(cfg, 5, np.arange(60)) for cfg in (CFG, Config(varied=True, **HARD)))
    assert plain.equals(varied[plain.columns])
    assert not set(recipes.OPTIONAL) & set(plain), "a world without them keeps its recipes' bytes"


def test_a_varied_clip_shows_its_own_nuisance():
    cfg = Config(varied=True, **HARD)
    table = recipes.draw(cfg, 5, np.arange(120))
    video, plain = (
        ClipSet(c, 5, t).render(np.arange(120)) for c, t in ((cfg, table), (CFG, recipes.draw(CFG, 5, table["index"])))
    )
    differs = (video != plain).any(axis=(1, 2, 3))
    none = (table[list(recipes.OPTIONAL)] == 0).all(axis=1)
    assert not differs[none].any()
    assert differs[table["blur_px"] > 0.3].all()
    assert differs[table["decoy"] > 0].all()
    alone = ClipSet(CFG.replace(occluder_px=5.0), 5, table.drop(columns=list(recipes.OPTIONAL)).iloc[:4]).render(
        range(4)
    )
    own = ClipSet(CFG, 5, table.assign(**dict.fromkeys(recipes.OPTIONAL, 0.0)).assign(occluder_px=5.0).iloc[:4])
    assert (own.render(range(4)) == alone).all(), "a column does what the parameter does"
