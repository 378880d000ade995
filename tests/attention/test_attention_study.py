"""The table: every map and control on both kinds of clips, intervals around means, a verdict that never flatters."""

import numpy as np
import pandas as pd
import pytest

from trajnb import data, models
from trajnb.attention import clips as asked
from trajnb.attention import examples, probes, sanity, table
from trajnb.attention.maps import Map
from trajnb.config import Attention, Config
from trajnb.models import trained

NEEDED = """model method pointing_game relevance_mass insertion_auc deletion_auc sanity_rank_correlation ms_per_clip
n""".split()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """(cfg, scores, rank correlations, table) of two untrained networks on four clips; a permuted one beside each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJNB_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        cfg = Config(models=["slowfast", "magvit"], clips=64, test_clips=40, attention_clips=4, controls=["permuted"])
        data.make(cfg, cfg.stage_dir("data"))
        for model in cfg.models:
            for control, seed in (("none", 0), ("permuted", 5)):
                one = cfg.replace(model=model, control=control)
                trained.save(one.stage_dir(one.train_stage) / trained.FILE, models.build(one.replace(seed=seed)), one)
        scored, checked = table.study(cfg, data.load(cfg, "test"))
        board = table.board(scored, checked)
        table.save(cfg, scored, checked, board)
        yield cfg, scored, checked, board


def test_the_columns_that_are_asked_for_and_a_row_for_everything(study):
    cfg, scored, _, board = study
    written = pd.read_csv(cfg.stage_dir("attention") / "scores.csv")
    assert set(NEEDED) <= set(written.columns)
    assert len(written) == len(board) == len(board[["model", "clips", "method"]].drop_duplicates())
    maps = {"head_class", *(f"head_future_{k}" for k in range(1, 6))}
    own = {"magvit": {"activation", "gradcam"}}
    own["slowfast"] = {f"{kind}_{way}" for kind in ("activation", "gradcam") for way in ("slow", "fast")}
    for model in cfg.models:
        for kind in asked.KINDS:
            rows = board[(board["model"] == model) & (board["clips"] == kind)]
            assert set(rows["method"]) == maps | own[model] | set(table.CONTROLS)
            assert set(rows["n"]) == {4}
    assert len(scored) == 4 * len(board)


def test_means_lie_in_their_intervals_and_shares_between_0_and_1(study):
    board = study[3]
    for name in (*table.SCORES, "sanity_rank_correlation", "permuted_rank_correlation"):
        known = board[board[name].notna()]
        assert len(known), name
        assert (known[f"{name}_low"] <= known[name] + 1e-9).all() and (
            known[name] <= known[f"{name}_high"] + 1e-9
        ).all()
    for name in ("pointing_game", "following", "relevance_mass", "relevance_rank", "insertion_auc", "deletion_auc"):
        assert board[name].dropna().between(0, 1).all(), name
    assert board.loc[board["clips"] == "decoy", "insertion_auc"].isna().all()
    future = board["method"].str.contains("future")
    assert board.loc[future, "deletion_auc"].isna().all(), "the class is not what a future's query is about"


def test_an_untrained_network_and_itself_are_alike_and_the_permuted_one_is_asked_too(study):
    _, _, checked, board = study
    assert set(checked["against"]) == {*sanity.LEVELS, "permuted"}
    assert board["temporal_n"].between(0, 4).all() and (board["temporal_n"] > 0).any()
    head = checked[(checked["method"] == "activation") & (checked["against"] == "head")]
    np.testing.assert_allclose(head["rank_correlation"], 1)  # the head has no say in the features
    assert board[~board["method"].isin(table.CONTROLS)]["permuted_rank_correlation"].notna().all()
    assert board[board["method"].isin(table.CONTROLS)]["sanity_rank_correlation"].isna().all()
    assert set(checked[checked["against"] == "all"]["draw"]) == set(range(table.DRAWS))


def test_a_map_knows_its_true_resolution_and_the_best_it_could_score(study):
    board = study[3].set_index(["model", "clips", "method"])
    assert board.loc[("slowfast", "plain", "gradcam_slow"), "resolution"] == "4x8x8"
    assert board.loc[("slowfast", "plain", "gradcam_fast"), "resolution"] == "16x8x8"
    assert board.loc[("magvit", "plain", "head_class"), "resolution"] == "4x8x8"
    assert board.loc[("magvit", "plain", "random"), "resolution"] == "16x64x64"
    assert board.loc[("magvit", "plain", "random"), "ideal_mass"] == pytest.approx(1)
    assert board.loc[("magvit", "plain", "head_class"), "ideal_mass"] < 0.3


def fake(points, alike, kind="decoy", n=50, model="i3d"):
    """Scores and table of one network: {method: share of clips on which it points at the object}.

    alike: {method: upper end of the sanity check's interval}.
    """
    scored, rows = [], []
    for method, share in points.items():
        hits = (np.arange(n) < share * n).astype(float)
        hits = hits[::-1] if method in table.CONTROLS else hits
        scored.append(pd.DataFrame({"clips": kind, "index": range(n), "method": method, "pointing_game": hits}))
        row = {"model": model, "clips": kind, "n": n, "method": method, "pointing_game": share, "right": 0.8}
        high = alike.get(method, np.nan)
        row |= {"sanity_n": 0 if np.isnan(high) else n}
        rows.append(row | {"sanity_rank_correlation": high - 0.05, "sanity_rank_correlation_high": high})
    return pd.concat(scored).assign(model=model), pd.DataFrame(rows)


CONTROLS = {"random": 0.02, "centre": 0.06, "brightest_pixel": 0.5, "motion_energy": 0.4}


@pytest.mark.parametrize(
    ("good", "alike", "words"),
    [
        (0.9, 0.1, "Ahead of every control and undone by random weights: gradcam."),
        (0.9, 0.32, "it survives random weights"),
        (0.55, 0.1, "not ahead of every control"),
    ],
)
def test_only_what_beats_every_control_and_needs_the_weights_is_named(good, alike, words):
    scored, board = fake({"gradcam": good, "head_class": 0.1, **CONTROLS}, {"gradcam": alike, "head_class": 0.0})
    (sentence,) = table.verdict(table.margins(scored), board)
    assert words in sentence
    assert ("No method shows" in sentence) == (words[0] != "A")


def test_a_method_whose_maps_are_level_passes_no_check():
    scored, board = fake({"gradcam": 0.9, **CONTROLS}, {"gradcam": np.nan})
    (sentence,) = table.verdict(table.margins(scored), board)
    assert "No method shows" in sentence and "too few maps are other than level" in sentence


def test_a_check_of_a_few_clips_is_none():
    scored, board = fake({"gradcam": 0.9, **CONTROLS}, {"gradcam": 0.1})
    for known, words in ((24, "No method shows"), (25, "undone by random weights: gradcam")):
        (sentence,) = table.verdict(table.margins(scored), board.assign(sanity_n=known))
        assert words in sentence


def test_the_one_that_came_closest_is_one_that_is_ahead():
    """Features beat the controls and survive; the other is farther ahead on the mean of fewer clips, within chance."""
    scored, board = fake({"activation": 0.9, "head_class": 0.55, **CONTROLS}, {"activation": 0.6, "head_class": 0.1})
    (sentence,) = table.verdict(table.margins(scored), board)
    assert "activation comes closest" in sentence and "ahead of every control, but it survives" in sentence


def test_what_one_map_alone_would_show_is_chance_among_many():
    """0.66 against 0.5 on 200 clips of the same networks: p is 0.01 for one map, and nothing among forty."""
    good, alike = {"gradcam": 0.66}, {"gradcam": 0.1}
    scored, board = fake(good | CONTROLS, alike, n=200)
    assert table.margins(scored)["p"].item() < 0.05
    assert "undone by random weights: gradcam" in table.verdict(table.margins(scored), board)[0]
    scored, board = fake(good | {f"map_{k}": 0.02 for k in range(40)} | CONTROLS, alike, n=200)
    assert table.margins(scored).set_index("method")["p"]["gradcam"] > 0.05
    alone, many = fake(good | CONTROLS, alike, n=200), [{f"map_{k}": 0.02 for k in range(20)} | CONTROLS] * 2
    others = [fake(points, {}, n=200, model=name) for points, name in zip(many, ("magvit", "slowfast"), strict=True)]
    scored_of_all = pd.concat([alone[0], *(one[0] for one in others)])
    assert table.margins(scored_of_all).set_index("method")["p"]["gradcam"] > 0.05, "all networks' maps count"
    assert "not ahead of every control" in table.verdict(table.margins(scored), board)[0]


def test_a_map_behind_a_control_has_no_small_p():
    scored, _ = fake({"gradcam": 0.3, **CONTROLS}, {})
    assert table.margins(scored)["p"].item() == 1, "ahead of three controls, behind the fourth"


def test_level_maps_are_counted_and_not_taken_for_undone(study, monkeypatch):
    cfg, scored, checked, _ = study
    one = {"head": lambda *asked_about: {"head_class": Map(np.zeros((4, 4, 8, 8), np.float32))}}
    monkeypatch.setattr(table, "methods", lambda explained, names: one)
    explained = table.network(cfg.replace(model="magvit"))
    clips = asked.both(data.load(cfg, "test"), 4)["plain"]
    found = table.score(explained, clips, "plain", cfg).assign(model="magvit")
    known = (checked["method"] != "head_class") | (checked["index"] != checked["index"].iloc[0])
    some = checked.assign(rank_correlation=checked["rank_correlation"].where(known))
    (row,) = table.board(found[found["method"] == "head_class"], some).itertuples()
    assert (row.level, row.n, row.sanity_n) == (1.0, 4, 3)
    assert np.isfinite(row.sanity_rank_correlation), "the mean of the others"


def test_margins_are_taken_against_the_hardest_control():
    scored, _ = fake({"gradcam": 0.9, **CONTROLS}, {})
    (row,) = table.margins(scored).itertuples()
    assert row.control == "brightest_pixel"
    assert row.ahead == pytest.approx(0.4)
    assert row.low < row.ahead < row.high


def test_the_hardest_control_is_the_one_that_may_be_nearest():
    """Not the one with the least mean: 0.30 in every clip is surer than 0.35 that hangs on half of the clips."""
    spread = np.tile([1.05, -0.35], 32)
    ahead = np.stack([np.full(64, 0.9), np.full(64, 0.9), np.full(64, 0.3), spread], axis=1)
    found = table.hardest(ahead)
    assert found["control"] == table.CONTROLS[3]
    assert found["low"] < 0.3 < found["ahead"] == pytest.approx(0.35)


def test_clips_are_chosen_by_rule(study):
    cfg, scored, _, board = study
    rows = examples.first(scored, asked.both(data.load(cfg, "test"), 4)["plain"], cfg, True)
    for (model, motion), row in rows.items():
        mine = scored[(scored["model"] == model) & (scored["clips"] == "plain") & (scored["method"] == "head_class")]
        right = mine.reset_index(drop=True)[["motion", "right"]]
        expected = right[(right["motion"] == motion) & right["right"]].index
        assert row == (expected[0] if len(expected) else None)
    for model in cfg.models:
        assert "future" not in examples.own_method(board, model)


def test_every_map_belongs_to_a_kind_that_the_config_knows():
    kinds = {"head_class": "head", "gradient_attention": "gradient_attention", "gradcam_slow": "gradcam"}
    kinds |= {"gradient_attention_time": "attention_parts", "integrated_gradients": "integrated_gradients"}
    kinds |= {"rollout": "rollout", "rollout_space": "attention_parts"}
    assert {name: examples.kind_of(name) for name in kinds} == kinds
    assert set(kinds.values()) <= set(Attention.__args__)


class Labelled:
    """As much of a set of clips as a probe asks for."""

    def __init__(self, label_N):
        self.label_N = label_N

    def __len__(self):
        return len(self.label_N)


def test_a_probe_that_can_learn_recipes_by_heart_is_found_out(monkeypatch):
    """Half as many components as recipes: much of what is drawn at random comes back, and the control has to say so."""
    rng, n = np.random.default_rng(0), 200
    monkeypatch.setattr(probes, "COMPONENTS", n // 2)
    monkeypatch.setattr(probes, "last_px", lambda clips: place)
    seen = rng.normal(size=(n, n // 2))
    place, label = seen[:, :2], (seen @ rng.normal(size=n // 2) > 0).astype(int)
    new, other = rng.normal(size=seen.shape), rng.integers(0, 2, n)
    row = probes.row(1, seen, new, seen + 1e-3, Labelled(label), Labelled(other))
    assert row["control_top1"] > 0.8
    assert row["chance_top1"] < 0.65, "what is learned by heart is of no use for other recipes"
    assert row["control_error_px"] < 0.8 * row["mean_place_error_px"]


def test_a_probe_reads_what_is_there_and_its_control_does_not(monkeypatch):
    rng = np.random.default_rng(0)
    label, place = rng.integers(0, 4, 200), rng.normal(size=(200, 2))
    told = np.concatenate([np.eye(4)[label], place, rng.normal(size=(200, 60))], axis=1)
    monkeypatch.setattr(probes, "last_px", lambda clips: 10 * place)
    row = probes.row(1, told, told + 0.01 * rng.normal(size=told.shape), told + 0.01, Labelled(label), Labelled(label))
    assert row["top1"] > 0.9
    assert row["control_top1"] < row["seen_top1"] - 0.2
    assert row["selectivity"] == row["seen_top1"] - row["control_top1"]
    assert abs(row["chance_top1"] - 0.25) < 0.12
    assert row["error_px"] < 0.7 * row["mean_place_error_px"]
    assert row["control_error_px"] > row["error_px"]


def test_probes_read_the_last_two_stages_of_every_network(explained, clips):
    features = probes.stage_features(explained, clips)
    assert len(features) == 2
    assert all(len(x) == len(clips) and np.isfinite(x).all() and x.std(axis=0).max() > 0 for x in features)
    assert features[0].shape != features[1].shape or not np.allclose(features[0], features[1])
