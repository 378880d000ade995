"""Every check catches its bug at its strongest, and reports nothing on clean sets."""

import copy

import numpy as np
import pandas as pd
import pytest
from folders import SUITE

from trajnb import audit, data
from trajnb.audit import checks, read, report
from trajnb.config import Config

STRONGEST = [(check, bug, strengths[-1]) for check, bug, strengths in SUITE.BUGS]


def of(found, check):
    return [finding for finding in found.findings if finding.check == check]


@pytest.mark.parametrize(
    ("check", "bug", "strength"), STRONGEST, ids=[f"{c}-{bug.__name__}" for c, bug, _ in STRONGEST]
)
def test_a_planted_bug_is_caught_by_its_own_check(filmed, check, bug, strength):
    if bug in SUITE.BEFORE:
        planted = SUITE.plant(bug, strength, seed=3, clips=320)
    else:
        planted = copy.deepcopy(filmed)
        bug(planted, strength)
    found = of(audit.examine(planted.dataset(), checks={check: audit.CHECKS[check]}), check)
    assert found[0].level in ("error", "warning")
    assert any(digit.isdigit() for digit in found[0].evidence)


@pytest.mark.parametrize("seed", range(2))
def test_clean_sets_raise_no_alarm(seed):
    found = audit.examine(SUITE.clean(20 + seed, 240, **SUITE.WORLDS[seed]).film().dataset())
    assert [finding.evidence for finding in found.findings] == []
    assert (found.not_checked, found.errors) == ({}, [])


def test_every_check_has_a_name_and_a_planted_bug():
    assert sorted({check for check, _, _ in SUITE.BUGS}) == list(audit.CHECKS) == list(report.CHECKS)


def test_exchanged_labels_are_named(filmed):
    planted = copy.deepcopy(filmed)
    SUITE.permuted(planted, 2)
    found = of(audit.examine(planted.dataset(), checks={6: audit.CHECKS[6]}), 6)
    assert found[0].level == "error"
    assert "circular as linear" in found[0].evidence and "linear as circular" in found[0].evidence


def listed(classes, order, split=None):
    """A Dataset of 200 clips without pixels, its rows sorted by some columns; the split is random or given."""
    rng = np.random.default_rng(classes)
    table = pd.DataFrame({"label": [f"class {k}" for k in np.arange(200) * classes // 200]})
    table["split"] = rng.choice(["train", "val", "test"], 200, p=[0.7, 0.15, 0.15]) if split is None else split
    table = table.assign(path=table["label"] + "/" + table.index.astype(str), number=rng.permutation(200) % 9.0)
    return read.Dataset("listed", table.sample(frac=1, random_state=1).sort_values(order, kind="stable"))


@pytest.mark.parametrize("classes", [2, 20])
@pytest.mark.parametrize("order", [["path"], ["label"], ["split"], ["split", "label"], ["label", "split"]], ids=str)
def test_the_order_of_a_list_is_no_finding(order, classes):
    assert not any(result.found for result in checks.order(listed(classes, order)))


@pytest.mark.parametrize("classes", [2, 5, 20])
def test_a_class_ordered_list_cut_at_80_percent_is_an_error_in_any_order(classes):
    cut = np.where(np.arange(200) < 160, "train", "val")
    (found,) = [result for result in checks.order(listed(classes, ["number"], cut)) if result.found]
    assert found.level == "error" and found.evidence.startswith("val: the class explains ")


def test_runs_are_counted_as_wald_and_wolfowitz_do():
    expected = 5 * (1 - 14 / 36)
    assert checks.changes(pd.Series(list("aabbac"))) == pytest.approx((3, expected, expected * 14 / 36))
    assert checks.changes(pd.Series(list("aab")))[2] == 1


@pytest.mark.parametrize(("clips", "level"), [(100, "error"), (8, "info")])
def test_a_class_that_a_small_split_lacks_by_chance_is_no_error(clips, level):
    split = ["val" if 100 <= k < 100 + clips else "train" for k in range(200)]
    found = [result for result in checks.classes(listed(2, ["path"], split)) if result.evidence.startswith("val")]
    assert [(result.found, result.level) for result in found] == [(True, level)]


def test_phones_differ_a_little_and_other_rates_are_errors():
    planted, found = SUITE.clean(0, 40).film(), {}
    for rates in ((30.0, 29.97), (29.6, 30.1), (24.0, 25.0)):
        planted.rate_N = np.resize(rates, 40)
        found[rates] = of(audit.examine(planted.dataset(), checks={13: audit.CHECKS[13]}), 13)
    assert [[result.level for result in of_rates] for of_rates in found.values()] == [[], ["info"], ["error"]]
    assert found[29.6, 30.1][0].evidence == "frame rates range from 29.6 to 30.1 per second in 40 clips"


def test_motion_features_do_not_depend_on_the_place():
    path_1Tx2 = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1, 17, 2)), axis=1) + 0.5
    np.testing.assert_allclose(checks.motion(path_1Tx2), checks.motion(path_1Tx2 + 0.2), atol=1e-7)


def test_the_nearest_clip_is_another_one():
    feature_N1, keys = np.array([[0.0], [1.0], [5.0], [5.5]]), np.array([0, 2, 3])
    distance_N, near_N = checks.nearest(feature_N1, keys, feature_N1[keys])
    assert (distance_N.tolist(), near_N.tolist()) == ([5.0, 1.0, 0.5, 0.5], [2, 0, 3, 2])


def test_the_distance_from_a_path_is_in_steps():
    observed_NTx2 = np.stack([np.arange(8.0) * 2, np.zeros(8)], axis=1)[None].repeat(2, axis=0)
    observed_NTx2[1] = 3.0  # stands still
    target_NHx2 = np.array([[[5.0, 3.0]], [[0.0, 0.0]]])
    assert checks.off_path(observed_NTx2, target_NHx2).tolist() == [1.5]


def test_p_values_are_corrected_for_their_number():
    results = [report.Result(8, "error", 100, "", 0.5, 0.1, p) for p in (0.004, 0.02, 0.001)]
    corrected = report.correct(results)
    assert [(result.p, result.found) for result in corrected] == [(0.008, True), (0.02, False), (0.003, True)]
    fact = report.Result(3, "error", 100, "", 1)
    assert report.correct([*results, fact]) == (fact, *corrected)


# ---- the data of a run


@pytest.fixture(scope="session")
def run_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "data"
    data.make(Config(clips=200, test_clips=60), folder)
    return folder


def test_the_data_of_a_run_are_clean_from_its_folder_too(run_data):
    found = audit.audit(run_data.parent)
    assert found.findings == []
    assert {15, 16, 17} <= set(found.not_checked)
    assert found.counts["splits"]["test"] == 60
    assert "17  predictions beyond the true oracle         not checked: predictions.parquet" in found.table()
    few = audit.examine(read.read(run_data), most=50, checks={1: audit.CHECKS[1]})
    assert few.counts["examined"] == 50


@pytest.mark.parametrize(
    ("change", "check", "evidence"),
    [
        ({"split": "class_order"}, 1, "val: 0 circular, 0 linear, 0 parabolic clips of 40, about "),
        ({"split": "class_order"}, 2, "val: the class explains "),
        ({"target": "last_seen"}, 14, "clips have their first target within 0.1 steps of the observed path"),
    ],
)
def test_the_predecessors_mistakes_are_errors(tmp_path, change, check, evidence):
    data.make(Config(clips=200, test_clips=60, **change), tmp_path)
    found = audit.examine(read.read(tmp_path), checks={check: audit.CHECKS[check]})
    assert evidence in " ".join(finding.evidence for finding in found.errors)
