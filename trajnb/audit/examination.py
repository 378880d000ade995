"""All checks on one set of clips: which clips are looked at, and what comes of it."""

import numpy as np

from trajnb.audit import features, leaks, partition, soundness
from trajnb.audit.findings import NotChecked, Report, correct
from trajnb.audit.material import TRAIN, read

CHECKS = {**partition.CHECKS, **leaks.CHECKS, **soundness.CHECKS}
MOST = 12_000  # clips whose pixels are looked at


def audit(path, most=MOST):
    """The Report on a data folder of ours, a run's folder, or a folder of a user's clips.

    most: clips whose pixels are read at most (the others are judged by table and recipe alone). Raises AuditError, one
    sentence, where there is nothing to audit or a table beside the clips cannot be read.
    """
    return examine(read(path), most)


def examine(material, most=MOST, checks=CHECKS):
    """The Report on a Material; `checks` are all, or some of CHECKS."""
    seen, tests, not_checked = features.look(material, chosen(material, most)), [], {}
    for number, check in checks.items():
        try:
            for test in check(material, seen):
                tests.append(test)  # one by one, so that what was tested before a NotChecked counts
        except NotChecked as reason:
            not_checked[number] = str(reason)
    partition.nearest.cache_clear()  # it would keep the clips in memory
    split = material.table["split"].value_counts().sort_index()
    looked = {"clips": len(material.table), "pixels_of": len(seen), "splits": {k: int(n) for k, n in split.items()}}
    looked |= {"data": material.identity}
    return Report(material.name, tuple(correct(tests)), not_checked, looked)


def chosen(material, most):
    """Numbers of the clips to look at, in an order that says nothing: training clips first."""
    order_N = np.random.default_rng(0).permutation(len(material.table))[:most]
    train_N = (material.table["split"] == TRAIN).to_numpy()[order_N]
    return np.concatenate([order_N[train_N], order_N[~train_N]])
