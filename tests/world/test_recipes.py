"""Recipes: pure functions of (seed, index, world), and clips that show their class and nothing else."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import controls
from trajnb.world import camera, families, motions, philox, recipes

CFG = Config()
HARD = {"blur_px": 2.0, "texture": 0.3, "occluder_px": 12.0, "decoy": True, "jitter_px": 1.0, "dropped_frames": 6}
HARD |= {"lighting": 0.5, "shadow": 0.4, "compression": 50.0}


def bytes_of(index):
    """Pixels of some clips with every nuisance, in a process of its own as well."""
    cfg = Config(**HARD)
    clips = ClipSet(cfg, 5, recipes.draw(cfg, 5, np.asarray(index)))
    return clips.render(np.arange(len(clips))).tobytes()


def test_a_clip_is_the_same_in_any_order_batch_and_process():
    index = np.array([9, 2, 10**12, 4, 10**9, 7, 3, 1, 5])  # one more than the renderer works on at once
    one_by_one = b"".join(bytes_of([i]) for i in index)
    assert bytes_of(index) == one_by_one
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert b"".join(pool.map(bytes_of, [index[:3], index[3:]])) == one_by_one


def test_drawn_clips_lie_inside_the_frame_have_their_extent_and_show_their_class(clips):
    uv = camera.project(clips.xyz_NFx3[:, : CFG.frames], CFG)
    assert CFG.frame_margin_px - 1e-9 <= uv.min() and uv.max() <= CFG.size - CFG.frame_margin_px + 1e-9
    wanted = clips.table["extent_px"].to_numpy()
    assert (np.abs(recipes.extent(uv) - wanted) <= recipes.EXTENT_TOLERANCE * wanted + 1e-9).all()
    assert recipes.extent(uv[clips.label_N == 0]).min() >= 12, "a line must not lie along the optical axis"
    for number, motion in enumerate(CFG.motions):
        for family in motions.SIMPLER[motion]:
            assert families.FAMILIES[family](uv[clips.label_N == number], CFG).min() >= CFG.class_margin_px


def turned(uv_Tx2, degrees=25.0):
    """One path, turned and shifted: no family may care."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (uv_Tx2 @ [[c, s], [-s, c]])[None] + [20.0, 30.0]


