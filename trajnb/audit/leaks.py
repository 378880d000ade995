"""Checks 7 to 11: whether anything but motion predicts the label. Small classifiers try; they must not do much better
than predicting the commonest class.

Shapes:   N clips   D numbers of a clip   T frames   K classes
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import cross_val_predict

from trajnb.audit.findings import SEVERE, WARNING, NotChecked, Test
from trajnb.audit.material import TRAIN

LEARN = 3000  # clips that a classifier learns from at most
FEWEST_CLIPS, FEWEST_OF_A_CLASS = 40, 10
TREES = 50
LIMITS = {7: 0.15, 8: 0.1, 9: 0.1, 10: 0.15, 11: 0.15}  # of the way from chance to 1; motion itself moves paths' ends
GRAVE = 0.3  # from here on nothing learned can be called motion
STAMP = 16  # pixels that a stamp may have
LIGHT = ["median", "low", "high", "object", "noise", "red", "blue"]


class Guess(NamedTuple):
    """How well labels can be named from some numbers."""

    top1: float
    effect: float  # of the way from always naming the commonest class to naming all
    p: float  # chance of as many right by naming the commonest class
    n: int


def trees():
    """The classifier of all checks: extremely randomised trees, fixed seed."""
    return ExtraTreesClassifier(TREES, min_samples_leaf=3, random_state=0)


def guess(feature_ND, label_N):
    """Guess of labels from numbers by trees that have not seen the clip; NotChecked with too few clips."""
    common_N = np.isin(label_N, np.flatnonzero(np.bincount(label_N) >= FEWEST_OF_A_CLASS))
    rows = np.flatnonzero(common_N)[:LEARN]
    enough(label_N[rows])
    return judged(cross_val_predict(trees(), feature_ND[rows], label_N[rows], cv=3), label_N[rows])


def enough(label_N):
    """Raise NotChecked with fewer than FEWEST_CLIPS clips or a single class."""
    if len(label_N) < FEWEST_CLIPS or len(set(label_N)) < 2:
        raise NotChecked(f"it needs {FEWEST_CLIPS} training clips of two or more classes, not {len(label_N)}")


def judged(said_N, label_N):
    """The Guess that answers are."""
    right, chance = int((said_N == label_N).sum()), np.bincount(label_N).max() / len(label_N)
    top1 = right / len(label_N)
    return Guess(top1, (top1 - chance) / (1 - chance), float(binom.sf(right - 1, len(label_N), chance)), len(label_N))


def leak(check, what, told, mend, tries=1):
    """The Test that a Guess is: `what` predicts the label."""
    severity = SEVERE if told.effect >= GRAVE and check != 7 else WARNING
    said = f"{what} alone predicts {told.top1:.1%} of {told.n} training labels ({told.effect:.0%} above chance)"
    return Test(check, severity, told.effect, LIMITS[check], min(1.0, tries * told.p), told.n, said, mend)


def training(seen):
    """Numbers of the training clips looked at."""
    return np.flatnonzero(seen.split_N == TRAIN)


def names(material, seen):
    """7: names without their class, and the numbers in them, must not predict the label."""
    rows = training(seen)
    table = material.table.iloc[seen.row_N[rows]]
    told = guess(name_features(table["path"], table["number"], material.classes), seen.label_N[rows])
    mend = "give the clips names that do not depend on the class, such as a hash, and never split by name."
    yield leak(7, "the file name (or index)", told, mend)


def name_features(paths, numbers, classes):
    """Numbers (N, D) that a file name holds: letters, length, the last number, and that modulo 2 to K + 1."""
    told = "|".join(sorted((re.escape(name) for name in classes), key=len, reverse=True))
    stem_N = [re.sub(told, "", Path(path).stem, flags=re.IGNORECASE) for path in paths]
    letters_N = pd.factorize(pd.Series([re.sub(r"\d+", "", stem) for stem in stem_N]), sort=True)[0]
    number_N = pd.Series(numbers).fillna(-1).to_numpy()
    modulo = [number_N % k for k in range(2, len(classes) + 2)]
    return np.column_stack([letters_N, [len(stem) for stem in stem_N], number_N, *modulo])


def brightness(material, seen):
    """8: grey levels, noise and tint must not predict the label."""
    rows = training(seen)
    told = guess(seen.light[LIGHT].to_numpy(float)[rows], seen.label_N[rows])
    mend = "draw brightness, noise and colour alike for all classes, or normalise each clip."
    yield leak(8, "brightness (levels, noise, tint)", told, mend)


def size(material, seen):
    """9: the object's mean size must not predict the label."""
    rows = training(seen)
    area_NT = np.where(seen.area_NT[rows] > 0, seen.area_NT[rows], np.nan)
    there_N = ~np.isnan(area_NT).all(axis=1)
    told = guess(np.nanmedian(area_NT[there_N], axis=1)[:, None], seen.label_N[rows][there_N])
    yield leak(9, "the object's size", told, "draw object and distance alike for all classes.")


