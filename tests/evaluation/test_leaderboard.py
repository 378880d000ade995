"""The leaderboard: every column, every baseline, and numbers that agree with what was said clip by clip."""

import numpy as np
import pandas as pd
import pytest

from trajnb import files, models, training
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import baselines, ensembles, leaderboard, metrics, predictions
from trajnb.evaluation.predictions import Predictions
from trajnb.models import trained
from trajnb.world import recipes

CFG = Config(run_name="board", clips=80, test_clips=60)
OWN = {name: 1.0 for name in leaderboard.OWN} | {"device": "cpu"}


def clips_of(n, seed):
    return ClipSet(CFG, seed, recipes.draw(CFG, seed, np.arange(n)))


@pytest.fixture(scope="module")
def test():
    return clips_of(60, 2)


@pytest.fixture(scope="module")
def others(test):
    return baselines.baselines(clips_of(80, 0), clips_of(40, 1), test, CFG)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    return CFG.run_dir


def perfect(test):
    return Predictions(np.eye(4)[test.label_N], test.track_NFx3[:, CFG.frames :], np.zeros((60, 5, 3)) - 9)


def test_the_baselines_are_those_of_the_table_in_their_order(others, test):
    assert list(others) == list(baselines.KINDS)
    table = leaderboard.board({}, others, test, CFG).set_index("model")
    assert table.loc["chance", "test_top1"] == 0.25
    assert np.isnan(table.loc["chance", "test_top1_low"]), "nothing was measured, so there is no interval"
    assert table.loc["chance", "test_nll"] == pytest.approx(np.log(4))
    assert np.isnan(table.loc["constant_velocity", "test_top1"]), "a cell that makes no sense is empty"
    assert table.loc["pixel_oracle", "ade_over_pixel_oracle"] == 1
    assert table.loc["true_oracle", "ade_px"] <= table.loc["pixel_oracle", "ade_px"]
    assert table.loc["pixel_oracle", "ade_px"] < table.loc["constant_velocity", "ade_px"]
    assert table.loc["constant_velocity", "ade_px"] == pytest.approx(
        table.loc["constant_velocity_true", "ade_px"], rel=0.1
    )


def test_a_trained_network_gets_its_row_and_its_predictions_are_kept(others, test, folder):
    one = predictions.training_runs(CFG)["transformer"][0]
    net = models.build(one)
    trained.save(one.stage_dir("train-transformer") / trained.FILE, net, one)
    files.write_json(one.stage_dir("train-transformer") / "metrics.json", OWN)
    networks = {"transformer": [predictions.of_training_run(one, test)]}
    table = leaderboard.board(networks, others, test, CFG)
    leaderboard.save(table, networks, others, test, CFG)

    kept = pd.read_csv(folder / "leaderboard.csv")
    assert kept.columns.tolist() == leaderboard.COLUMNS
    assert kept["model"].tolist() == ["transformer", *baselines.KINDS]
    clip_by_clip = pd.read_parquet(folder / "evaluate" / "predictions" / "transformer-s0.parquet")
    assert (clip_by_clip["predicted"] == clip_by_clip["motion"]).mean() == pytest.approx(kept["test_top1"][0])
    said = predictions.from_output(training.predict(net, test, CFG))
    assert np.allclose(clip_by_clip[["u1", "v1", "z1"]], said.track_NHx3[:, 0])


def test_an_ensemble_costs_what_its_members_cost_together(test, folder):
    for one in ("transformer", "i3d"):
        files.write_json(CFG.stage_dir(f"train-{one}") / "metrics.json", OWN | {"macs": 3.0})
    networks, cfg = {"transformer": [perfect(test)], "i3d": [perfect(test)]}, CFG.replace(models=["transformer", "i3d"])
    both = ensembles.Ensemble(("transformer", "i3d"), ensembles.Weights(np.ones(2) / 2, np.ones(2) / 2), perfect(test))
    table = leaderboard.board(networks, {}, test, cfg, {"ensemble_all": [both]}).set_index("model")
    assert table["kind"].tolist() == ["network", "network", "ensemble"]
    assert table.index.tolist() == ["transformer", "i3d", "ensemble_all"]
    assert table.loc["ensemble_all", "macs"] == 6
    assert table.loc["ensemble_all", "clips_seen"] == 1, "every member saw the same clips"
    assert table.loc["ensemble_all", "test_top1"] == 1