def test_families_measure_known_deviations():
    """Of four points: 1 px off a line, a cubic of 0.1 px off a parabola, and off ellipses what least squares leave."""
    cfg = Config(frames=4)
    zigzag = np.array([[-3.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [3.0, 1.0]])
    assert families.line(turned(zigzag), cfg) == pytest.approx(1.0)
    assert families.line(turned(zigzag * [1, 0]), cfg) == pytest.approx(0, abs=1e-6)
    t = np.linspace(-1, 1, 4)
    cubic = np.array([[-0.1], [0.3], [-0.3], [0.1]])  # orthogonal to 1, t, t^2 at four times
    falling = np.stack([10 * t, 4 * t**2], axis=1)
    assert families.quadratic(turned(falling), cfg) == pytest.approx(0, abs=1e-9)
    assert families.quadratic(turned(falling + cubic * [1, 0]), cfg) == pytest.approx(np.sqrt(0.2 / 4))

    def off(path_Tx2, sweep):
        basis = np.stack([t**0, np.cos(sweep * t / 2), np.sin(sweep * t / 2)], axis=1)
        rest = path_Tx2 - basis @ np.linalg.lstsq(basis, path_Tx2, rcond=None)[0]
        return np.sqrt((rest**2).sum(axis=1).mean())

    sweeps = np.radians(np.linspace(cfg.sweep_min_deg, cfg.sweep_max_deg, 24))
    paths = np.stack([zigzag, falling, cubic * [1, 2]])
    expected = [min(off(path, sweep) for sweep in sweeps) for path in paths]
    assert families.ellipse(paths, cfg) == pytest.approx(np.array(expected), abs=1e-9)


def test_nuisances_do_not_tell_the_class(clips):
    assert controls.nuisance_top1(clips) <= 0.30 + 3 * np.sqrt(0.25 * 0.75 / len(clips))


def test_an_impossible_world_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(recipes, "ATTEMPTS", 64)
    with pytest.raises(ValueError, match="no linear path of .* widen its ranges"):
        recipes.draw(CFG.replace(speed_min=0.01, speed_max=0.02), 0, np.arange(8))


def test_a_varied_clip_shows_its_own_nuisance_and_keeps_every_other_number(clips):
    cfg, plain = Config(varied=True, **HARD), clips.take(slice(120))
    table = recipes.draw(cfg, 5, np.arange(120))
    assert plain.table.equals(table[plain.table.columns])
    assert not set(recipes.OPTIONAL) & set(plain.table), "a world without them keeps its recipes' bytes"
    differs = (ClipSet(cfg, 5, table).render(np.arange(120)) != plain.render(np.arange(120))).any(axis=(1, 2, 3))
    none = (table[list(recipes.OPTIONAL)] == 0).all(axis=1)
    assert not differs[none].any() and differs[(table["blur_px"] > 0.3) | (table["decoy"] > 0)].all()
    four = plain.table.iloc[:4]
    parameter = ClipSet(CFG.replace(occluder_px=5.0), 5, four).render(range(4))
    column = ClipSet(CFG, 5, four.assign(**dict.fromkeys(recipes.OPTIONAL, 0.0) | {"occluder_px": 5.0}))
    assert (column.render(range(4)) == parameter).all(), "a column does what the parameter does"


def spaced(count):
    """Uniform numbers that tell where each one went: 1/20, 2/20, 3/20, ..."""
    return np.arange(1, count + 1) / 20


def test_nuisances_by_hand(monkeypatch):
    wanted = []
    monkeypatch.setattr(recipes.philox, "uniforms", lambda *a: wanted.append(a) or spaced(16)[None])
    cfg = CFG.replace(speed_factor_max=3.0, size_factor_max=2.0)
    row = recipes.nuisances(cfg, 7, np.array([4])).iloc[0].to_dict()
    widest = 64 * 1.8 * 0.8 / 2.2  # the largest circle at this depth, 41.9 of at most 44 px
    expected = {"index": 4, "anchor_frame": 0, "depth_m": 2.2, "speed_factor": 1.3, "size_factor": 1.2}
    expected |= {"extent_px": (14 + 0.25 * (widest - 14)) * 1.3, "place_x": 0.3, "place_y": 0.35}
    expected |= {"brightness": 0.76, "background": 0.1625, "noise": 0.02}
    expected |= {"occluder_place": 0.55, "decoy_x": 0.6, "decoy_y": 0.65}
    assert row == pytest.approx(expected)
    assert wanted == [(7, np.array([4]), 0, 16)]
    assert recipes.nuisances(cfg.replace(frames=128), 7, np.array([4]))["anchor_frame"].tolist() == [6]
    wide = cfg.replace(speed_factor_min=3.0, circle_radius_max_m=2.0)
    assert recipes.nuisances(wide, 7, np.array([4]))["extent_px"].tolist() == [44]
    far = wide.replace(depth_min_m=8.0, depth_max_m=8.0)
    assert recipes.nuisances(far, 7, np.array([4]))["extent_px"].tolist() == [28.8]


def test_labels_by_hand(monkeypatch):
    """Clips 4 to 11 are blocks 1 and 2; a block's order is that of its random words."""
    words = {1: [30, 10, 40, 20], 2: [1, 2, 3, 4]}
    order = {1: lambda block: np.array([words[b] for b in block])}
    monkeypatch.setattr(recipes.philox, "words", lambda seed, block, stream, n: order[stream](block)[:, :n])
    assert recipes.labels(CFG, 0, [4, 5, 6, 7, 9, 11]).tolist() == [1, 3, 0, 2, 1, 3]


def test_varied_amounts_by_hand(monkeypatch):
    """Ten equal parts for nine nuisances and none; the amount is a share of what the parameter says."""
    which = (np.arange(10) + 0.5) / 10
    drawn = {7: np.stack([which, np.full(10, 0.3)], axis=1)}
    monkeypatch.setattr(recipes.philox, "uniforms", lambda seed, index, stream, n: drawn[stream][:, :n])
    amounts = recipes.varied(Config(varied=True, **HARD), 5, np.arange(10))
    full = np.array([0.6, 0.09, 3.6, 1, 0.3, 2, 0.15, 0.12, 15])  # decoy: yes; 6 * 0.3 frames, rounded
    assert np.stack([amounts[name] for name in recipes.OPTIONAL]) == pytest.approx(np.eye(9, 10) * full[:, None])
    two = recipes.varied(Config(varied=True, texture=0.3, jitter_px=1.0), 5, np.arange(10))
    assert two["texture"].tolist() == pytest.approx([0.09] * 3 + [0] * 7)
    assert two["jitter_px"].tolist() == pytest.approx([0] * 3 + [0.3] * 4 + [0] * 3)


def test_the_first_attempt_that_fits_is_taken(monkeypatch):
    """Attempts are looked at in growing batches, those of a clip in order, until each clip has one."""
    table = pd.DataFrame({"motion": ["linear", "random", "linear", "random"], "clip": range(4)})
    first, looked = [3, 0, 4, 130], []
    monkeypatch.setattr(recipes, "path", lambda cfg, seed, name, some, tries: tries)

    def accept(cfg, name, some, tries):
        looked.append((name, len(some)))
        assert set(some["motion"]) == {name}
        return np.array([attempt >= first[clip] for clip, attempt in zip(some["clip"], tries, strict=True)])

    monkeypatch.setattr(recipes, "accept", accept)
    assert recipes.accepted_attempts(CFG, 0, table).tolist() == first
    counts = [("linear", 8), ("random", 8), ("linear", 8)] + [("random", n) for n in (8, 16, 32, 64, 64)]
    assert looked == counts


def test_a_path_is_its_motion_moved_to_its_place():
    """Drawn at (index, 16 + 2 attempts), and the next stream's normals; at its depth in its own anchor frame."""
    index, attempt, anchor = np.array([3, 8]), np.array([0, 5]), np.array([2, 11])
    table = pd.DataFrame({"index": index, "anchor_frame": anchor, "depth_m": [2.5, 3.0], "speed_factor": [1.0, 2.0]})
    table["place_x"], table["place_y"] = [0.0, 1.0], [1.0, 0.0]
    for name in ("random", "circular"):
        xyz = recipes.path(CFG, 9, name, table, attempt)
        u = np.concatenate([philox.uniforms(9, index[[k]], 16 + 2 * attempt[k], 8) for k in (0, 1)])
        g = np.concatenate([philox.normals(9, index[[k]], 17 + 2 * attempt[k], 63) for k in (0, 1)])
        plain = motions.MOTIONS[name](u, g, np.array([1, 2]) / CFG.frame_rate, CFG)
        assert xyz[[0, 1], anchor, 2] == pytest.approx([2.5, 3.0])
        observed = camera.project(xyz[:, :16], CFG)
        for k in (0, 1):
            assert xyz[k] - xyz[k, 0] == pytest.approx(plain[k] - plain[k, 0])
            least, most = observed[k].min(axis=0)[k], observed[k].max(axis=0)[1 - k]
            assert (least, most) == pytest.approx((3, 61))
    fast = recipes.path(CFG.replace(speed_min=99.0, speed_max=99.0), 9, "linear", table, attempt)
    assert (fast[..., 2] == 0).all(), "no place for it"


def test_what_is_accepted():
    """Observed extent within 6 % of that drawn, nowhere nearer than 1 m, and off every simpler family by 0.5 px."""
    cfg = Config(frames=4, horizon=1)

    def accepted(name, px_Fx2, wanted, z=(2.0, 2.0, 2.0, 2.0, 2.0)):
        path = camera.unproject(np.array([px_Fx2], float), np.array([z]), cfg)
        return bool(recipes.accept(cfg, name, pd.DataFrame({"extent_px": [wanted]}), path)[0])

    for extent, good in ((11.5, False), (11.75, True), (13.25, True), (13.5, False)):
        line = [[20, 30], [24, 30], [28, 31], [20 + extent, 32], [90, 90]]
        assert accepted("linear", line, 12.5) == good
    assert accepted("linear", line, 13.5, (2.0, 2.0, 2.0, 2.0, 1.0))
    assert not accepted("linear", line, 13.5, (2.0, 2.0, 2.0, 2.0, 0.99))
    assert not accepted("linear", line, 13.5, (0.0, 0.0, 0.0, 0.0, 0.0)), "no place for it"
    for off, good in ((0.49, False), (0.5, True)):
        bent = [[29, 30 + off], [31, 30 - off], [33, 30 - off], [35, 30 + off], [90, 90]]
        assert accepted("parabolic", bent, 6) == good
        assert accepted("linear", bent, 6)
    assert not accepted("circular", bent, 6), "a parabola"
