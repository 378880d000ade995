"""The score table: every map and control on both kinds of clips, intervals, margins and their p-values, and whether
maps differ from those of random networks; only a map that depends on the weights changes."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from trajnb import data, models
from trajnb.attention import study
from trajnb.attention.clips import clip_pairs
from trajnb.attention.layers import load_explained
from trajnb.attention.maps import CONTROLS, Map
from trajnb.config import Config
from trajnb.models import trained

POINTS = {"random": 0.02, "centre": 0.06, "brightest_pixel": 0.5, "motion_energy": 0.4}  # of the control maps


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """(cfg, scores, rank correlations, table) of two untrained networks on four clips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJNB_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        cfg = Config(models=["slowfast", "magvit"], clips=64, test_clips=40, attention_clips=4)
        data.make(cfg, cfg.stage_dir("data"))
        for model in cfg.models:
            one = cfg.replace(model=model)
            trained.save(one.stage_dir(one.train_stage) / trained.FILE, models.build(one), one)
        scored, correlations = study.study(cfg, data.load(cfg, "test"))
        yield cfg, scored, correlations, study.table(scored, correlations)


def test_the_table_has_a_row_for_every_map_on_both_kinds_of_clips(studied):
    _, scored, correlations, board = studied
    maps = {"head_class", *(f"head_future_{k}" for k in range(1, 6)), *CONTROLS}
    own = {"magvit": {"activation", "gradcam"}}
    own["slowfast"] = {f"{kind}_{way}" for kind in ("activation", "gradcam") for way in ("slow", "fast")}
    assert set(board["n"]) == {4} and len(scored) == 4 * len(board)
    for (model, _), rows in board.groupby(["model", "clips"]):
        assert sorted(rows["method"]) == sorted(maps | own[model])
    assert len(board.groupby(["model", "clips"])) == 4
    control, plain = board["method"].isin(CONTROLS), board["clips"] == "plain"
    assert board["p"].notna().equals(~plain & ~control)
    assert board["sanity_rank_correlation"].notna().equals(~control)
    assert set(correlations["draw"]) == set(range(study.DRAWS))
    cells = board.set_index(["clips", "model", "method"])["resolution"]["plain"]["slowfast"].to_dict()
    assert (cells["gradcam_slow"], cells["random"]) == ("4x8x8", "16x64x64")


def test_a_map_of_a_set_of_clips_is_the_one_that_was_scored(studied):
    cfg, scored, _, board = studied
    means = scored.groupby(["model", "clips", "method"], sort=False)[study.INTERVALS].mean()
    pd.testing.assert_frame_equal(means.reset_index(drop=True), board[study.INTERVALS])
    plain = clip_pairs(data.load(cfg, "test"), 4)["plain"]
    slowfast = load_explained(cfg.replace(model="slowfast"))
    for name in ("gradcam_fast", "head_future_2"):
        found = study.relevance_mass(study.maps_of(slowfast, plain, name), study.distance_px(plain))
        rows = scored[(scored["clips"] == "plain") & (scored["model"] == "slowfast") & (scored["method"] == name)]
        np.testing.assert_allclose(found, rows["relevance_mass"], rtol=1e-6)


def test_constant_maps_are_counted_and_fail_no_test_by_themselves(studied, monkeypatch):
    cfg, _, correlations, _ = studied
    constant = {"head_class": Map(np.zeros((4, 4, 8, 8), np.float32))}
    monkeypatch.setattr(study.maps, "all_maps", lambda *_: constant)
    explained, pairs = load_explained(cfg.replace(model="magvit")), clip_pairs(data.load(cfg, "test"), 4)
    found = [study.score(explained, clips, kind).assign(model="magvit") for kind, clips in pairs.items()]
    known = (correlations["method"] != "head_class") | (correlations["index"] != correlations["index"].iloc[0])
    some = correlations.assign(rank_correlation=correlations["rank_correlation"].where(known))
    row = study.table(pd.concat(found), some).set_index(["clips", "method"]).loc[("plain", "head_class")]
    assert (row["constant_maps"], row["n"], row["sanity_clips"]) == (1.0, 4, 3)
    assert np.isfinite(row["sanity_rank_correlation"]), "the mean of the others"


