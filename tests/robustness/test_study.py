"""Answers to suites and the areas under their curves, for contenders whose answers are known beforehand."""

import numpy as np
import pandas as pd
import pytest

from trajnb import files
from trajnb.config import Config
from trajnb.evaluation import metrics, oracles
from trajnb.robustness import conditions
from trajnb.robustness import study as robustness

CFG = Config(suite_clips=24)


@pytest.fixture(scope="module")
def base():
    return conditions.base(CFG)


def table_of(right, name="one", suite="noise", seed=0):
    """Answers of one contender: `right` {level: value of every clip}, the usual level first."""
    parts = []
    for k, (level, value_N) in enumerate(right.items()):
        where = conditions.USUAL if k == 0 else suite
        part = pd.DataFrame({"clip": range(len(value_N)), "right": value_N, "ade_px": 1.0})
        parts.append(part.assign(suite=where, level=0.0 if k == 0 else level, contender=name, seed=seed))
    return pd.concat(parts)


def test_the_area_of_a_straight_fall_is_its_middle():
    fall = {level: np.full(4, 1 - (level - 0.02) / 0.18) for level in (0.02, 0.05, 0.1, 0.15, 0.2)}
    found = robustness.areas(table_of(fall)).set_index("suite")
    assert found.loc["noise", "area"] == pytest.approx(0.5)
    flat = robustness.areas(table_of({level: np.ones(4) for level in (0.02, 0.05, 0.1, 0.15, 0.2)})).set_index("suite")
    assert flat.loc["noise", "area"] == pytest.approx(1)
    assert flat.loc["noise", "low"] == flat.loc["noise", "high"] == pytest.approx(1)


def test_the_area_weighs_levels_by_their_distance():
    late = {0.02: np.ones(4), 0.05: np.ones(4), 0.1: np.ones(4), 0.15: np.zeros(4), 0.2: np.zeros(4)}
    assert robustness.areas(table_of(late)).set_index("suite").loc["noise", "area"] == pytest.approx(0.105 / 0.18)


def test_who_has_not_answered_every_level_gets_no_area():
    whole = table_of({level: np.ones(4) for level in (0.02, 0.05, 0.1, 0.15, 0.2)})
    part = table_of({level: np.ones(4) for level in (0.02, 0.05, 0.1)}, "other")
    found = robustness.areas(pd.concat([whole, part]))
    assert set(found.loc[found["suite"] == "noise", "contender"]) == {"one"}


def test_intervals_grow_with_doubt_and_seeds_are_averaged():
    rng = np.random.default_rng(0)
    levels = (0.02, 0.05, 0.1, 0.15, 0.2)
    tables = [table_of({x: (rng.uniform(size=200) < 0.6).astype(float) for x in levels}, seed=s) for s in (0, 1)]
    found = robustness.curves(pd.concat(tables))
    line = found[found["suite"] == "noise"].iloc[0]
    assert (line["seeds"], line["n"]) == (2, 200)
    assert line["top1_low"] < line["top1"] < line["top1_high"]
    assert line["top1"] == pytest.approx(0.6, abs=0.08)
    alone = robustness.curves(tables[0]).iloc[1]
    assert line["top1_high"] - line["top1_low"] < alone["top1_high"] - alone["top1_low"]


def test_the_leader_of_a_suite_is_told_from_the_second_only_when_it_is():
    rng, levels = np.random.default_rng(0), (0.02, 0.05, 0.1, 0.15, 0.2)
    good, bad = ({x: (rng.uniform(size=300) < p).astype(float) for x in levels} for p in (0.9, 0.5))
    both = pd.concat([table_of(good, "good"), table_of(bad, "bad")])
    line = robustness.leaders(both, ["bad", "good"]).iloc[0]
    assert (line["best"], line["second"]) == ("good", "bad")
    assert line["p"] < 0.001
    assert len(robustness.leaders(both, ["good"])) == 0, "nobody to be compared with"
    same = pd.concat([table_of(good, "good"), table_of(good, "twin")])
    assert robustness.leaders(same, ["good", "twin"]).iloc[0]["p"] == 1