def test_several_seeds_are_averaged_with_students_interval_and_so_are_their_ensembles(test, folder):
    cfg = CFG.replace(seeds=2)
    for one in predictions.training_runs(cfg)["transformer"]:
        files.write_json(one.stage_dir(one.train_stage) / "metrics.json", OWN)
    half = Predictions(np.eye(4)[np.where(np.arange(60) % 2, test.label_N, 0)], perfect(test).track_NHx3)
    row = leaderboard.network_row("transformer", [perfect(test), half], test, cfg)
    expected = (1 + metrics.top1(half.prob_NK, test.label_N)) / 2
    assert row["test_top1"] == pytest.approx(expected)
    assert row["seeds"] == 2
    assert (row["test_top1_low"], row["test_top1_high"]) == (0, 1), "two seeds so far apart prove nothing"
    close = [perfect(test), perfect(test), perfect(test)._replace(prob_NK=np.roll(np.eye(4)[test.label_N], 1, axis=1))]
    close[2].prob_NK[1:] = np.eye(4)[test.label_N[1:]]  # one clip of sixty wrong
    row = leaderboard.over_seeds(close, test, cfg)
    half = 4.302653 * (1 / 60) / 3**0.5 / 3**0.5  # t(0.975, 2) sd / sqrt(3); the sd of 0, 0, x is x / sqrt(3)
    assert row["test_top1_low"] == pytest.approx(1 - 1 / 180 - half, rel=1e-4)
    members = {"a": [perfect(test), perfect(test)], "b": [perfect(test), perfect(test)]}
    members["b"][1] = members["a"][1] = perfect(test)._replace(prob_NK=np.roll(np.eye(4)[test.label_N], 1, axis=1))
    both = ensembles.joined(members, members, test, cfg)["ensemble_all"]
    assert [metrics.top1(one.said.prob_NK, test.label_N) for one in both] == [1, 0], "each seed's own networks"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("chance", "baseline"),
        ("single_frame", "control"),
        ("kinematic_true", "oracle"),
        ("pixel_oracle", "oracle"),
        ("i3d_shuffled", "control"),
        ("i3d_reversed", "condition"),
        ("i3d_trained_permuted", "control"),
    ],
)
def test_every_row_has_a_kind(name, kind):
    assert leaderboard.kind(name) == kind


def test_tables_by_class_and_step_and_region(others, test):
    contenders = {"perfect": perfect(test), **others}
    by_class = leaderboard.per_class(contenders, test, CFG).set_index(["contender", "motion"])
    assert (by_class.loc["perfect", "top1"] == 1).all()
    assert (by_class.loc["perfect", "ade_px"] == 0).all()
    assert by_class.loc["chance", "top1"].isna().all()
    steps = leaderboard.per_step(contenders, test, CFG)
    assert steps.shape == (5, 7)
    assert (steps["constant_velocity_true"].diff().dropna() > 0).all(), "further ahead is harder"
    lines = leaderboard.per_step(contenders, test, CFG, "linear")
    assert lines["constant_velocity_true"].max() < steps["constant_velocity_true"].max()
    assert (leaderboard.coverage(perfect(test), test, CFG).drop(columns="claimed") == 1).all(axis=None)


def test_networks_that_should_fail_are_asked_about_fewer_clips(others, test, folder, monkeypatch):
    cfg = CFG.replace(models=["i3d"], controls=["shuffled", "permuted"])
    for name in ("train-i3d", "train-i3d-shuffled", "train-i3d-permuted"):
        one = cfg.replace(model="i3d", control=name.removeprefix("train-i3d").removeprefix("-") or "none")
        trained.save(cfg.stage_dir(name) / trained.FILE, models.build(one), one)
    monkeypatch.setattr(leaderboard, "ASKED", 40)
    found = baselines.control_networks(cfg, test)
    assert list(found) == ["i3d_shuffled", "i3d_reversed", "i3d_trained_shuffled", "i3d_trained_permuted"]
    table = leaderboard.board({}, others | found, test, cfg).set_index("model")
    assert table["n_test"].loc[list(found)].tolist() == [40, 40, 60, 60]
    assert table["n_test"].loc[list(others)].eq(60).all()
    leaderboard.save(table.reset_index(), {}, found, test, cfg)
    kept = pd.read_parquet(folder / "evaluate" / "predictions" / "i3d_shuffled.parquet")
    assert kept["index"].tolist() == test.table["index"].tolist()[:40]


