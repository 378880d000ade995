"""What an audit reports: the results of all checks, which of them are findings, and how to fix them.

A result is a finding when its effect reaches a limit that matters and, where chance could have made it, its p-value is
below ALPHA after Holm's correction over all results (S. Holm, 1979). Facts, such as a copied clip, have no p-value.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np

from trajnb import files
from trajnb.evaluation.statistics import holm

TRAIN = "train"  # the split that networks are trained on
ALPHA = 0.01  # chance of any false finding among all results of one audit, as far as p-values tell
ERROR, WARNING, INFO = LEVELS = ("error", "warning", "info")  # worst first
CHECKS = {  # name, fix
    1: ("class missing or rare in a split", "add clips, or split at random, by a hash of the content for instance."),
    2: ("split ordered by class or by index", "split at random, by a hash of the content for instance."),
    3: ("exact duplicates across splits", "keep one of each: a training clip does not test a network."),
    4: ("near duplicates across splits", "keep one of each, and split by scene before copies are made."),
    5: ("the same clip under two labels", "look at these clips and remove the wrong label."),
    6: ("labels permuted between splits", "number the classes alike in all splits, or correct these labels."),
    7: ("file name or index predicts the label", "give clips names that do not depend on the class, such as a hash."),
    8: ("brightness predicts the label", "draw brightness, noise and colour alike for all classes."),
    9: ("size predicts the label", "draw object and distance alike for all classes."),
    10: ("start position predicts the label", "place paths alike for all classes, or crop at random."),
    11: ("one frame or a stamp predicts the label", "compare this frame between classes; crop or mask a stamp."),
    12: ("empty or frozen clips", "remove them, or film them again."),
    13: ("wrong range, type, length or frame rate", "correct or remove these clips: all splits need one format."),
    14: ("target inside the observed frames", "begin the targets at the frame after the last observed one."),
    15: ("normalisation fitted on test data", "fit mean and standard deviation on the training clips alone."),
    16: ("predictions significantly below chance", "check the numbering of the classes, and the split."),
    17: ("predictions beyond the true oracle", "look for the label in file names, targets and features."),
}


class AuditError(ValueError):
    """Nothing can be audited; the message is one sentence."""


class NotChecked(Exception):
    """A check cannot be made; the message names what is missing."""


@dataclass(frozen=True)
class Result:
    """One result of a check; `p` is None for a fact, and corrected for the number of results in a Report."""

    check: int  # number in CHECKS
    level: str  # of LEVELS, if it is a finding
    n: int  # clips it rests on
    evidence: str  # one sentence with numbers
    effect: float  # in the unit that `evidence` names; of a fact, the number of clips
    limit: float = 1.0  # least effect that matters
    p: float | None = None

    @property
    def found(self):
        return bool(self.effect >= self.limit and (self.p is None or self.p < ALPHA))


@dataclass(frozen=True)
class Report:
    """All results; {check: reason} of what was not checked; counts: clips, examined, splits {name: clips}."""

    name: str
    results: tuple
    not_checked: dict
    counts: dict

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
        worst = {f.check: f.level.upper() for f in reversed(self.findings)}
        reasons = {check: f"not checked: {reason}" for check, reason in self.not_checked.items()} | worst
        lines = [f"audit of {self.name}: {self.counts['clips']:,} clips, {self.counts['examined']:,} examined"]
        lines += [f"{check:4d}  {name:42s} {reasons.get(check, 'ok')}" for check, (name, _) in CHECKS.items()]
        for f in self.findings:
            (name, fix), p = CHECKS[f.check], "" if f.p is None else f" (p {f.p:.1g})"
            lines += ["", f"{f.level}: {name} ({f.check})", f"  {f.evidence}{p}", f"  fix: {fix}"]
        return "\n".join(lines)

    def save(self, folder):
        """Write audit.json into `folder`: the same bytes for the same data. Returns its path."""
        results = [asdict(result) | {"name": CHECKS[result.check][0], "found": result.found} for result in self.results]
        whole = {"audited": self.name, "errors": len(self.errors), **self.counts, "alpha": ALPHA, "results": results}
        return files.write_json(f"{folder}/audit.json", whole | {"not_checked": self.not_checked})


def correct(results):
    """The results in order of checks, with p-values corrected by Holm; four digits are alike on all machines."""
    results = sorted(results, key=lambda result: result.check)
    corrected = iter(holm(np.array([result.p for result in results if result.p is not None])))
    p_values = [None if result.p is None else float(f"{next(corrected):.4g}") for result in results]
    pairs = zip(results, p_values, strict=True)
    return tuple(replace(result, effect=float(f"{result.effect:.4g}"), p=p) for result, p in pairs)
