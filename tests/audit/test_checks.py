"""Every check catches its first bug at its strongest (all: benchmarks/audit.py), and reports nothing on clean sets."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import audit as suite
from trajnb import audit, data
from trajnb.audit.checks import Result, path_features
from trajnb.audit.read import Dataset, of_run
from trajnb.config import Config

FIRST = {check: (bug, strengths[-1]) for check, bug, strengths in reversed(suite.BUGS)}


@pytest.fixture(scope="module")
def filmed():
    """320 clips in four classes, in memory, with nothing wrong: not to be changed."""
    return suite.clean(3, 320).film()


@pytest.mark.parametrize("check", sorted({*FIRST, *audit.CHECKS}))
def test_a_planted_bug_is_caught_by_its_own_check(filmed, check):
    bug, strength = FIRST[check]
    if bug in suite.BEFORE:
        planted = suite.plant(bug, strength, seed=3, clips=320)
    else:
        planted = copy.deepcopy(filmed)
        bug(planted, strength)
    found = audit.examine(planted.dataset(), checks={check: audit.CHECKS[check]}).findings[0]
    assert found.check == check and found.level in ("error", "warning")
    assert any(digit.isdigit() for digit in found.evidence)


@pytest.mark.parametrize("seed", range(2))
def test_clean_sets_raise_no_alarm(seed):
    found = audit.examine(suite.clean(20 + seed, 240, **suite.WORLDS[seed]).film().dataset())
    assert [finding.evidence for finding in found.findings] == []
    assert (found.not_checked, found.errors) == ({}, [])


def found_by(number, split_N, classes=2, order="label"):
    """What a check of names and splits finds for clips in class order, of equally common classes, listed by `order`."""
    n = len(split_N)
    table = pd.DataFrame({"label": np.arange(n) * classes // n, "split": split_N, "number": np.arange(n) * 7 % 9.0})
    table = table.astype({"label": str}).sample(frac=1, random_state=1).sort_values(order, kind="stable")
    f = SimpleNamespace(table=table, split_N=table["split"].to_numpy(str), train_N=table["split"] == "train")
    return [result for result in audit.CHECKS[number][0](Dataset("listed", table, None), f) if result.found]


@pytest.mark.parametrize("classes", [2, 20])
@pytest.mark.parametrize("order", [["number"], ["label"], ["split"], ["split", "label"], ["label", "split"]], ids=str)
def test_the_order_of_a_list_is_no_finding(order, classes):
    split_N = np.random.default_rng(classes).choice(["train", "val", "test"], 200, p=[0.7, 0.15, 0.15])
    assert found_by(2, split_N, classes, order) == []


@pytest.mark.parametrize("classes", [2, 5, 20])
def test_a_class_ordered_list_cut_at_80_percent_is_an_error_in_any_order(classes):
    (found,) = found_by(2, np.where(np.arange(200) < 160, "train", "val"), classes, "number")
    assert found.level == "error" and found.evidence.startswith("val: the class explains ")


@pytest.mark.parametrize(("clips", "level"), [(100, "error"), (8, "info")])
def test_a_class_that_a_small_split_lacks_by_chance_is_no_error(clips, level):
    split = ["val" if 100 <= k < 100 + clips else "train" for k in range(200)]
    assert [found.level for found in found_by(1, split) if found.evidence.startswith("val")] == [level]


def test_phones_differ_a_little_and_other_rates_are_errors():
    planted, found = suite.clean(0, 40).film(), []
    for rates in ((29.6, 30.1), (24.0, 25.0)):
        planted.rate_N = np.resize(rates, 40)
        findings = audit.examine(planted.dataset(), checks={13: audit.CHECKS[13]}).findings
        found.append([(finding.level, finding.evidence) for finding in findings])
    assert found == [[], [("error", "frame rates range from 24 to 25 per second")]]


def test_a_copy_is_named_in_both_places_and_honest_clips_are_not(filmed):
    planted = copy.deepcopy(filmed)
    planted.video_NTHW[7] = planted.video_NTHW[3][..., ::-1]
    planted.table.loc[[3, 7], "split"] = ["train", "test"]
    (found,) = audit.examine(planted.dataset(), checks={4: audit.CHECKS[4]}).findings
    assert found.level == "warning" and found.evidence.startswith("2 clips are in two splits but for ")
    assert all(path in found.evidence for path in planted.table["path"][[3, 7]])


def test_the_distance_from_a_path_is_in_steps():
    """Of steps of 2 px: 0.19 px beside the path, and a middle of it, are near, 0.21 px is not; two clips count not."""
    seen_NTx2 = np.stack([np.arange(8.0) * 2, np.zeros(8)], axis=1)[None].repeat(5, axis=0)
    seen_NTx2[3] = 3.0  # stands still
    target_NHx2 = np.array([[[4, 0.19]], [[5, 0.0]], [[4, 0.21]], [[3, 3]], [[np.nan, 0]]]).repeat(2, axis=1)
    (result,) = audit.CHECKS[14][0](Dataset("steps", None, None, (seen_NTx2, target_NHx2)), None)
    assert result.evidence == "2 of 3 clips have their first target within 0.1 steps of the observed path"


def test_p_values_are_corrected_for_their_number(filmed):
    results = [Result(8, "error", 100, "", 0.5, 0.1, p) for p in (0.004, 0.02, 0.001)]
    checks = {3: (lambda *_: [Result(3, "error", 100, "", 1)], "", ""), 8: (lambda *_: results, "", "")}
    fact, *corrected = audit.examine(filmed.dataset(), checks).results
    assert (fact.p, fact.found) == (None, True)
    assert [(result.p, result.found) for result in corrected] == [(0.008, True), (0.02, False), (0.003, True)]


def test_path_features_by_hand():
    """A step of 3 px to the right in every frame; then one that turns by a right angle half way."""
    uv = np.zeros((2, 16, 2))
    uv[:, :, 0] = 3 * np.arange(16)
    uv[1, 9:] = uv[1, 8] + 3 * np.arange(1, 8)[:, None] * [0, 1]
    straight, turned = path_features(uv, Config())
    assert straight == pytest.approx(np.array([0, 0, straight[2], 3, 0, 0, 0, 0, 0, 0, 0]), abs=1e-6)
    assert turned[3:7] == pytest.approx([3, 0, -3 / 14, 3 / 14]) and turned[9] == pytest.approx(np.pi / 2)
    assert (turned[:3] > straight[:3]).all() and turned[0] > 1


@pytest.mark.parametrize(
    ("change", "errors"), [({}, []), ({"split": "class_order"}, [1, 2]), ({"target": "last_seen"}, [14])], ids=str
)
def test_the_old_report_s_mistakes_and_nothing_else_are_found_in_a_run(tmp_path, change, errors):
    cfg = Config(run_name="past", clips=200, test_clips=60, **change)
    data.make(cfg, tmp_path)
    report = audit.examine(of_run(cfg, tmp_path))
    assert sorted({finding.check for finding in report.errors}) == errors
    used = pd.read_parquet(tmp_path / "recipes.parquet")["split"].isin(["train", "val"]).sum()
    assert (report.examined, report.not_checked) == (used, {})
