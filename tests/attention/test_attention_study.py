"""The score table: every map and control on both kinds of clips, intervals, margins and their p-values."""

import numpy as np
import pandas as pd
import pytest

from trajnb import data, models
from trajnb.attention import probes, sanity, study
from trajnb.attention.clips import KINDS, clip_pairs
from trajnb.attention.layers import load_explained
from trajnb.attention.maps import CONTROLS, Map
from trajnb.config import Attention, Config
from trajnb.models import trained

NEEDED = """model method pointing_game relevance_mass insertion_auc deletion_auc sanity_rank_correlation ms_per_clip
n""".split()
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
        board = study.table(scored, correlations)
        study.save(cfg, scored, correlations, board)
        yield cfg, scored, correlations, board


def test_the_table_has_its_columns_and_a_row_for_everything(studied):
    cfg, scored, _, board = studied
    written = pd.read_csv(cfg.stage_dir("attention") / "scores.csv")
    assert set(NEEDED) <= set(written.columns)
    assert len(written) == len(board) == len(board[["model", "clips", "method"]].drop_duplicates())
    maps = {"head_class", *(f"head_future_{k}" for k in range(1, 6))}
    own = {"magvit": {"activation", "gradcam"}}
    own["slowfast"] = {f"{kind}_{way}" for kind in ("activation", "gradcam") for way in ("slow", "fast")}
    for (model, kind), rows in board.groupby(["model", "clips"]):
        assert kind in KINDS
        assert set(rows["method"]) == maps | own[model] | set(CONTROLS)
        assert set(rows["n"]) == {4}
    assert len(scored) == 4 * len(board)
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
    assert set(correlations["against"]) == {*sanity.RANDOMISED, "permuted"}
    assert board["temporal_clips"].between(0, 4).all() and (board["temporal_clips"] > 0).any()
    head = correlations[(correlations["method"] == "activation") & (correlations["against"] == "head")]
    np.testing.assert_allclose(head["rank_correlation"], 1)  # features do not depend on the head
    assert board[~board["method"].isin(CONTROLS)]["permuted_rank_correlation"].notna().all()
    assert board[board["method"].isin(CONTROLS)]["sanity_rank_correlation"].isna().all()
    assert set(correlations[correlations["against"] == "all"]["draw"]) == set(range(sanity.DRAWS))


def test_a_map_knows_its_true_resolution_and_the_best_possible_score(studied):
    board = studied[3].set_index(["model", "clips", "method"])
    assert board.loc[("slowfast", "plain", "gradcam_slow"), "resolution"] == "4x8x8"
    assert board.loc[("slowfast", "plain", "gradcam_fast"), "resolution"] == "16x8x8"
    assert board.loc[("magvit", "plain", "head_class"), "resolution"] == "4x8x8"
    assert board.loc[("magvit", "plain", "random"), "resolution"] == "16x64x64"
    assert board.loc[("magvit", "plain", "random"), "ideal_relevance_mass"] == pytest.approx(1)
    assert board.loc[("magvit", "plain", "head_class"), "ideal_relevance_mass"] < 0.3


def test_constant_maps_are_counted_and_fail_no_test_by_themselves(studied, monkeypatch):
    cfg, scored, correlations, _ = studied
    constant = {"head": lambda *_: {"head_class": Map(np.zeros((4, 4, 8, 8), np.float32))}}
    monkeypatch.setattr(study.maps, "methods", lambda explained, names: constant)
    explained = load_explained(cfg.replace(model="magvit"))
    pairs = clip_pairs(data.load(cfg, "test"), 4)
    found = pd.concat([study.score(explained, clips, kind, cfg) for kind, clips in pairs.items()]).assign(
        model="magvit"
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
    good = {"gradcam": 0.66}
    assert study.margins(fake(good, n=200))["p"].item() < 0.05
    among = fake(good | {f"map_{k}": 0.02 for k in range(40)}, n=200)
    assert study.margins(among).set_index("method")["p"]["gradcam"] > 0.05
    others = [fake({f"map_{k}": 0.02 for k in range(20)}, n=200, model=name) for name in ("magvit", "slowfast")]
    found = study.margins(pd.concat([fake(good, n=200), *others]))
    assert found.set_index("method")["p"]["gradcam"] > 0.05, "all networks' maps count"


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


def test_examples_are_the_first_of_each_class(studied):
    cfg, scored, _, _ = studied
    rows = study.first_examples(scored, clip_pairs(data.load(cfg, "test"), 4)["plain"], cfg, True)
    for (motion, model), row in rows.items():
        mine = scored[(scored["model"] == model) & (scored["clips"] == "plain") & (scored["method"] == "head_class")]
        mine = mine.reset_index(drop=True)
        expected = mine[(mine["motion"] == motion) & mine["correct"]].index
        assert row == (expected[0] if len(expected) else None)


def test_every_map_belongs_to_a_method_of_the_config():
    methods = {"head_class": "head", "gradient_attention": "gradient_attention", "gradcam_slow": "gradcam"}
    methods |= {"gradient_attention_time": "attention_parts", "integrated_gradients": "integrated_gradients"}
    methods |= {"rollout": "rollout", "rollout_space": "attention_parts"}
    assert {name: study.method_of(name) for name in methods} == methods
    assert set(methods.values()) <= set(Attention.__args__)


class Labelled:
    """As much of a clip set as a probe needs."""

    def __init__(self, label_N):
        self.label_N = label_N

    def __len__(self):
        return len(self.label_N)


def test_a_probe_that_memorises_recipes_shows_in_its_control(monkeypatch):
    """Half as many components as recipes: a probe learns much of what is drawn at random."""
    rng, n = np.random.default_rng(0), 200
    monkeypatch.setattr(probes, "COMPONENTS", n // 2)
    monkeypatch.setattr(probes, "last_px", lambda clips: place)
    features = rng.normal(size=(n, n // 2))
    place, label = features[:, :2], (features @ rng.normal(size=n // 2) > 0).astype(int)
    new, other = rng.normal(size=features.shape), rng.integers(0, 2, n)
    row = probes.row(1, features, new, features + 1e-3, Labelled(label), Labelled(other))
    assert row["control_top1"] > 0.8
    assert row["chance_top1"] < 0.65, "memorised recipes do not help on other recipes"
    assert row["control_error_px"] < 0.8 * row["mean_place_error_px"]


def test_a_probe_reads_what_the_features_hold_and_its_control_does_not(monkeypatch):
    rng = np.random.default_rng(0)
    label, place = rng.integers(0, 4, 200), rng.normal(size=(200, 2))
    features = np.concatenate([np.eye(4)[label], place, rng.normal(size=(200, 60))], axis=1)
    monkeypatch.setattr(probes, "last_px", lambda clips: 10 * place)
    noisy = features + 0.01 * rng.normal(size=features.shape)
    row = probes.row(1, features, noisy, features + 0.01, Labelled(label), Labelled(label))
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