def fake(points, n=50, model="i3d"):
    """Decoy scores of one network: {method: share of clips on which its map points at the object}."""
    parts = []
    for method, share in (points | POINTS).items():
        correct = (np.arange(n) < share * n).astype(float)
        correct = correct[::-1] if method in CONTROLS else correct
        parts.append(pd.DataFrame({"clips": "decoy", "index": range(n), "method": method, "pointing_game": correct}))
    return pd.concat(parts).assign(model=model)


def test_margins_are_taken_against_the_hardest_control_whose_lower_end_is_least():
    (row,) = study.margins(fake({"gradcam": 0.9})).itertuples()
    assert (row.hardest_control, row.margin) == ("brightest_pixel", pytest.approx(0.4))
    assert row.margin_low < row.margin < row.margin_high and row.p < 0.05
    assert study.margins(fake({"gradcam": 0.3}))["p"].item() == 1, "ahead of three controls, behind the fourth"
    # Not the least mean: 0.30 in every clip is surer than 0.35 that differs between halves of the clips.
    scored = fake({"gradcam": 1.0}, n=64)
    for method, ahead in {"brightest_pixel": 0.3, "motion_energy": np.tile([1.05, -0.35], 32)}.items():
        scored.loc[scored["method"] == method, "pointing_game"] = 1 - ahead
    (row,) = study.margins(scored).itertuples()
    assert row.hardest_control == "motion_energy"
    assert row.margin_low < 0.3 < row.margin == pytest.approx(0.35)


def test_a_margin_significant_alone_is_not_among_the_maps_of_all_networks():
    """0.66 against 0.5 on 200 clips: p is 0.01 for one map."""
    good = fake({"gradcam": 0.66}, n=200)
    assert study.margins(good)["p"].item() < 0.05
    others = [fake({f"map_{k}": 0.02 for k in range(20)}, n=200, model=name) for name in ("magvit", "slowfast")]
    assert study.margins(pd.concat([good, *others])).set_index("method")["p"]["gradcam"] > 0.05


def test_all_weights_of_a_copy_become_those_of_the_seed(explained):
    before = {name: weight.clone() for name, weight in explained.net.state_dict().items()}
    cfg = Config(model=explained.name, seed=3)
    random, expected = study.randomised(explained, cfg).net.state_dict(), models.build(cfg).state_dict()
    assert random.keys() == before.keys()
    assert all(torch.equal(random[name], weight) for name, weight in expected.items())
    assert all(torch.equal(weight, before[name]) for name, weight in explained.net.state_dict().items()), "a copy"


def test_the_interval_is_one_over_networks_and_not_over_clips():
    """Five networks, 40 clips each that share their network's deviation, which the interval has to show."""
    rng, shift = np.random.default_rng(0), [-0.2, 0.0, 0.1, 0.2, 0.4]
    rows = [(draw, clip, shift[draw] + 0.01 * rng.normal()) for draw in range(5) for clip in range(40)]
    checked = pd.DataFrame(rows, columns=["draw", "index", "rank_correlation"])
    found = study.over_networks(checked)
    ends = stats.ttest_1samp(shift, 0).confidence_interval()
    for name, expected in {"": 0.1, "_low": ends.low, "_high": ends.high}.items():
        assert found[f"sanity_rank_correlation{name}"] == pytest.approx(expected, abs=0.02)
    some = checked.assign(rank_correlation=checked["rank_correlation"].where(checked["index"] > 9))
    assert (found["sanity_clips"], study.over_networks(some)["sanity_clips"]) == (40, 30)
    assert np.isnan(study.over_networks(checked[:0])["sanity_rank_correlation_high"]), "no map: nothing is known"


@pytest.mark.parametrize(
    ("high", "clips", "passes"),
    [(0.1, 32, True), (0.32, 32, False), (np.nan, 0, False), (0.1, 15, False), (0.1, 16, True)],
)
def test_a_map_passes_if_random_weights_change_it_in_half_of_the_clips_or_more(high, clips, passes):
    """32 clips at most are in the test."""
    assert study.passes({"sanity_rank_correlation_high": high, "sanity_clips": clips, "n": 50}) == passes


def test_the_rank_correlation_is_spearmans_and_nan_for_a_constant_map():
    one, other = np.random.default_rng(0).integers(0, 5, (2, 3, 4, 2, 5)).astype(float)
    expected = [stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(study.rank_correlation(Map(one), Map(other)), expected)
    constant = Map(np.ones_like(one))
    for pair in ((Map(one), constant), (constant, Map(one)), (constant, constant)):
        assert np.isnan(study.rank_correlation(*pair)).all(), "0 would count as changed by random weights"
