"""The sentences on seeds, calibration and difficulty say what their tables say, whichever way it went."""

import pandas as pd

from trajnb.report import trust


def seeds_table(failed=0, seeds=5):
    row = {"model": "i3d", "score": "top1", "seeds": seeds, "failed": failed, "mean": 0.9, "sd": 0.01, "least": 0.88}
    return pd.DataFrame([row | {"largest": 0.92, "low": 0.87, "high": 0.93}])


def pair(verdict, seeds=5, better=1.0):
    row = {"first": "i3d", "second": "magvit", "score": "top1", "seeds": seeds, "difference": 0.04, "low": 0.03}
    return pd.DataFrame([row | {"high": 0.05, "better": better, "p": 0.001, "verdict": verdict}])


def test_an_order_is_stated_only_with_seeds_enough():
    said = list(trust.of_seeds(seeds_table(), pair("first")))
    assert "95 % interval 0.870 to 0.930 by Student's t over the seeds" in said[0]
    assert "i3d is better than magvit in top-1 by 0.040" in said[-1]
    assert "magvit is better than i3d" in list(trust.of_seeds(seeds_table(), pair("second", better=0.0)))[-1]
    assert "Not told apart: i3d and magvit (top-1)." in list(trust.of_seeds(seeds_table(), pair("not told apart")))
    few = list(trust.of_seeds(seeds_table(seeds=3), pair("not ranked: 3 seeds", seeds=3)))
    assert few[-1] == "With 3 seeds the spread is shown and no order is stated."
    assert not any("better than" in sentence for sentence in few)
    alone = list(trust.of_seeds(seeds_table(seeds=1), pd.DataFrame()))
    assert alone == ["One training of each: nothing is said about kinds of networks, only about these trained ones."]


def test_failed_trainings_are_told():
    assert "2 of them failed to beat chance" in next(iter(trust.of_seeds(seeds_table(failed=2), pair("first"))))


def test_calibration_names_the_direction_and_shows_no_error_where_none_is_shown():
    raw = {"model": "a", "probabilities": "as it is", "temperature": 1.5, "rms_error": 0.05, "rms_low": 0.03}
    raw |= {"rms_high": 0.07, "nll": 0.5}
    table = pd.DataFrame([raw, raw | {"probabilities": "scaled", "rms_error": 0.01, "rms_low": 0.0, "nll": 0.4}])
    assert next(iter(trust.of_calibration(table))).startswith("a is too sure of itself: 0.050 (0.030 to 0.070)")
    table["temperature"] = 0.7
    assert "not sure enough" in next(iter(trust.of_calibration(table)))
    table["rms_low"] = 0.0
    assert "shows no calibration error" in next(iter(trust.of_calibration(table)))


def curve(suite, level, contender, top1):
    return {"suite": suite, "level": level, "contender": contender, "top1": top1}


def test_a_leader_no_better_than_a_control_is_said_to_be_so():
    hardest = conditions.SUITES["noise"].levels[-1]
    others = {"mean_frame": 0.4, "motion_energy": 0.3, "pixel_oracle": 0.9}
    leaders = pd.DataFrame(
        [{"suite": "noise", "best": "i3d", "second": "magvit", "area": 0.7, "second_area": 0.6, "seeds": 1, "p": 0.2}]
    )
    for top1, words in ((0.6, False), (0.35, True)):
        rows = [curve("noise", hardest, name, value) for name, value in {**others, "i3d": top1}.items()]
        said = next(iter(trust.of_suites(pd.DataFrame(rows), leaders)))
        assert ("no better than a control" in said) == words
        assert "not told apart" in said
    few = next(iter(trust.of_suites(pd.DataFrame(rows), leaders.assign(seeds=3, p=float("nan")))))
    assert "(3 seeds state no order)" in few


def test_frames_needed_and_steps_won_are_counted():
    rows = [curve(conditions.USUAL, 0, "i3d", 1.0)]
    rows += [curve("seen", level, "i3d", top1) for level, top1 in {12: 0.95, 8: 0.91, 4: 0.5}.items()]
    assert next(iter(trust.of_early(pd.DataFrame(rows), ["i3d"]))).startswith("i3d needs 8 of 16 frames for 90%")
    rows = [curve(conditions.USUAL, 0, "i3d", 1.0), curve("seen", 12, "i3d", 0.3)]
    assert "more than 12" in next(iter(trust.of_early(pd.DataFrame(rows), ["i3d"])))
    steps = pd.DataFrame(
        {"i3d": [2.0, 1.0], "magvit": [0.5, 0.5], "slowfast": [9, 9], "constant_velocity": [1.0, 2.0]}, index=[1, 2]
    )
    said = list(trust.of_horizon(steps, ["i3d", "magvit", "slowfast"]))
    assert said[0] == "i3d is nearer than constant velocity from step 2 on, not at step 1."
    assert "every step from 1 to 2" in said[1]
    assert "nowhere" in said[2]


def test_fronts_name_who_stands_on_them():
    marks = pd.DataFrame({("macs", "test_top1"): [True, False], ("macs", "ade_px"): [True, True]}, index=["a", "b"])
    assert list(trust.of_fronts(marks)) == [
        "Nobody has a better top-1 for as few macs than: a.",
        "Nobody has a better ADE for as few macs than: a, b.",
    ]
