"""The audit: 17 checks for flaws that make data, or results on them, worthless. For anybody's clips.

report = audit("outputs/quick")      # a run's folder, its data folder, or a folder of your own clips (read.py)
print(report.table()); report.errors; report.save(folder)
"""

import numpy as np

from trajnb.audit import checks, leaks, read
from trajnb.audit.features import extract
from trajnb.audit.report import TRAIN, AuditError, NotChecked, Report, correct

__all__ = ["CHECKS", "AuditError", "Report", "audit", "examine"]
CHECKS = dict(sorted((checks.CHECKS | leaks.CHECKS).items()))
MOST = 12_000  # clips whose pixels are examined


def audit(path):
    """The Report on a run's folder, its data folder, or a folder of a user's clips.

    Raises AuditError, one sentence, if there is nothing to audit or a table beside the clips cannot be read.
    """
    return examine(read.read(path))


def examine(dataset, most=MOST, checks=CHECKS):
    """The Report on a read.Dataset; at most so many clips are looked at; `checks` are all, or some of CHECKS."""
    split_N, results, not_checked = dataset.table["split"], [], {}
    rows = np.random.default_rng(0).permutation(len(split_N))[:most]
    rows = rows[np.argsort(split_N.to_numpy()[rows] != TRAIN, kind="stable")]  # training clips first
    dataset.features = extract(dataset, rows)
    for number, check in checks.items():
        try:
            for result in check(dataset):  # one by one: results before a NotChecked count
                results.append(result)
        except NotChecked as reason:
            not_checked[number] = str(reason)
    counts = {"clips": len(split_N), "examined": len(dataset.features)}
    counts["splits"] = split_N.value_counts().sort_index().to_dict()
    return Report(dataset.name, correct(results), not_checked, counts)