def test_a_network_that_needs_the_order_of_frames_loses_it(test, folder):
    cfg, seen = CFG.replace(models=["i3d"]), []

    def spy(one, clips):
        seen.append(clips.render(np.arange(2)))
        return perfect(test)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaderboard, "network", spy)
        baselines.control_networks(cfg, test)
    plain, (shuffled, reverse) = test.render(np.arange(2)), seen
    assert np.array_equal(reverse, plain[:, ::-1])
    assert not np.array_equal(shuffled, plain)
    assert np.array_equal(np.sort(shuffled, axis=1), np.sort(plain, axis=1))


def test_shares_of_the_pixel_oracle(others, test):
    half = Predictions(np.tile(np.eye(4)[0], (60, 1)), others["pixel_oracle"].track_NHx3)
    table = leaderboard.board({}, others | {"i3d_reversed": half}, test, CFG).set_index("model")
    assert table.loc["i3d_reversed", "ade_over_pixel_oracle"] == 1
    share = table.loc["i3d_reversed", "test_top1"] / table.loc["pixel_oracle", "test_top1"]
    assert table.loc["i3d_reversed", "top1_over_pixel_oracle"] == share
    assert table.loc["i3d_reversed", "least_named"] == 0


def test_a_forced_leaderboard_says_so_in_every_row(others, test, folder):
    files.write_text(CFG.stage_dir("evaluate") / files.MARK, "FORCED: why\n")
    leaderboard.save(leaderboard.board({}, others, test, CFG), {}, others, test, CFG)
    assert set(pd.read_csv(folder / "leaderboard.csv")["mark"]) == {"FORCED: why"}


def two_clips():
    """(cfg, test, said) of two clips and two steps: 3 and 4, 0 and 5 px off, in deviations of 1 px, the first is named
    rightly."""
    cfg = CFG.replace(frames=4, horizon=2, motions=["random", "linear"])
    xyz = np.zeros((2, 6, 3)) + [0.0, 0.5, 2.0] + np.arange(6)[:, None] * [0.25, 0, 0]
    test = ClipSet(cfg, 0, pd.DataFrame({"index": [7, 9], "motion": ["linear", "random"]}), xyz)
    off = np.array([[[3, 0, 0.0], [0, 4, 0.5]], [[0, 0, 0], [3, 4, 0]]]) / [64, 64, 1]
    deviation = np.full((2, 2, 3), 2 * np.log(1 / 64))
    return cfg, test, Predictions(np.array([[0.25, 0.75], [0.4, 0.6]]), test.track_NFx3[:, 4:] + off, deviation)


def test_tables_by_hand():
    cfg, test, said = two_clips()
    contenders = {
        "net": said,
        "class": said._replace(track_NHx3=None),
        "place": Predictions(None, said.track_NHx3),
    }
    rows = leaderboard.per_class(contenders, test, cfg).set_index(["contender", "motion"])
    assert rows["n"].tolist() == [1] * 6
    assert rows.loc["net", "top1"].tolist() == [0, 1]
    assert rows.loc["net", "ade_px"].tolist() == pytest.approx([2.5, 3.5], rel=1e-5)
    assert rows.loc["class", "ade_px"].isna().all() and rows.loc["place", "top1"].isna().all()
    steps = leaderboard.per_step(contenders, test, cfg)
    assert steps.index.tolist() == [1, 2] and steps.columns.tolist() == ["net", "place"]
    assert steps["net"].tolist() == pytest.approx([1.5, 4.5], rel=1e-5)
    assert leaderboard.per_step(contenders, test, cfg, "random")["net"].tolist() == pytest.approx([0, 5], abs=1e-4)
    covered = leaderboard.coverage(said, test, cfg)  # squared distances 9, 16, 0, 25; a Gaussian's 95 % are 5.99
    assert covered["claimed"].tolist() == [0.5, 0.8, 0.95]
    assert covered[["all", "random", "linear"]].to_numpy().tolist() == [[0.25, 0.5, 0]] * 3
    radii = leaderboard.region_radii(said, test, cfg)
    assert radii[0.5].tolist() == pytest.approx([9, 25], rel=1e-5)
    wide = {level: radius + [-1e-3, 1e-3] for level, radius in radii.items()}
    assert leaderboard.coverage(said, test, cfg, wide)["all"].tolist() == [0.75] * 3


