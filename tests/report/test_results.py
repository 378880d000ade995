"""What a run has left is read with doubt: a record that is none says so, a cell that is no number is missing."""

import json

import pytest

from trajnb.config import ParameterError
from trajnb.report import report, results

STAGES = {"data": {"status": "done", "seconds": 1}}
GOOD = {"run": "a", "status": "done", "parameters": {"epochs": 3, "clips": 5, "test_clips": 6}, "stages": STAGES}


def record(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    return results.record(tmp_path)


def test_an_old_record_is_enough_and_keeps_its_order(tmp_path):
    run = record(tmp_path, json.dumps(GOOD | {"more": 1}))
    assert list(run["parameters"]) == ["epochs", "clips", "test_clips"]
    assert (run["trajnb"], run["stages"]["data"]["seconds"]) == ("", 1.0)
    assert "ended" not in run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"run": "a"}',
        "[" * 100_000,
        json.dumps(GOOD | {"status": 3}),
        json.dumps(GOOD | {"stages": []}),
        json.dumps(GOOD | {"stages": {"data": "done"}}),
        json.dumps(GOOD | {"stages": {"data": {"status": "done", "seconds": "<b>"}}}),
        json.dumps(GOOD | {"parameters": {"clips": "many", "test_clips": 3}}),
        json.dumps(GOOD | {"parameters": None}),
    ],
)
def test_what_is_no_record_is_said_in_a_sentence(tmp_path, text):
    with pytest.raises(ParameterError, match=r"run.json (is no whole JSON|says nothing of a run): run it again."):
        record(tmp_path, text)


@pytest.mark.parametrize("cell", ["<b>", "", "inf", "-1e999", "nan", "7"])
def test_a_cell_that_is_no_score_takes_only_its_row_from_the_verdict(tmp_path, cell):
    path = tmp_path / "leaderboard.csv"
    path.write_text(
        "model,kind,preset,n_test,test_top1,test_top1_low,test_top1_high,ade_px,macs\n"
        f"a,network,nano,400,{cell},0.4,0.6,2.0,1\nb,network,nano,400,0.5,0.4,0.6,{cell},1\n"
        f"ensemble_x,ensemble,nano,400,0.5,0.4,0.6,2.0,{cell}\n"
        f"c,network,nano,{cell},0.5,0.4,0.6,2.0,1\nchance,baseline,,,{cell},,,,\n"
        f"pixel_oracle,oracle,,,0.9,,,{cell},\nchance,baseline,,,,,,,\n"
    )
    table = results.leaderboard(tmp_path)
    text = " ".join(report.verdict(table, GOOD))
    assert "a (nano) names" not in text
    assert "b (nano) names the motion of 0.500" in text
    assert len(report.rows(table)[1]) == 7


def test_a_model_may_be_called_like_a_number(tmp_path):
    (tmp_path / "leaderboard.csv").write_text(
        "model,kind,preset,n_test,test_top1,test_top1_low,test_top1_high,ade_px\n1,network,2,400,0.5,0.4,0.6,2.0\n"
    )
    assert "1 (2) names" in " ".join(report.verdict(results.leaderboard(tmp_path), GOOD))


def test_what_the_robustness_stage_says_is_read_by_subject_and_damage_is_nothing(tmp_path):
    assert results.trust(tmp_path) == {}
    path = tmp_path / "robustness" / "sentences.csv"
    path.parent.mkdir()
    path.write_text("about,text\nSeeds,one\nCosts,two\nSeeds,three\nCosts,\n")
    assert results.trust(tmp_path) == {"Seeds": ["one", "three"], "Costs": ["two"]}
    for damaged in (b"", b"\xff\xfe\x00", b"a,b\n1,2\n"):
        path.write_bytes(damaged)
        assert results.trust(tmp_path) == {}
