"""The report of an audit: every test it made, which of them are findings, what was not checked, and what to do.

A test is a finding when its effect reaches a limit that matters and, where chance could have made it, its p-value stays
below LEVEL after Holm's correction over all tests of the audit (S. Holm 1979). Facts, such as a copied clip, have none.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np

from trajnb import files
from trajnb.evaluation.statistics import holm

LEVEL = 0.01  # chance of any false finding among all tests of one audit, as far as p-values say it
SEVERE, WARNING, NOTE = ORDER = "severe", "warning", "note"
CHECKS = {
    1: "class missing or rare in a split",
    2: "split ordered by class or by index",
    3: "exact duplicates across splits",
    4: "near duplicates across splits",
    5: "the same clip under two labels",
    6: "labels permuted between splits",
    7: "file name or index predicts the label",
    8: "brightness predicts the label",
    9: "size predicts the label",
    10: "start position predicts the label",
    11: "one frame or a stamp predicts the label",
    12: "empty or frozen clips",
    13: "wrong range, type, length or frame rate",
    14: "target inside the observed frames",
    15: "normalisation fitted on test data",
    16: "predictions significantly under chance",
    17: "predictions beyond the true oracle",
}


class AuditError(ValueError):
    """Nothing can be audited; the message is one sentence."""


class NotChecked(Exception):
    """A check cannot be made; the message says for lack of what."""


@dataclass(frozen=True)
class Test:
    """One test of the data. `p` is None for a fact; after `correct`, it is Holm's."""

    check: int  # number in CHECKS
    severity: str  # if it is a finding
    effect: float  # size of what was found, in the unit that `evidence` names
    limit: float  # from here on it matters
    p: float | None
    n: int  # clips it rests on
    evidence: str  # one sentence with numbers
    mend: str  # one sentence

    __test__ = False  # no test of pytest's

    @property
    def chance(self):
        """The p-value as text, or nothing for a fact."""
        return "" if self.p is None else f" (p {self.p:.1g})" if self.p > 1e-9 else " (p under 1e-9)"

    @property
    def found(self):
        return bool(self.effect >= self.limit and (self.p is None or self.p < LEVEL))


@dataclass(frozen=True)
class Report:
    """The answer of `audit`: all tests, corrected; {check: why} of what could not be checked; what was looked at."""

    name: str
    tests: tuple
    not_checked: dict
    looked: dict

    @property
    def findings(self):
        """The tests that found something, worst first."""
        return sorted((test for test in self.tests if test.found), key=lambda test: ORDER.index(test.severity))

    @property
    def severe(self):
        """Whether anything is so wrong that no result on these data means what it says."""
        return any(test.severity == SEVERE for test in self.findings)

    def table(self):
        """The report as text: a line for each check, then evidence and remedy of each finding."""
        lines = [f"audit of {self.name}: {self.looked['clips']:,} clips, {self.looked['pixels_of']:,} examined"]
        lines += [f"{number:4d}  {CHECKS[number]:42s} {self.verdict(number)}" for number in CHECKS]
        for test in self.findings:
            lines += ["", f"{test.severity}: {CHECKS[test.check]} ({test.check})", f"  {test.evidence}{test.chance}"]
            lines += [f"  fix: {test.mend}"]
        return "\n".join(lines)

    def verdict(self, number):
        """The verdict on one check, in a few words."""
        found = [test.severity for test in self.findings if test.check == number]
        if found:
            return found[0].upper()
        return f"not checked: {self.not_checked[number]}" if number in self.not_checked else "ok"

    def save(self, folder):
        """Write audit.json into `folder`: the same bytes for the same data. Returns its path."""
        tests = [asdict(test) | {"name": CHECKS[test.check], "found": test.found} for test in self.tests]
        whole = {"audited": self.name, "severe": self.severe, "looked": self.looked, "level": LEVEL, "tests": tests}
        skipped = [{"check": k, "name": CHECKS[k], "reason": why} for k, why in sorted(self.not_checked.items())]
        return files.write_json(f"{folder}/audit.json", whole | {"not_checked": skipped})


def correct(tests):
    """The same tests, in order of their checks, with Holm's p-values in place of the plain ones."""
    tests = sorted(tests, key=lambda test: test.check)
    chance = [i for i, test in enumerate(tests) if test.p is not None]
    corrected = dict(zip(chance, holm(np.array([tests[i].p for i in chance])), strict=True))
    return [
        replace(test, effect=short(test.effect), p=short(corrected[i]) if i in corrected else None)
        for i, test in enumerate(tests)
    ]


def short(number):
    """Four significant digits: what is further down differs between machines."""
    return float(f"{number:.4g}")
