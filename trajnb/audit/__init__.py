"""The audit: 14 checks for flaws that make data, and all results on them, worthless. For anybody's clips.

report = audit("my_clips")      # a folder, see read.py
print(report.table()); report.errors; report.save(folder)
"""

from dataclasses import asdict, dataclass, replace

import numpy as np

from trajnb import files
from trajnb.audit.checks import CHECKS, ERROR, LEVELS, NotChecked
from trajnb.audit.read import TRAIN, extract, read
from trajnb.evaluation.statistics import holm

MOST = 12_000  # clips whose pixels are examined
COMPARING = (1, 2, 3, 4, 6)  # checks that need two splits


@dataclass(frozen=True)
class Report:
    """All results of an audit of so many clips, some of them examined; {check: reason} of what was not checked."""

    name: str
    clips: int
    examined: int
    results: list
    not_checked: dict

    @property
    def findings(self):
        """The results that found something, worst first."""
        return sorted((r for r in self.results if r.found), key=lambda r: LEVELS.index(r.level))

    @property
    def errors(self):
        """The findings of level error: with any of them, no result on these data means what it claims."""
        return [finding for finding in self.findings if finding.level == ERROR]

    def table(self):
        """The report as text: a line for each check, then evidence and fix of each finding."""
        shown = {check: f"not checked: {reason}" for check, reason in self.not_checked.items()}
        shown |= {f.check: f.level.upper() for f in reversed(self.findings)}
        lines = [f"audit of {self.name}: {self.clips:,} clips, {self.examined:,} examined"]
        lines += [f"{check:4d}  {name:42s} {shown.get(check, 'ok')}" for check, (_, name, _) in CHECKS.items()]
        for f in self.findings:
            (_, name, fix), p = CHECKS[f.check], "" if f.p is None else f" (p {f.p:.1g})"
            lines += ["", f"{f.level}: {name} ({f.check})", f"  {f.evidence}{p}", f"  fix: {fix}"]
        lines += ["", f"{len(CHECKS) - len(self.not_checked)} of {len(CHECKS)} checks made"]
        return "\n".join(lines)

    def save(self, folder):
        """Write audit.json into `folder`: the same bytes for the same data. Returns its path."""
        return files.write_json(f"{folder}/audit.json", asdict(self) | {"findings": list(map(asdict, self.findings))})


def audit(folder):
    """The Report on a folder of clips; ParameterError if there is nothing to audit or a table beside it is broken."""
    return examine(read(folder))


def examine(dataset, checks=CHECKS):
    """The Report on a read.Dataset; at most MOST clips are looked at; `checks` are all, or some of CHECKS."""
    split_N, results, not_checked = dataset.table["split"], [], {}
    rows = np.random.default_rng(0).permutation(len(split_N))[:MOST]
    rows = rows[np.argsort(split_N.to_numpy()[rows] != TRAIN, kind="stable")]  # training clips first
    features = extract(dataset, rows)
    for number, (check, *_) in checks.items():
        try:
            if number in COMPARING and split_N.nunique() < 2:
                raise NotChecked("splits.csv is missing, or has no split but train")
            results += check(dataset, features)
        except NotChecked as reason:
            not_checked[number] = str(reason)
    corrected = iter(holm(np.array([result.p for result in results if result.p is not None])))
    results = [result if result.p is None else replace(result, p=float(next(corrected))) for result in results]
    return Report(dataset.name, len(split_N), len(features.table), results, not_checked)
