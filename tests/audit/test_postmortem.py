"""The old report's mistakes in a run's data: the audit finds them."""

import pandas as pd
import pytest

from trajnb import audit, data
from trajnb.audit.read import of_run
from trajnb.config import Config

CFG = Config(run_name="past", clips=200, test_clips=60)


@pytest.mark.parametrize(
    ("change", "errors"), [({}, []), ({"split": "class_order"}, [1, 2]), ({"target": "last_seen"}, [14])], ids=str
)
def test_the_audit_finds_the_mistakes_and_nothing_else(tmp_path, change, errors):
    cfg = CFG.replace(**change)
    data.make(cfg, tmp_path)
    report = audit.examine(of_run(cfg, tmp_path))
    assert sorted({finding.check for finding in report.errors}) == errors
    used = pd.read_parquet(tmp_path / "recipes.parquet")["split"].isin(["train", "val"]).sum()
    assert (report.examined, report.not_checked) == (used, {})
