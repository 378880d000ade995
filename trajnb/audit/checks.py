"""The checks. Each yields Results on a read.Dataset and its read.Features f; NotChecked names what is missing.

A Result is a finding when its effect reaches a limit that matters and, where chance could have made it, its p-value is
below ALPHA after Holm's correction over all Results (S. Holm, 1979). Facts, such as a copied clip, have no p-value.

Small classifiers try what predicts the label (6 to 11): motion must, alike in all splits, and nothing else may.

Shapes:   N clips (M of a split)   K classes   D numbers of a clip   T observed frames   H targets   P pixels
"""

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom, chi2_contingency, mannwhitneyu
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline

from trajnb.audit.read import TRAIN
from trajnb.config import Config
from trajnb.world import families

ALPHA = 0.01  # chance of any false finding among all results of one audit, as far as p-values tell
ERROR, WARNING, INFO = LEVELS = ("error", "warning", "info")  # worst first
FEW = 5  # clips of a class expected in a split: with fewer it may be missing by chance, which is no error
RARE = 0.5  # of the clips of a class expected in a split are missing
OF_CLASS = 0.2  # of the variance of the split is the class's: 1 of 2 ordered classes cut at 80 % gives 0.25
TWIN = 0.05  # distance of two fingerprints (0 to 2): new noise stays below, 10,000 honest clips above 0.07
NEIGHBOURS = 3  # a clip itself and two others
VISIBLE = 0.25  # of the frames must show an object that moves
MANY = 0.01  # of the clips: no longer an accident
REPEATED, STILL = 0.3, 0.9  # of the frames equal the one before: a wrong frame rate, a frozen clip
OTHER_RATE = 0.04  # of a frame rate: 24 against 25; what phones call 30 differs by less
DRIFT = 0.3  # twice the distance of the area under the curve from one half
ON_PATH, OFTEN = 0.1, 0.3  # steps from the observed path; share of the clips: closing circles bring back some
MOST_CLIPS, FEWEST_CLIPS, FEWEST_OF_A_CLASS = 3000, 40, 10  # that a classifier is trained on
TELLING = 0.3  # of the way from chance to 1 that motion must predict before check 6 means anything
WORSE = 0.15  # accuracy lost on a split
LIMITS = {7: 0.15, 8: 0.1, 9: 0.1, 10: 0.15, 11: 0.15}  # of the way from chance to 1; motion itself moves paths' ends
GRAVE = 0.3  # from here on nothing learned can be called motion
STAMP = 16  # pixels of a stamp
# Extremely randomised trees: boosted ones, as the controls have, learn nothing from 60 clips (20 in a leaf).
TREES = ExtraTreesClassifier(50, min_samples_leaf=3, random_state=0)
LIGHT = ["background", "lowest", "highest", "noise"]


class NotChecked(Exception):
    """A check cannot be made; the message names what is missing."""


@dataclass(frozen=True)
class Result:
    """One result of a check; `p` is None for a fact, and corrected for the number of results."""

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


def fact(check, level, n, paths, what):
    """The Result that so many clips `what`, with the first three paths."""
    paths = list(dict.fromkeys(paths))
    some = f" ({', '.join(paths[:3])}{', ...' if len(paths) > 3 else ''})" if paths else ""
    return Result(check, level, n, f"{len(paths)} {what}{some}", len(paths))


def drift(check, name, what, value_N, split_N):
    """Result: whether a number is larger, or smaller, in the split `name` than in train (Mann and Whitney's test)."""
    part_M, train_M = value_N[split_N == name], value_N[split_N == TRAIN]
    test = mannwhitneyu(part_M, train_M, method="asymptotic")
    effect = abs(2 * test.statistic / (len(part_M) * len(train_M)) - 1)
    evidence = f"{name}: {what} {np.median(part_M):.3g}, in train {np.median(train_M):.3g} (medians)"
    return Result(check, WARNING, len(part_M), evidence, effect, DRIFT, float(test.pvalue))


def classes(data, f):
    """1: every class must have at least half of its share in every split."""
    share_K = data.table["label"].value_counts(normalize=True)[data.classes]
    for name, part in data.table.groupby("split"):
        count_K, expected_K = part["label"].value_counts().reindex(data.classes, fill_value=0), len(part) * share_K
        lack_K = (1 - count_K / expected_K).sort_values(ascending=False, kind="stable")
        worst, level = lack_K.index[0], ERROR if expected_K[lack_K.index[0]] >= FEW else INFO
        p = min(1.0, len(count_K) * binom.cdf(count_K[worst], len(part), share_K[worst])) if count_K[worst] else None
        rare = ", ".join(f"{count_K[k]} {k}" for k in lack_K.index[lack_K >= min(lack_K[worst], RARE)][:3])
        evidence = f"{name}: {rare} clips of {len(part)}, about {expected_K[worst]:.0f} expected of each"
        yield Result(1, level, len(part), evidence, lack_K[worst], RARE, p)