def test_predictions_clip_by_clip_and_back(tmp_path):
    cfg, test, said = two_clips()
    table = leaderboard.prediction_table(said, test, cfg)
    columns = "index motion predicted p_random p_linear u1 v1 z1 u2 v2 z2".split()
    assert table.columns.tolist() == columns + [f"log_var_{name}" for name in columns[5:]]
    assert table.iloc[1, :5].tolist() == [9, "random", "linear", 0.4, 0.6]
    assert table.loc[0, "u1"] == pytest.approx(said.track_NHx3[0, 0, 0]) and table.loc[1, "z2"] == 2
    files.write_parquet(tmp_path / "net.parquet", table)
    assert all(np.array_equal(a, b) for a, b in zip(predictions.load(tmp_path / "net.parquet", cfg), said, strict=True))
    raw = {"logits_NK": np.log([[1.0, 3.0]]), "mean_NHx3": np.array([[[0.5, 0.25, np.log(3)]]]), "logvar_NHx3": 5}
    prob, track, spread = predictions.from_output(raw)
    assert prob == pytest.approx(np.array([[0.25, 0.75]])) and spread == 5
    assert track == pytest.approx(np.array([[[0.5, 0.25, 3.0]]]))


def test_rows_by_hand(folder):
    """Means over two seeds of what the trainings measured and of the test cells; ratios to the pixel oracle."""
    cfg, test, said = two_clips()
    cfg = cfg.replace(seeds=2, seed=3, models=["i3d"])
    for seed, number in ((3, 1.0), (4, 3.0)):
        one = {name: number for name in leaderboard.OWN} | {"device": f"device {number:g}"}
        files.write_json(folder / f"train-i3d-s{seed}" / "metrics.json", one)
    assert [(one.model, one.seed) for one in predictions.training_runs(cfg)["i3d"]] == [("i3d", 3), ("i3d", 4)]
    row = leaderboard.network_row("i3d", [said, said], test, cfg)
    assert [row[name] for name in leaderboard.OWN if name != "device"] == [2.0] * (len(leaderboard.OWN) - 1)
    assert (row["model"], row["kind"], row["preset"], row["device"]) == ("i3d", "network", "nano", "device 1")
    assert (row["test_top1"], row["ade_px"], row["n_test"]) == pytest.approx((0.5, 3, 2), rel=1e-5)
    oracle = Predictions(np.array([[0.1, 0.9], [0.9, 0.1]]), said.track_NHx3)
    guess = Predictions(np.full((2, 2), 0.5))
    table = leaderboard.board({"i3d": [said, said]}, {"pixel_oracle": oracle, "chance": guess}, test, cfg)
    assert table["top1_over_pixel_oracle"].tolist() == [0.5, 1, 0.5]
    assert table["ade_over_pixel_oracle"].tolist()[:2] == [1, 1]
    assert table["test_nll"].tolist()[2] == pytest.approx(np.log(2))
    assert list(leaderboard.numbered({"i3d": [said, said]}, cfg)) == ["i3d-s3", "i3d-s4"]
    predictions.save_validation({"i3d": [said, said]}, test, cfg)
    leaderboard.save(table, {"i3d": [said, said]}, {}, test, cfg, pairs=table[["model"]])
    for where in ("predictions/val", "predictions"):
        found = predictions.load_networks(cfg, where)["i3d"]
        assert len(found) == 2 and np.array_equal(found[1].prob_NK, said.prob_NK)
    assert pd.read_csv(folder / "comparisons.csv")["model"].tolist() == ["i3d", "pixel_oracle", "chance"]
