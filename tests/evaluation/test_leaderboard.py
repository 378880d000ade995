"""The leaderboard: every column, every baseline, and numbers that agree with the predictions clip by clip."""

import numpy as np
import pandas as pd
import pytest

from trajnb import files, models, training
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import leaderboard, metrics, predictions
from trajnb.evaluation.predictions import Predictions
from trajnb.models import trained

CFG = Config(run_name="board", clips=80, test_clips=60)
MEASURED = {name: 1.0 for name in leaderboard.MEASURED} | {"device": "cpu"}


@pytest.fixture(scope="module")
def test(clips):
    return clips.take(slice(60))


@pytest.fixture(scope="module")
def others(clips, test):
    return leaderboard.baselines(clips.take(slice(60, 140)), clips.take(slice(140, 180)), test, CFG)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    return CFG.run_dir


def perfect(test):
    return Predictions(np.eye(4)[test.label_N], metrics.future(test), np.zeros((60, 5, 3)) - 9)


def test_the_baselines_are_those_of_the_table_in_their_order(others, test):
    assert list(others) == list(leaderboard.KINDS)
    table = leaderboard.board({}, others, test, CFG).set_index("model")
    assert table["kind"].to_dict() == leaderboard.KINDS
    assert table.loc["chance", "test_top1"] == 0.25
    assert np.isnan(table.loc["chance", "test_top1_low"]), "nothing was measured, so there is no interval"
    assert table.loc["chance", "test_nll"] == pytest.approx(np.log(4))
    assert np.isnan(table.loc["constant_velocity", "test_top1"]), "a cell that makes no sense is empty"
    assert table.loc["pixel_oracle", "ade_over_pixel_oracle"] == 1
    ade = table["ade_px"]
    assert ade["true_oracle"] <= ade["pixel_oracle"] < ade["constant_velocity"]


def test_a_trained_network_gets_its_row_and_its_predictions_are_saved(others, test, folder):
    cfg = CFG.replace(models=["transformer"])
    net = models.build(cfg.replace(model="transformer"))
    trained.save(folder / "train-transformer" / trained.FILE, net, cfg.replace(model="transformer"))
    files.write_json(folder / "train-transformer" / "metrics.json", MEASURED)
    networks = predictions.of_training_runs(predictions.training_runs(cfg), test)
    alone = predictions.from_output(training.predict(net.eval(), test, cfg))
    assert np.array_equal(networks["transformer"][0].track_NHx3, alone.track_NHx3)
    table = leaderboard.board(networks, others, test, cfg)
    predictions.save(networks, others, test, cfg)
    assert table.columns.tolist() == leaderboard.COLUMNS
    assert table["model"].tolist() == ["transformer", *leaderboard.KINDS]
    clip_by_clip = pd.read_parquet(folder / "evaluate" / "predictions" / "transformer-s0.parquet")
    assert (clip_by_clip["predicted"] == clip_by_clip["motion"]).mean() == pytest.approx(table["test_top1"][0])
    again = predictions.load_networks(cfg)["transformer"][0]
    assert all(np.array_equal(a, b) for a, b in zip(again, networks["transformer"][0], strict=True))


def test_ensembles_cost_what_their_members_cost_together_and_seeds_have_students_interval(test):
    cfg = CFG.replace(models=["transformer", "i3d"], seeds=3)
    for run in sum(predictions.training_runs(cfg).values(), []):
        files.write_json(run.stage_dir(run.train_stage) / "metrics.json", MEASURED | {"macs": 3.0, "latency_ms": 2.0})
    one_wrong = np.eye(4)[test.label_N]
    one_wrong[0] = 0.4 * one_wrong[0] + 0.6 * np.roll(one_wrong[0], 1)
    networks = {"transformer": [perfect(test)] * 3}
    networks["i3d"] = [perfect(test), perfect(test), perfect(test)._replace(prob_NK=one_wrong)]
    table = leaderboard.board(networks, {}, test, cfg).set_index("model")
    assert table["kind"].to_dict() == {"transformer": "network", "i3d": "network", "ensemble_all": "ensemble"}
    costs = table.loc["ensemble_all", ["macs", "latency_ms", "test_top1"]].tolist()
    assert costs == [6, 4, 1], "the other member is sure"
    assert table.loc["ensemble_all", "clips_seen"] == 1, "every member saw the same clips"
    row = table.loc["i3d"]
    half = 4.302653 * (1 / 60) / 3**0.5 / 3**0.5  # t(0.975, 2) sd / sqrt(3); the sd of 0, 0, x is x / sqrt(3)
    assert row["seeds"] == 3 and row["test_top1"] == pytest.approx(1 - 1 / 180)
    assert (row["test_top1_low"], row["test_top1_high"]) == pytest.approx((1 - 1 / 180 - half, 1), rel=1e-4)


