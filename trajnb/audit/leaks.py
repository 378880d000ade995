"""Checks 7 to 11: whether anything but motion predicts the label. Small classifiers try; they must not do much better
than predicting the commonest class.

Shapes:   N clips   D numbers of a clip   T frames   K classes   P pixels
"""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from trajnb.audit.report import ERROR, WARNING, NotChecked, Result

MOST_CLIPS, FEWEST_CLIPS, FEWEST_OF_A_CLASS = 3000, 40, 10  # that a classifier is trained on
LIMITS = {7: 0.15, 8: 0.1, 9: 0.1, 10: 0.15, 11: 0.15}  # of the way from chance to 1; motion itself moves paths' ends
GRAVE = 0.3  # from here on nothing learned can be called motion
STAMP = 16  # pixels of a stamp
LIGHT = ["median", "low", "high", "object", "noise", "red", "blue"]


def trees():
    """Extremely randomised trees: boosted ones, as the controls have, learn nothing from 60 clips (20 in a leaf)."""
    return ExtraTreesClassifier(50, min_samples_leaf=3, random_state=0)


def cross_validated(feature_ND, label_N, classifier=None, folds=3):
    """(top-1, effect, p, n) on clips that the classifier was not trained on; NotChecked with too few clips.

    Effect: of the way from always predicting the commonest class to 1. p: chance of as many correct by doing so.
    """
    rows = np.flatnonzero(np.bincount(label_N)[label_N] >= FEWEST_OF_A_CLASS)[:MOST_CLIPS]
    label_N, n = label_N[rows], len(rows)
    if n < FEWEST_CLIPS or len(set(label_N)) < 2:
        raise NotChecked(f"it needs {FEWEST_CLIPS} training clips of two or more classes, not {n}")
    correct = int((cross_val_predict(classifier or trees(), feature_ND[rows], label_N, cv=folds) == label_N).sum())
    top1, chance = correct / n, np.bincount(label_N).max() / n
    return top1, (top1 - chance) / (1 - chance), float(binom.sf(correct - 1, n, chance)), n


def leak(check, what, scores, tries=1):
    """The Result of scores, the best of so many `tries`: `what` predicts the label."""
    top1, effect, p, n = scores
    evidence = f"{what} alone predicts {top1:.1%} of {n} training labels ({effect:.0%} above chance)"
    level = ERROR if effect >= GRAVE and check != 7 else WARNING
    return Result(check, level, n, evidence, effect, LIMITS[check], min(1.0, tries * p))


def leak_check(number, what, features):
    """The check that features(data) (N, D) do not predict the labels of the training clips."""

    def check(data):
        rows = data.features.training
        yield leak(number, what, cross_validated(features(data)[rows], data.features.label_N[rows]))

    return check


def name_features(data):
    """Numbers (N, D) in a name without its class: letters, length, the last number, and that modulo 2 to K + 1."""
    table = data.table.iloc[data.features.row_N]
    labels = "|".join(sorted((re.escape(name) for name in data.classes), key=len, reverse=True))
    stem_N = [re.sub(labels, "", Path(path).stem, flags=re.IGNORECASE) for path in table["path"]]
    letters_N = pd.factorize(pd.Series([re.sub(r"\d+", "", stem) for stem in stem_N]), sort=True)[0]
    number_N = table["number"].fillna(-1).to_numpy()
    modulo = [number_N % k for k in range(2, len(data.classes) + 2)]
    return np.column_stack([letters_N, [len(stem) for stem in stem_N], number_N, *modulo])


def size(data):
    """The object's median area (N, 1) in the frames that show it."""
    return np.ma.median(np.ma.masked_equal(data.features.area_NT, 0), axis=1).filled(0)[:, None]


def stills(data):
    """11: no single frame, and no few pixels, may predict the label."""
    f, rows = data.features, data.features.training
    scores = [cross_validated(f.still_N3D[rows, k], f.label_N[rows]) for k in range(3)]
    best = int(np.argmax([effect for _, effect, *_ in scores]))
    yield leak(11, f"the {('first', 'middle', 'last')[best]} frame", scores[best], tries=3)
    rows = rows[rows < len(f.whole_MTHW)]
    yield stamp(f.whole_MTHW[rows], f.info["median"].to_numpy(np.float32)[rows], f.label_N[rows])


def stamp(video_NTHW, median_N, label_N):
    """Result: whether the pixels that differ most between classes, in a frame or the mean of all, predict the label."""
    video_NFHW = np.concatenate([video_NTHW, video_NTHW.mean(axis=1, keepdims=True, dtype=np.float32)], axis=1)
    level_NP = video_NFHW.reshape(len(median_N), -1) - median_N[:, None]
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")  # many pixels never change
        finder = make_pipeline(SelectKBest(f_classif, k=STAMP), trees())
        scores = cross_validated(level_NP, label_N, finder, folds=2)  # halves: pixels are chosen on one of them
        best = np.nan_to_num(f_classif(level_NP, label_N)[0]).argmax()
    frame, y, x = np.unravel_index(best, video_NFHW.shape[1:])
    when = "in the mean of all frames" if frame == video_NTHW.shape[1] else f"in frame {frame}"
    return leak(11, f"a group of pixels around x {x}, y {y} {when}", scores)


CHECKS = {
    7: leak_check(7, "the file name (or index)", name_features),
    8: leak_check(8, "brightness (levels, noise, tint)", lambda data: data.features.info[LIGHT].to_numpy(float)),
    9: leak_check(9, "the object's size", size),
    10: leak_check(10, "the start position", lambda data: data.features.uv_NTx2[:, 0]),
    11: stills,
}
