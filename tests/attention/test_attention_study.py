"""The score table: every map and control on both kinds of clips, intervals, margins and their p-values."""

import numpy as np
import pandas as pd
import pytest

from trajnb import data, models
from trajnb.attention import probes, sanity, study
from trajnb.attention.clips import clip_pairs
from trajnb.attention.layers import load_explained
from trajnb.attention.maps import CONTROLS, Map
from trajnb.config import Config
from trajnb.models import trained

POINTS = {"random": 0.02, "centre": 0.06, "brightest_pixel": 0.5, "motion_energy": 0.4}  # of the control maps


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """(cfg, scores, rank correlations, table) of two untrained networks on four clips; a permuted one beside each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJNB_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        cfg = Config(models=["slowfast", "magvit"], clips=64, test_clips=40, attention_clips=4, controls=["permuted"])
        data.make(cfg, cfg.stage_dir("data"))
        for model in cfg.models:
            for control, seed in (("none", 0), ("permuted", 5)):
                one = cfg.replace(model=model, control=control)
                trained.save(one.stage_dir(one.train_stage) / trained.FILE, models.build(one.replace(seed=seed)), one)
        scored, correlations = study.study(cfg, data.load(cfg, "test"))
        yield cfg, scored, correlations, study.table(scored, correlations)


def test_the_table_has_a_row_for_every_map(studied):
    _, scored, _, board = studied
    assert len(board) == len(board[["model", "clips", "method"]].drop_duplicates())
    maps = {"head_class", *(f"head_future_{k}" for k in range(1, 6)), *CONTROLS}
    own = {"magvit": {"activation", "gradcam"}}
    own["slowfast"] = {f"{kind}_{way}" for kind in ("activation", "gradcam") for way in ("slow", "fast")}
    assert set(board["clips"]) == {"plain", "decoy"} and set(board["n"]) == {4} and len(scored) == 4 * len(board)
    for (model, _), rows in board.groupby(["model", "clips"]):
        assert set(rows["method"]) == maps | own[model]
    assert board["p"].notna().equals((board["clips"] == "decoy") & ~board["method"].isin(CONTROLS))


def test_means_lie_in_their_intervals_and_shares_between_0_and_1(studied):
    board = studied[3]
    for name in (*study.INTERVALS, "sanity_rank_correlation", "permuted_rank_correlation"):
        known = board[board[name].notna()]
        assert len(known), name
        assert (known[f"{name}_low"] <= known[name] + 1e-9).all(), name
        assert (known[name] <= known[f"{name}_high"] + 1e-9).all(), name
        assert "correlation" in name or known[name].between(0, 1).all(), name
    assert board.loc[board["clips"] == "decoy", "insertion_auc"].isna().all()
    future = board["method"].str.contains("future")
    assert board.loc[future, "deletion_auc"].isna().all(), "a future frame's query is not about the class"


def test_random_networks_and_the_permuted_one_are_compared(studied):
    _, _, correlations, board = studied
    control = board["method"].isin(CONTROLS)
    assert set(correlations["against"]) == {*sanity.RANDOMISED, "permuted"}
    assert set(correlations[correlations["against"] == "all"]["draw"]) == set(range(sanity.DRAWS))
    head = correlations[(correlations["method"] == "activation") & (correlations["against"] == "head")]
    np.testing.assert_allclose(head["rank_correlation"], 1)  # features do not depend on the head
    assert board[~control]["permuted_rank_correlation"].notna().all()
    assert board[control]["sanity_rank_correlation"].isna().all()


def test_a_map_knows_its_true_resolution_and_the_best_possible_score(studied):
    board = studied[3][studied[3]["clips"] == "plain"].set_index(["model", "method"])
    cells = {"gradcam_slow": "4x8x8", "gradcam_fast": "16x8x8", "random": "16x64x64"}
    assert {name: board.loc[("slowfast", name), "resolution"] for name in cells} == cells
    assert board.loc[("magvit", "random"), "ideal_relevance_mass"] == pytest.approx(1)
    assert board.loc[("magvit", "head_class"), "ideal_relevance_mass"] < 0.3


def test_constant_maps_are_counted_and_fail_no_test_by_themselves(studied, monkeypatch):
    cfg, _, correlations, _ = studied
    constant = {"head": lambda *_: {"head_class": Map(np.zeros((4, 4, 8, 8), np.float32))}}
    monkeypatch.setattr(study.maps, "methods", lambda explained, names: constant)
    explained, pairs = load_explained(cfg.replace(model="magvit")), clip_pairs(data.load(cfg, "test"), 4)
    found = pd.concat(
        [study.score(explained, clips, kind, cfg).assign(model="magvit") for kind, clips in pairs.items()]
    )
    known = (correlations["method"] != "head_class") | (correlations["index"] != correlations["index"].iloc[0])
    some = correlations.assign(rank_correlation=correlations["rank_correlation"].where(known))
    row = study.table(found, some).set_index(["clips", "method"]).loc[("plain", "head_class")]
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


def test_margins_are_taken_against_the_hardest_control():
    (row,) = study.margins(fake({"gradcam": 0.9})).itertuples()
    assert row.hardest_control == "brightest_pixel"
    assert row.margin == pytest.approx(0.4)
    assert row.margin_low < row.margin < row.margin_high
    assert row.p < 0.05
    assert study.margins(fake({"gradcam": 0.3}))["p"].item() == 1, "ahead of three controls, behind the fourth"


def test_the_hardest_control_has_the_least_lower_end():
    """Not the least mean: 0.30 in every clip is surer than 0.35 that differs between halves of the clips."""
    varying = np.tile([1.05, -0.35], 32)
    ahead = np.stack([np.full(64, 0.9), np.full(64, 0.9), np.full(64, 0.3), varying], axis=1)
    found = study.hardest(ahead)
    assert found["hardest_control"] == CONTROLS[3]
    assert found["margin_low"] < 0.3 < found["margin"] == pytest.approx(0.35)


def test_a_margin_significant_alone_is_not_among_the_maps_of_all_networks():
    """0.66 against 0.5 on 200 clips: p is 0.01 for one map."""
    good = fake({"gradcam": 0.66}, n=200)
    assert study.margins(good)["p"].item() < 0.05
    others = [fake({f"map_{k}": 0.02 for k in range(20)}, n=200, model=name) for name in ("magvit", "slowfast")]
    assert study.margins(pd.concat([good, *others])).set_index("method")["p"]["gradcam"] > 0.05


@pytest.mark.parametrize(
    ("high", "clips", "passes"),
    [(0.1, 50, True), (0.32, 50, False), (np.nan, 0, False), (0.1, 24, False), (0.1, 25, True)],
)
def test_a_map_passes_if_random_weights_change_it_in_half_of_the_clips_or_more(high, clips, passes):
    assert sanity.passes({"sanity_rank_correlation_high": high, "sanity_clips": clips, "n": 50}) == passes


def test_the_best_method_is_one_that_passes_and_is_about_the_class():
    rows = [
        ("activation", 0.9, False),
        ("head_future_1", 0.95, True),
        ("head_class", 0.55, True),
        ("random", 1.0, False),
    ]
    board = pd.DataFrame(rows, columns=["method", "pointing_game", "passes_randomisation"])
    board = board.assign(model="i3d", clips="decoy")
    assert study.best_method(board, "i3d") == "head_class"
    assert study.best_method(board.assign(passes_randomisation=False), "i3d") == "activation"


def test_examples_are_the_first_of_each_class_under_the_map_asked_for(studied):
    cfg, scored, _, _ = studied
    clips = clip_pairs(data.load(cfg, "test"), 4)["plain"]
    networks = {model: load_explained(cfg.replace(model=model)) for model in cfg.models}
    names = {"slowfast": "gradcam_fast", "magvit": "head_future_2"}
    plain = scored[scored["clips"] == "plain"]
    found = [study.examples(networks, clips, plain, names, correct) for correct in (True, False)]
    for motion, model in found[0]:
        of_class = np.flatnonzero(clips.table["motion"] == motion)
        mine = plain[(plain["model"] == model) & (plain["method"] == "head_class")]["correct"].to_numpy()
        for shown, correct in zip(found, (True, False), strict=True):
            expected = [row for row in of_class if mine[row] == correct]
            assert (shown[motion, model] is None) == (not expected)
            if expected:
                row, map_TSS = shown[motion, model]
                assert row == expected[0]
                same = study.maps_of(networks[model], clips.take([row]), names[model])[0]
                np.testing.assert_array_equal(map_TSS, same)


class Clips:
    """As much of a clip set as a probe needs."""

    def __init__(self, label_N, place_Nx2):
        self.label_N, self.place_Nx2 = label_N, place_Nx2

    def __len__(self):
        return len(self.label_N)


@pytest.fixture(autouse=True)
def places(monkeypatch):
    """The places of `Clips` are theirs."""
    real = probes.object_px
    monkeypatch.setattr(probes, "object_px", lambda c: (c.place_Nx2[:, None], 0) if isinstance(c, Clips) else real(c))


def test_a_probe_that_memorises_recipes_shows_in_its_control(monkeypatch):
    """Half as many components as recipes: a probe learns much of what is drawn at random."""
    rng, n = np.random.default_rng(0), 200
    monkeypatch.setattr(probes, "COMPONENTS", n // 2)
    features = rng.normal(size=(n, n // 2))
    place, label = features[:, :2], (features @ rng.normal(size=n // 2) > 0).astype(int)
    new, other = rng.normal(size=features.shape), rng.integers(0, 2, n)
    row = probes.row(1, features, new, features + 1e-3, Clips(label, place), Clips(other, place))
    assert row["control_top1"] > 0.8
    assert row["chance_top1"] < 0.65, "memorised recipes do not help on other recipes"
    assert row["control_error_px"] < 0.8 * row["mean_place_error_px"]


def test_a_probe_reads_what_the_features_hold_and_its_control_does_not():
    rng = np.random.default_rng(0)
    label, place = rng.integers(0, 4, 200), rng.normal(size=(200, 2))
    features = np.concatenate([np.eye(4)[label], place, rng.normal(size=(200, 60))], axis=1)
    noisy, clips = features + 0.01 * rng.normal(size=features.shape), Clips(label, 10 * place)
    row = probes.row(1, features, noisy, features + 0.01, clips, clips)
    assert row["top1"] > 0.9
    assert row["control_top1"] < row["train_top1"] - 0.2
    assert row["selectivity"] == row["train_top1"] - row["control_top1"]
    assert abs(row["chance_top1"] - 0.25) < 0.12
    assert row["error_px"] < 0.7 * row["mean_place_error_px"]
    assert row["control_error_px"] > row["error_px"]


def test_probes_read_the_last_two_layers_of_every_network(explained, clips):
    features = probes.layer_features(explained, clips)
    assert len(features) == 2
    assert all(len(x) == len(clips) and np.isfinite(x).all() and x.std(axis=0).max() > 0 for x in features)
    assert features[0].shape != features[1].shape or not np.allclose(features[0], features[1])