def test_control_networks_get_the_clips_of_their_condition(test, monkeypatch):
    cfg, videos = CFG.replace(models=["i3d", "magvit"], controls=["shuffled", "permuted"]), []

    def spy(run, clips):
        videos.append((run.control, len(clips), clips.render(np.arange(2))))
        return perfect(test)

    monkeypatch.setattr(predictions, "of_training_run", spy)
    monkeypatch.setattr(leaderboard, "ORDER_CLIPS", 20)
    found = leaderboard.control_networks(cfg, test)
    names, kinds = list(found), leaderboard.board({}, found, test, cfg)["kind"].tolist()
    assert names[:4] == ["i3d_shuffled", "i3d_reversed", "i3d_trained_shuffled", "i3d_trained_permuted"]
    assert [name.split("_")[0] for name in names[4:]] == ["magvit"] * 4, "model by model"
    assert kinds[:4] == ["control", "condition", "control", "control"]
    controls, counts, clips = zip(*videos[:4], strict=True)
    assert controls == ("none", "none", "shuffled", "permuted") and counts == (20, 20, 60, 60)
    plain = test.render(np.arange(2))
    assert np.array_equal(clips[1], plain[:, ::-1]) and np.array_equal(clips[3], plain)
    assert not np.array_equal(clips[0], plain) and np.array_equal(clips[2], clips[0])
    assert np.array_equal(np.sort(clips[0], axis=1), np.sort(plain, axis=1))


def two_clips():
    """(cfg, test, predictions) of two clips and two steps: 3 and 4, 0 and 5 px off, in deviations of 1 px, the first is
    classified correctly."""
    cfg = CFG.replace(frames=4, horizon=2, motions=["random", "linear"])
    xyz = np.zeros((2, 6, 3)) + [0.0, 0.5, 2.0] + np.arange(6)[:, None] * [0.25, 0, 0]
    test = ClipSet(cfg, 0, pd.DataFrame({"index": [7, 9], "motion": ["linear", "random"]}), xyz)
    off = np.array([[[3, 0, 0.0], [0, 4, 0.5]], [[0, 0, 0], [3, 4, 0]]]) / [64, 64, 1]
    deviation = np.full((2, 2, 3), 2 * np.log(1 / 64))
    return cfg, test, Predictions(np.array([[0.25, 0.75], [0.4, 0.6]]), metrics.future(test) + off, deviation)


def test_predictions_clip_by_clip():
    cfg, test, predicted = two_clips()
    table = predictions.table(predicted, test, cfg)
    columns = "index motion predicted p_random p_linear u1 v1 z1 u2 v2 z2".split()
    assert table.columns.tolist() == columns + [f"log_var_{name}" for name in columns[5:]]
    assert table.iloc[1, :5].tolist() == [9, "random", "linear", 0.4, 0.6]
    assert table.loc[0, "u1"] == pytest.approx(predicted.track_NHx3[0, 0, 0]) and table.loc[1, "z2"] == 2
    raw = {"logits_NK": np.log([[1.0, 3.0]]), "mean_NHx3": np.array([[[0.5, 0.25, np.log(3)]]]), "logvar_NHx3": 5}
    prob, track, logvar = predictions.from_output(raw)
    assert prob == pytest.approx(np.array([[0.25, 0.75]])) and logvar == 5
    assert track == pytest.approx(np.array([[[0.5, 0.25, 3.0]]]))


def test_rows_by_hand(folder):
    """Means over two seeds of what the training runs measured and of the test cells; ratios to the pixel oracle."""
    cfg, test, predicted = two_clips()
    cell = leaderboard.scores(predicted, test, cfg)
    assert (cell["ade_px"], cell["fde_px"]) == pytest.approx((3, 4.5), rel=1e-5)
    error_NH = metrics.displacement_m(predicted.track_NHx3, metrics.future(test), cfg)
    assert (cell["ade_m"], cell["fde_m"]) == pytest.approx((error_NH.mean(), error_NH[:, 1].mean()))
    assert (cell["test_top1_low"], cell["test_top1_high"]) == metrics.wilson(1, 2)
    assert (cell["test_nll"], cell["ece"]) == pytest.approx((-np.log(0.75 * 0.4) / 2, (0.25 + 0.6) / 2))
    cfg = cfg.replace(seeds=2, seed=3, models=["i3d"])
    for seed, number in ((3, 1.0), (4, 3.0)):
        measured = {name: number for name in leaderboard.MEASURED} | {"device": f"device {number:g}"}
        files.write_json(folder / f"train-i3d-s{seed}" / "metrics.json", measured)
    assert [(run.model, run.seed) for run in predictions.training_runs(cfg)["i3d"]] == [("i3d", 3), ("i3d", 4)]
    oracle = Predictions(np.array([[0.1, 0.9], [0.9, 0.1]]), predicted.track_NHx3)
    guess = Predictions(np.full((2, 2), 0.5))
    table = leaderboard.board({"i3d": [predicted] * 2}, {"pixel_oracle": oracle, "chance": guess}, test, cfg)
    row = table.iloc[0]
    assert row[leaderboard.MEASURED].tolist() == [2.0] * len(leaderboard.MEASURED)
    assert row[["model", "kind", "preset", "device", "seeds"]].tolist() == ["i3d", "network", "nano", "device 1", 2]
    assert (row["test_top1"], row["ade_px"], row["n_test"]) == pytest.approx((0.5, 3, 2), rel=1e-5)
    assert table["top1_over_pixel_oracle"].tolist() == [0.5, 1, 0.5]
    assert table["ade_over_pixel_oracle"].tolist()[:2] == [1, 1]
    assert table["test_nll"].tolist()[2] == pytest.approx(np.log(2))
    predictions.save({"i3d": [predicted] * 2}, {}, test, cfg)
    saved = (folder / "evaluate" / "predictions").glob("*.parquet")
    assert sorted(path.name for path in saved) == ["i3d-s3.parquet", "i3d-s4.parquet"]