def start(material, seen):
    """10: the place in the first frame must not predict the label."""
    rows = training(seen)
    told = guess(seen.uv_NTx2[rows, 0], seen.label_N[rows])
    mend = "anchor paths at a random frame and place, alike for all classes, or crop at random."
    yield leak(10, "the start position", told, mend)


def stills(material, seen):
    """11: no single frame, and no few pixels, may predict the label."""
    rows = training(seen)
    told = [guess(seen.stills_N3D[rows, k], seen.label_N[rows]) for k in range(3)]
    best = int(np.argmax([one.effect for one in told]))
    mend = "compare this frame between classes: object, background or place differ; draw them alike."
    yield leak(11, f"the {('first', 'middle', 'last')[best]} frame", told[best], mend, tries=len(told))
    rows = np.flatnonzero(seen.split_N[: len(seen.kept_MTHW)] == TRAIN)
    told, where = stamp(seen.kept_MTHW[rows], seen.light["median"].to_numpy()[rows], seen.label_N[rows])
    yield leak(11, f"a group of pixels around {where}", told, "remove the stamp: crop or mask it in all clips.")


def stamp(video_NTHW, median_N, label_N):
    """Guess from the pixels that differ most between classes, chosen on one half of the clips and tried on the other;
    and where the best is."""
    enough(label_N)
    half_N, said_N, best = np.arange(len(label_N)) % 2, np.empty_like(label_N), None
    for half in (0, 1):
        share_MHW = explained(video_NTHW, median_N, label_N, half_N == half)
        best = np.sort(np.argpartition(share_MHW.ravel(), -STAMP)[-STAMP:])
        feature_ND, learn_N = gathered(video_NTHW, median_N, best), half_N == half
        said_N[~learn_N] = trees().fit(feature_ND[learn_N], label_N[learn_N]).predict(feature_ND[~learn_N])
    frame, y, x = np.unravel_index(share_MHW.argmax(), share_MHW.shape)
    when = "in the mean of all frames" if frame == video_NTHW.shape[1] else f"in frame {frame}"
    return judged(said_N, label_N), f"x {x}, y {y} {when}"


def explained(video_NTHW, median_N, label_N, part_N):
    """Share (T + 1, H, W) of a pixel's variance that the class explains, for each frame and the mean of all."""
    member_KN = (label_N[part_N] == np.unique(label_N[part_N])[:, None]).astype(np.float32)
    member_KN /= np.sqrt(member_KN.sum(axis=1, keepdims=True))
    share = []
    for frame in range(video_NTHW.shape[1] + 1):
        value_NP = pixels(video_NTHW, median_N, frame)[part_N]
        value_NP -= value_NP.mean(axis=0)
        total_P = (value_NP**2).sum(axis=0)
        share.append(((member_KN @ value_NP) ** 2).sum(axis=0) / np.maximum(total_P, 1e-6))
    return np.array(share).reshape(-1, *video_NTHW.shape[2:])


def pixels(video_NTHW, median_N, frame):
    """Levels (N, H W) float32 of one frame, or of the mean of all (number T), about each clip's median."""
    chosen = video_NTHW[:, frame] if frame < video_NTHW.shape[1] else video_NTHW.mean(axis=1, dtype=np.float32)
    return chosen.reshape(len(chosen), -1).astype(np.float32) - median_N[:, None].astype(np.float32)


def gathered(video_NTHW, median_N, best):
    """The levels (N, D) at flat places of (T + 1, H, W), in their order."""
    frame_D, place_D = np.divmod(best, video_NTHW[0, 0].size)
    frames = np.unique(frame_D)
    return np.column_stack([pixels(video_NTHW, median_N, t)[:, place_D[frame_D == t]] for t in frames])


CHECKS = {7: names, 8: brightness, 9: size, 10: start, 11: stills}