def test_few_seeds_state_no_order_of_a_suite_and_many_are_tested_over_seeds():
    rng, levels = np.random.default_rng(0), (0.02, 0.05, 0.1, 0.15, 0.2)

    def leader(good, bad):
        """The leader's row of two networks whose seeds have these accuracies."""
        parts = [
            table_of({x: (rng.uniform(size=300) < top).astype(float) for x in levels}, name, seed=seed)
            for name, tops in (("good", good), ("bad", bad))
            for seed, top in enumerate(tops)
        ]
        return robustness.leaders(pd.concat(parts), ["bad", "good"]).iloc[0]

    few = leader([0.9, 0.91, 0.92], [0.5, 0.51, 0.52])
    assert (few["best"], few["seeds"]) == ("good", 3)
    assert np.isnan(few["p"]), "three seeds state no order, however far apart"
    assert leader([0.9, 0.91, 0.92, 0.91], [0.5, 0.51, 0.52, 0.51])["p"] < 0.001
    wide = leader([0.9, 0.5, 0.9, 0.5], [0.85, 0.45, 0.85, 0.45])
    assert wide["p"] > 0.5, "the same clips would tell these trained networks apart, four seeds do not"


def test_oracles_answer_hard_questions_and_the_pixel_oracle_knows_its_errors(base):
    shaken = conditions.Asked("jitter", 1.0, conditions.filmed(base, jitter_px=1.0), 16)
    told = robustness.knowing(shaken)
    assert metrics.top1(told["true_oracle"].prob_NK, base.label_N) == 1
    assert metrics.top1(told["pixel_oracle"].prob_NK, base.label_N) > 0.85, "0.25 with the error of the default world"
    measured = oracles.measured_track(shaken.clips, shaken.clips.cfg)
    blind = oracles.infer(*measured, [oracles.PIXEL_SD], shaken.clips.cfg)[0]
    assert metrics.top1(blind, base.label_N) < 0.5


def test_an_oracle_of_few_frames_knows_how_little_a_circle_turns_in_them(base):
    told = robustness.knowing(conditions.Asked("seen", 8.0, conditions.held(base, 8), 8))
    assert metrics.top1(told["true_oracle"].prob_NK, base.label_N) > 0.8
    wrong = robustness.brief(base.cfg, 8)
    assert wrong.sweep_max_deg == pytest.approx(400 * 7 / 15)
    assert set(robustness.knowing(conditions.Asked("seen", 2.0, conditions.held(base, 2), 2))) == {"constant_velocity"}


def test_answers_hold_every_contender_at_every_level(base, monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))

    class Net:
        pass

    monkeypatch.setattr(suites, "SUITES", {"noise": conditions.SUITES["noise"]})
    monkeypatch.setattr(
        robustness,
        "predict",
        lambda net, clips, cfg: {
            "logits_NK": 9.0 * np.eye(4)[clips.label_N],
            "mean_NHx3": np.concatenate(
                [clips.track_NFx3[:, 16:21, :2], np.log(clips.track_NFx3[:, 16:21, 2:])], axis=2
            ),
            "logvar_NHx3": np.zeros((len(clips), 5, 3)),
        },
    )
    who = robustness.Contenders({"i3d": [Net(), Net()]}, {})
    table = robustness.answers(who, CFG)
    state = files.read_json(tmp_path / "smoke" / "robustness" / "progress.json")
    assert state["done"] == state["total"] == 1 + 4 + len(conditions.TOGETHER), "trajnb status shows how far it is"
    mine = table[table["contender"] == "i3d"]
    assert (mine["right"] == 1).all()
    assert mine["ade_px"].max() < 1e-3
    assert mine.groupby(["suite", "level"])["seed"].nunique().eq(2).all()
    assert len(mine) == 2 * 24 * (1 + 4 + len(conditions.TOGETHER))
    assert (robustness.together(robustness.curves(table))["i3d"] == 1).all()
    straight = table[table["contender"] == "constant_velocity"]
    assert straight["right"].isna().all()
    assert straight["ade_px"].notna().all()
    steps = robustness.ahead(who, CFG)
    assert steps["i3d"].iloc[:5].max() < 1e-3 < steps["i3d"].iloc[5]
    assert steps.index.tolist() == list(range(1, 16))


def test_a_track_goes_straight_on():
    track = np.arange(5.0)[None, :, None] * np.array([1.0, 2.0, 0.0])
    further = robustness.straight_on(track, 8)
    assert np.allclose(further[0, :, 1], 2 * np.arange(8))