def order(data, f):
    """2: a split must not follow the class, as a class-ordered list cut in two does, nor the numbers in file names."""
    place_N = f.table.groupby("label")["number"].rank(pct=True)
    for name in sorted(set(data.table["split"]) - {TRAIN}):
        count_KS = pd.crosstab(data.table["label"], data.table["split"])[[TRAIN, name]].to_numpy()
        test = chi2_contingency(count_KS[count_KS.sum(axis=1) > 0], correction=False)
        effect = test.statistic / count_KS.sum()  # Goodman and Kruskal's tau of the split by the label
        evidence = f"{name}: the class explains {effect:.0%} of whether a clip is in {name} or in train"
        yield Result(2, ERROR, int(count_KS.sum()), evidence, effect, OF_CLASS, float(test.pvalue))
        if place_N.notna().all() and f.train_N.any() and name in f.split_N:
            yield drift(2, name, "place of the number in the file name", place_N, f.split_N)


@lru_cache(maxsize=1)
def pairs(f):
    """Table of pairs of clips (one, other: numbers) that show the same movement, as it is or mirrored, whatever their
    brightness and noise; exact: the same pixels. Clips that show none are in no pair."""
    table, size_N = f.table, np.linalg.norm(f.cells_NKGG.reshape(len(f.table), -1), axis=1)
    rows, found = np.flatnonzero(size_N > 0), []
    cells_NKGG = f.cells_NKGG[rows] / size_N[rows, None, None, None]
    count = min(NEIGHBOURS, len(rows))
    for view_NKGG in (cells_NKGG, cells_NKGG[..., ::-1]) if count > 1 else ():
        neighbours = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(cells_NKGG.reshape(len(rows), -1))
        distance_N3, other_N3 = neighbours.kneighbors(view_NKGG.reshape(len(rows), -1))
        one_M, column_M = np.nonzero(distance_N3 < TWIN)
        found.append(np.stack([rows[one_M], rows[other_N3[one_M, column_M]]], axis=1))
    pair = pd.DataFrame(np.concatenate(found) if found else np.empty((0, 2), int), columns=["one", "other"])
    pair = pair[pair["one"] != pair["other"]]
    for column, name in (("digest", "exact"), ("split", "split"), ("label", "label")):
        pair[name] = table[column].to_numpy()[pair["one"]] == table[column].to_numpy()[pair["other"]]
    return pair.assign(path=table["path"].to_numpy()[pair["one"]])


def duplicates(data, f):
    """3: no clip may be in two splits, nor twice in one."""
    pair, n = pairs(f).query("exact"), len(f.table)
    yield fact(3, ERROR, n, pair["path"][~pair["split"]], "clips are in two splits")
    yield fact(3, WARNING, n, pair["path"][pair["split"]], "clips are in one split more than once")


def near_duplicates(data, f):
    """4: no clip may be one of another split but for noise, brightness or mirroring."""
    near, what = pairs(f).query("not exact and not split"), "clips are in two splits but for noise, light or mirroring"
    yield fact(4, ERROR if near["path"].nunique() > 2 else WARNING, len(f.table), near["path"], what)


def two_labels(data, f):
    """5: the same pixels, or nearly, must have the same label."""
    yield fact(5, ERROR, len(f.table), pairs(f).query("not label")["path"], "clips, or near copies, have two labels")


def cross_validated(feature_ND, label_N, classifier=None, folds=3):
    """(top-1, effect, p, n) on clips that the classifier was not trained on; NotChecked with too few clips. Effect: of
    the way from always predicting the commonest class to 1. p: chance of as many correct by doing so."""
    rows = np.flatnonzero(np.bincount(label_N)[label_N] >= FEWEST_OF_A_CLASS)[:MOST_CLIPS]
    label_N, n = label_N[rows], len(rows)
    if n < FEWEST_CLIPS or len(set(label_N)) < 2:
        raise NotChecked(f"it needs {FEWEST_CLIPS} training clips of two or more classes, not {n}")
    correct = int((cross_val_predict(classifier or TREES, feature_ND[rows], label_N, cv=folds) == label_N).sum())
    top1, chance = correct / n, np.bincount(label_N).max() / n
    return top1, (top1 - chance) / (1 - chance), float(binom.sf(correct - 1, n, chance)), n


