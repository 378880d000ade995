"""The table: every map and control on both kinds of clips, intervals around means, a verdict that never flatters."""

import numpy as np
import pandas as pd
import pytest

from trajnb import data, models
from trajnb.attention import clips as asked
from trajnb.attention import examples, probes, sanity, table
from trajnb.config import Attention, Config
from trajnb.training.checkpoints import save_weights

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
                save_weights(one.stage_dir(one.train_stage) / "final.safetensors", models.build(one.replace(seed=seed)))
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
    for name in table.SCORES:
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
    head = checked[(checked["method"] == "activation") & (checked["against"] == "head")]
    np.testing.assert_allclose(head["rank_correlation"], 1)  # the head has no say in the features
    assert board[~board["method"].isin(table.CONTROLS)]["permuted_rank_correlation"].notna().all()
    assert board[board["method"].isin(table.CONTROLS)]["sanity_rank_correlation"].isna().all()


def test_a_map_knows_its_true_resolution_and_the_best_it_could_score(study):
    board = study[3].set_index(["model", "clips", "method"])
    assert board.loc[("slowfast", "plain", "gradcam_slow"), "resolution"] == "4x8x8"
    assert board.loc[("slowfast", "plain", "gradcam_fast"), "resolution"] == "16x8x8"
    assert board.loc[("magvit", "plain", "head_class"), "resolution"] == "4x8x8"
    assert board.loc[("magvit", "plain", "random"), "resolution"] == "16x64x64"
    assert board.loc[("magvit", "plain", "random"), "ideal_mass"] == pytest.approx(1)
    assert board.loc[("magvit", "plain", "head_class"), "ideal_mass"] < 0.3


def fake(points, alike, kind="decoy", n=50):
    """Scores and table of one network: {method: share of clips on which it points at the object}."""
    scored, rows = [], []
    for method, share in points.items():
        hits = (np.arange(n) < share * n).astype(float)
        hits = hits[::-1] if method in table.CONTROLS else hits
        scored.append(pd.DataFrame({"clips": kind, "index": range(n), "method": method, "pointing_game": hits}))
        row = {"model": "i3d", "clips": kind, "method": method, "pointing_game": share, "right": 0.8}
        high = alike.get(method, np.nan)
        rows.append(row | {"sanity_rank_correlation": high - 0.05, "sanity_rank_correlation_high": high})
    return pd.concat(scored).assign(model="i3d"), pd.DataFrame(rows)


CONTROLS = {"random": 0.02, "centre": 0.06, "brightest_pixel": 0.5, "motion_energy": 0.4}


@pytest.mark.parametrize(
    ("good", "alike", "words"),
    [
        (0.9, 0.1, "Ahead of every control and undone by random weights: gradcam."),
        (0.9, 0.6, "it survives random weights"),
        (0.55, 0.1, "not ahead of every control"),
    ],
)
def test_only_what_beats_every_control_and_needs_the_weights_is_named(good, alike, words):
    scored, board = fake({"gradcam": good, "head_class": 0.1, **CONTROLS}, {"gradcam": alike, "head_class": 0.0})
    (sentence,) = table.verdict(scored, board)
    assert words in sentence
    assert ("No method shows" in sentence) == (words[0] != "A")


def test_margins_are_taken_against_the_hardest_control():
    scored, _ = fake({"gradcam": 0.9, **CONTROLS}, {})
    (row,) = table.margins(scored).itertuples()
    assert row.control == "brightest_pixel"
    assert row.ahead == pytest.approx(0.4)
    assert row.low < row.ahead < row.high


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
    assert {name: examples.kind_of(name) for name in kinds} == kinds
    assert set(kinds.values()) <= set(Attention.__args__)


def test_a_probe_reads_what_is_there_and_its_control_does_not():
    rng = np.random.default_rng(0)
    cfg, n = Config(), 200
    label = rng.integers(0, 4, n)

    class Fake:
        def __init__(self, labels):
            self.label_N, self.cfg = labels, cfg

        def __len__(self):
            return n

    place = rng.normal(size=(n, 2))
    told = np.concatenate([np.eye(4)[label], place, rng.normal(size=(n, 60))], axis=1)
    train = test = Fake(label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "last_px", lambda clips: 10 * place)
        row = probes.row(1, told, told + 0.01 * rng.normal(size=told.shape), told + 0.01, train, test)
    assert row["top1"] > 0.9
    assert row["control_top1"] < row["top1"] - 0.2
    assert row["error_px"] < 0.7 * row["mean_place_error_px"]
    assert row["control_error_px"] > row["error_px"]


def test_probes_read_the_last_two_stages_of_every_network(explained, clips):
    features = probes.stage_features(explained, clips)
    assert len(features) == 2
    assert all(len(x) == len(clips) and np.isfinite(x).all() and x.std(axis=0).max() > 0 for x in features)
    assert features[0].shape != features[1].shape or not np.allclose(features[0], features[1])
