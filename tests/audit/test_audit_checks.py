"""Every check catches its bug at a clear strength, and says nothing about clean sets."""

import numpy as np
import pandas as pd
import pytest
from planted import SUITE

from trajnb import audit, data, files
from trajnb.audit import findings, material, partition
from trajnb.config import Config

CLEAR = [(check, bug, strengths[-1]) for check, bug, strengths in SUITE.BUGS]


def of(report, check):
    return [test for test in report.findings if test.check == check]


@pytest.mark.parametrize(("check", "bug", "strength"), CLEAR, ids=[f"{c}-{bug.__name__}" for c, bug, _ in CLEAR])
def test_a_planted_bug_is_caught_by_its_own_check(check, bug, strength):
    material = SUITE.plant(bug, strength, seed=3, clips=320).material()
    found = of(audit.examine(material, checks={check: audit.CHECKS[check]}), check)
    assert found and found[0].severity in ("severe", "warning")
    assert any(digit.isdigit() for digit in found[0].evidence) and found[0].mend.endswith(".")


@pytest.mark.parametrize("seed", range(6))
def test_clean_sets_raise_no_alarm(seed):
    world = SUITE.WORLDS[seed % len(SUITE.WORLDS)]
    report = audit.examine(SUITE.clean(20 + seed, (240, 320, 600)[seed % 3], **world).film().material())
    assert [test.evidence for test in report.findings] == []
    assert report.not_checked == {}
    assert not report.severe


def listed(classes, order, split=None):
    """A Material of 200 clips without pixels, its rows sorted by some columns; the split is random or given."""
    rng = np.random.default_rng(classes)
    table = pd.DataFrame({"label": [f"class {k}" for k in np.arange(200) * classes // 200], "number": np.arange(200.0)})
    table["split"] = rng.choice(["train", "val", "test"], 200, p=[0.7, 0.15, 0.15]) if split is None else split
    table = table.assign(path=table["label"] + "/" + table.index.astype(str), number=rng.permutation(200) % 9.0)
    table = table.sample(frac=1, random_state=1).sort_values(order, kind="stable")
    return material.Material("listed", table, sorted(set(table["label"])))


@pytest.mark.parametrize("classes", [2, 5, 20])
@pytest.mark.parametrize("order", [["path"], ["label"], ["split"], ["split", "label"], ["label", "split"]], ids=str)
def test_the_order_of_a_list_is_no_finding(order, classes):
    assert not any(test.found for test in partition.order(listed(classes, order), None))


@pytest.mark.parametrize("classes", [2, 5, 20])
def test_a_class_ordered_list_cut_at_80_percent_is_severe_in_any_order(classes):
    cut = np.where(np.arange(200) < 160, "train", "val")
    (found,) = [test for test in partition.order(listed(classes, ["number"], cut), None) if test.found]
    assert found.severity == "severe" and found.evidence.startswith("val: the class explains ")


@pytest.mark.parametrize(("clips", "severity"), [(100, "severe"), (8, "note")])
def test_a_class_that_a_small_split_lacks_by_chance_is_a_note(clips, severity):
    split = ["val" if 100 <= k < 100 + clips else "train" for k in range(200)]
    found = [test for test in partition.classes(listed(2, ["path"], split), None) if test.evidence.startswith("val")]
    assert [(test.found, test.severity) for test in found] == [(True, severity)]


def test_every_bug_of_the_list_is_planted():
    assert sorted({check for check, _, _ in SUITE.BUGS}) == sorted(audit.CHECKS) == sorted(findings.CHECKS)
    assert list(audit.CHECKS) == list(range(1, 18))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    data.make(Config(clips=400, test_clips=100), folder)
    return folder


def test_our_own_data_are_clean(own):
    report = audit.audit(own)
    assert report.findings == []
    assert report.looked["splits"]["test"] == 100
    assert set(report.not_checked) == {15, 16, 17}
    assert report.not_checked[15] == "stats.json is missing"
    assert "17  predictions beyond the true oracle         not checked: predictions.parquet" in report.table()


def test_a_few_clips_stand_for_many(own):
    assert audit.audit(own, most=200).looked["pixels_of"] == 200


def test_the_predecessors_split_is_refused(own, tmp_path):
    table = pd.read_parquet(own / "recipes.parquet").sort_values("motion", kind="stable")
    table["split"] = np.where(np.arange(len(table)) < 0.8 * len(table), "train", "val")
    report = audited_with(own, tmp_path, "recipes.parquet", table)
    assert report.severe
    assert {1, 2, 13} <= {test.check for test in report.findings}  # 13: the manifest knows another file
    assert "val: 0 linear, 0 parabolic, 0 circular clips of 80, about 20 expected of each" in report.table()


def test_test_clips_of_the_training_seed_are_found(own, tmp_path):
    table = pd.read_parquet(own / "recipes.parquet").iloc[:40].assign(split="test")
    report = audited_with(own, tmp_path, "test.parquet", table, test_seed=0)
    assert [test.evidence.split(" (")[0] for test in of(report, 3)] == ["80 clips are in two splits"]
    with pytest.raises(audit.AuditError, match="without the data it belongs to"):
        audited_with(own, tmp_path, "test.parquet", pd.read_parquet(own / "test.parquet"), test_seed=0)


def audited_with(own, folder, name, table, **manifest):
    """The report on a copy of our folder with another table and other lines in its manifest."""
    for one in ("recipes.parquet", "test.parquet"):
        (folder / one).write_bytes((own / one).read_bytes())
    files.write_parquet(folder / name, table)
    made = files.read_json(own / "manifest.json") | manifest
    files.write_json(folder / "manifest.json", made)
    return audit.audit(folder)


def test_labels_permuted_in_one_split_are_named():
    report = audit.examine(SUITE.plant(SUITE.permuted, 2, seed=4, clips=400).material())
    (found,) = [test for test in of(report, 6) if test.severity == "severe"]
    assert found.evidence.startswith("val: motion predicts")
    assert "circular as linear" in found.evidence and "linear as circular" in found.evidence


def test_p_values_are_corrected_for_their_number():
    tests = [findings.Test(8, "severe", 0.5, 0.1, p, 100, "", "") for p in (0.004, 0.02, 0.001)]
    assert [test.p for test in findings.correct(tests)] == [0.008, 0.02, 0.003]
    assert [test.found for test in findings.correct(tests)] == [True, False, True]
    fact = findings.Test(3, "severe", 1, 1, None, 100, "", "")
    assert findings.correct([*tests, fact])[0] == fact


def test_motion_numbers_do_not_depend_on_the_place():
    path_1Tx2 = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1, 16, 2)), axis=1) + 0.5
    np.testing.assert_allclose(partition.motion(path_1Tx2), partition.motion(path_1Tx2 + 0.2), atol=1e-9)