def path_features(uv_NTx2, cfg):
    """Features (N, 11) of image paths in pixels: misfits of line, quadratic, ellipse; speed, acceleration, turning."""
    step_NTx2 = np.diff(uv_NTx2, axis=1)
    change_NTx2, speed_NT = np.diff(step_NTx2, axis=1), np.linalg.norm(step_NTx2, axis=2)
    turn_NT = np.diff(np.unwrap(np.arctan2(step_NTx2[..., 1], step_NTx2[..., 0]), axis=1), axis=1)
    misfits = [family(uv_NTx2, cfg) for family in families.FAMILIES.values()]
    moments = [speed_NT.mean(axis=1), speed_NT.std(axis=1), *change_NTx2.mean(axis=1).T, *change_NTx2.std(axis=1).T]
    return np.column_stack([*misfits, *moments, turn_NT.sum(axis=1), turn_NT.std(axis=1)])


def permuted(data, f):
    """6: what separates the classes in train must separate the same classes in every other split."""
    cfg = Config()  # its frame count and size: paths as if in frames of 64 pixels
    feature_ND, train_N = path_features(cfg.size * f.uv_NTx2, cfg), f.train_N
    top1, effect, *_ = cross_validated(feature_ND[train_N], f.label_N[train_N])
    if effect < TELLING:
        raise NotChecked(f"motion predicts only {top1:.0%} of the training clips' labels")
    right_N = TREES.fit(feature_ND[train_N], f.label_N[train_N]).predict(feature_ND) == f.label_N
    for name in sorted(set(f.split_N) - {TRAIN}):
        right, n = right_N[f.split_N == name].sum(), int((f.split_N == name).sum())
        evidence = f"{name}: motion predicts {right / n:.0%} of {n} labels, in train {top1:.0%}"
        yield Result(6, ERROR, n, evidence, top1 - right / n, WORSE, float(binom.cdf(right, n, top1)))


def leak(number, what, scores):
    """The Result of scores: `what` predicts the label."""
    top1, effect, p, n = scores
    evidence = f"{what} alone predicts {top1:.1%} of {n} training labels ({effect:.0%} of the way from chance to 1)"
    level = ERROR if effect >= GRAVE and number != 7 else WARNING
    return Result(number, level, n, evidence, effect, LIMITS[number], p)


def harmless(number, what, features, data, f):
    """7 to 10: features(data, f) (N, D) may not predict the labels of the training clips."""
    yield leak(number, what, cross_validated(features(data, f)[f.train_N], f.label_N[f.train_N]))


def name_features(data, f):
    """Numbers (N, D) in a name without its class: letters, length, the last number, and that modulo 2 to K + 1."""
    labels = re.compile("|".join(sorted(map(re.escape, data.classes), key=len, reverse=True)), re.IGNORECASE)
    stem_N = pd.Series([labels.sub("", Path(path).stem) for path in f.table["path"]])
    letters_N = pd.factorize(stem_N.str.replace(r"\d+", "", regex=True), sort=True)[0]
    number_N = f.table["number"].fillna(-1).to_numpy()
    modulo = [number_N % k for k in range(2, len(data.classes) + 2)]
    return np.column_stack([letters_N, stem_N.str.len(), number_N, *modulo])


def stamp(data, f):
    """11: the pixels that differ most between classes, in a frame or the mean of all, may not predict the label."""
    rows = np.flatnonzero(f.train_N[: len(f.whole_MTHW)])
    video_NTHW, label_N = f.whole_MTHW[rows], f.label_N[rows]
    video_NFHW = np.concatenate([video_NTHW, video_NTHW.mean(axis=1, keepdims=True, dtype=np.float32)], axis=1)
    level_NP = video_NFHW.reshape(len(rows), np.prod(video_NFHW.shape[1:]))  # -1 knows no number for no clip
    level_NP = level_NP - f.table["background"].to_numpy(np.float32)[rows, None]
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")  # many pixels never change
        finder = make_pipeline(SelectKBest(f_classif, k=STAMP), TREES)
        scores = cross_validated(level_NP, label_N, finder, folds=2)  # halves: pixels are chosen on one of them
        best = np.nan_to_num(f_classif(level_NP, label_N)[0]).argmax()
    frame, y, x = np.unravel_index(best, video_NFHW.shape[1:])
    when = "in the mean of all frames" if frame == video_NTHW.shape[1] else f"in frame {frame}"
    yield leak(11, f"a group of pixels around x {x}, y {y} {when}", scores)


def still(data, f):
    """12: every clip must show something that changes."""
    still_N, n = (f.table["repeated"] >= STILL) | (f.table["visible"] < VISIBLE), len(f.table)
    level, what = ERROR if still_N.mean() >= MANY else WARNING, f"of {n} clips show nothing that moves"
    yield fact(12, level, n, f.table["path"][still_N], what)


def formats(data, f):
    """13: all clips must be readable, of one size, range, frame rate and speed."""
    what, n = f"clips cannot be used; {' '.join(min(f.faults.items(), default=()))}", len(f.table)
    yield Result(13, ERROR, len(data.table), f"{len(f.faults)} {what}", len(f.faults))
    repeated = int(f.table["repeated"].between(REPEATED, STILL, inclusive="left").sum())
    evidence = f"{repeated} of {n} clips repeat {REPEATED:.0%} of their frames or more"
    yield Result(13, WARNING, n, evidence, repeated / n, MANY)
    low, high = f.table["rate"].astype(float).agg(["min", "max"]).fillna(1)
    yield Result(13, ERROR, n, f"frame rates range from {low:.4g} to {high:.4g} per second", high / low - 1, OTHER_RATE)
    names = sorted(set(f.split_N) - {TRAIN}) if f.train_N.any() else ()
    for name, what in product(names, ("speed", "background", "highest")):
        yield drift(13, name, what, f.table[what], f.split_N)


def targets(data, f):
    """14: what is to be predicted may not lie on the observed path."""
    if data.positions is None:
        raise NotChecked("positions.parquet is missing")
    seen_NTx2, target_NHx2 = data.positions
    between_NTx2 = (seen_NTx2[:, 1:] + seen_NTx2[:, :-1]) / 2
    way_NTx2 = np.concatenate([seen_NTx2, between_NTx2], axis=1) - target_NHx2[:, :1]
    step_N = np.median(np.linalg.norm(np.diff(seen_NTx2, axis=1), axis=2), axis=1)
    # In steps; NaN where a position is missing or nothing moves.
    distance_N = np.linalg.norm(way_NTx2, axis=2).min(axis=1) / np.where(step_N > 0, step_N, np.nan)
    near, n = int((distance_N < ON_PATH).sum()), max(1, int(np.isfinite(distance_N).sum()))
    evidence = f"{near} of {n} clips have their first target within {ON_PATH} steps of the observed path"
    yield Result(14, ERROR, n, evidence, near / n, OFTEN, float(binom.sf(near - 1, n, OFTEN / 2)))


named = partial(harmless, 7, "the file name (or index)", name_features)
lit = partial(harmless, 8, "brightness (levels, noise)", lambda data, f: f.table[LIGHT].to_numpy(float))
sized = partial(harmless, 9, "the object's size", lambda data, f: f.table[["radius"]].to_numpy())
placed = partial(harmless, 10, "the start position", lambda data, f: f.uv_NTx2[:, 0])
CHECKS = {  # check, name, fix
    1: (classes, "class missing or rare in a split", "add clips, or split at random, say by a hash of the content."),
    2: (order, "split ordered by class or by index", "split at random, say by a hash of the content."),
    3: (duplicates, "exact duplicates across splits", "keep one of each: a training clip does not test a network."),
    4: (near_duplicates, "near duplicates across splits", "keep one of each, and split before copies are made."),
    5: (two_labels, "the same clip under two labels", "look at these clips and remove the wrong label."),
    6: (permuted, "labels permuted between splits", "number the classes alike in all splits, or correct the labels."),
    7: (named, "file name or index predicts the label", "give clips names without the class, such as a hash."),
    8: (lit, "brightness predicts the label", "draw brightness and noise alike for all classes."),
    9: (sized, "size predicts the label", "draw object and distance alike for all classes."),
    10: (placed, "start position predicts the label", "place paths alike for all classes, or crop at random."),
    11: (stamp, "one frame or a stamp predicts the label", "compare this frame between classes; mask a stamp."),
    12: (still, "empty or frozen clips", "remove them, or film them again."),
    13: (formats, "wrong range, type, length or frame rate", "correct or remove these clips: all need one format."),
    14: (targets, "target inside the observed frames", "begin the targets at the frame after the last observed one."),
}
