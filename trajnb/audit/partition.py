"""Checks 1 to 6: whether the splits are what an honest comparison needs.

Shapes:   N clips looked at   K classes   D numbers of a clip
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln
from scipy.stats import binom, chi2, hypergeom, norm

from trajnb.audit.findings import NOTE, SEVERE, WARNING, NotChecked, Test
from trajnb.audit.leaks import FEWEST_CLIPS, guess, trees
from trajnb.audit.material import MOST_NAMED, TRAIN
from trajnb.data import splits
from trajnb.world import families

FEW = 5  # clips of a class expected in a split: with fewer it may be missing by chance, which is a note
OF_CLASS = 0.2  # of the variance of the split is the class's: 1 of 2 ordered classes cut at 80 % gives 0.25
BLOCKS = 0.3  # of the split changes along the numbers
TWIN = 0.05  # distance of two fingerprints (0 to 2): new noise stays below, 10,000 honest clips above 0.07
CLOSEST = (0.002, 0.01, 0.05)  # shares of the closest pairs that should be as often within train as across
MORE_CLOSE = 0.01  # of a split
BETTER = 0.05  # of the clips are named better after exchanging labels
WORSE = 0.15  # accuracy lost on a split
TELLING = 0.3  # of the way from chance to 1 that motion must tell before check 6 means anything
SWEEPS = np.radians(np.linspace(90, 450, 16))  # tried for the best ellipse
BY_RECIPE = "split at random, by a hash of the clip's content (trajnb.data.splits.assign) for instance"


def others(material):
    """Names of all splits but train; NotChecked where nobody said which clips are for what."""
    if not material.has_splits:
        raise NotChecked("splits.csv is missing")
    names = sorted(set(material.table["split"]) - {TRAIN})
    if not names:
        raise NotChecked("all clips are in train")
    return names


def classes(material, seen):
    """1: every class must have at least half of its share in every split."""
    others(material)
    share_K = material.share(material.table["label"])
    for name, part in material.table.groupby("split"):
        count_K = part["label"].value_counts().reindex(material.classes, fill_value=0).to_numpy()
        lack_K = 1 - count_K / np.maximum(len(part) * share_K, 1e-9)
        worst = int(lack_K.argmax())
        p = min(1.0, len(count_K) * binom.cdf(count_K[worst], len(part), share_K[worst])) if count_K[worst] else None
        expected = len(part) * share_K[worst]
        lacking = [k for k in np.argsort(-lack_K, kind="stable") if lack_K[k] >= min(lack_K.max(), 1 - splits.FEWEST)]
        counts = ", ".join(f"{count_K[k]} {material.classes[k]}" for k in lacking[:MOST_NAMED])
        said = f"{name}: {counts} clips of {len(part)}, about {expected:.0f} expected of each"
        severity = SEVERE if expected >= FEW else NOTE
        yield Test(1, severity, lack_K[worst], 1 - splits.FEWEST, p, len(part), said, f"{BY_RECIPE}, or add clips.")


def order(material, seen):
    """2: a split must not follow the class, as a class-ordered list cut in two does, nor the numbers in file names.

    In which order the clips are listed does not matter.
    """
    for name in others(material):
        effect, p, n = association(material.table[material.table["split"].isin([TRAIN, name])])
        evidence = f"{name}: the class explains {effect:.0%} of whether a clip is in {name} or in train"
        mend = f"do not cut a list that is ordered by class: {BY_RECIPE}."
        yield Test(2, SEVERE, effect, OF_CLASS, p, n, evidence, mend)
    numbered = material.table.dropna(subset="number").sample(frac=1, random_state=0)  # equal numbers have no order
    numbered = numbered.sort_values("number", kind="stable")
    runs = np.array([splits.changes(part["split"]) for _, part in numbered.groupby("label")]).reshape(-1, 3)
    changes, expected = runs[:, 0].sum(), runs[:, 1].sum()
    if expected:
        evidence = f"in the order of the numbers in file names the split changes {changes:.0f} times, "
        evidence += f"about {expected:.0f} times are expected"
        mend = f"splits differ in whatever changes with the number: {BY_RECIPE}."
        p = float(norm.cdf((changes - expected) / np.linalg.norm(runs[:, 2])))
        yield Test(2, WARNING, 1 - changes / expected, BLOCKS, p, len(numbered), evidence, mend)


def association(table):
    """Goodman and Kruskal's tau of the split (of two) by the label, its p-value, and the number of clips.

    Source: R. J. Light and B. H. Margolin, An analysis of variance for categorical data, 1971.
    """
    count_KS = pd.crosstab(table["label"], table["split"]).to_numpy()
    n = count_KS.sum()
    variance = n - (count_KS.sum(axis=0) ** 2).sum() / n
    within = n - ((count_KS**2).sum(axis=1) / count_KS.sum(axis=1)).sum()
    if not variance or len(count_KS) < 2:
        return 0.0, 1.0, int(n)
    tau = 1 - within / variance
    return float(tau), float(chi2.sf((n - 1) * tau, len(count_KS) - 1)), int(n)


def groups(material, seen):
    """Table of (row, key): clips with the same key are the same, by content or by pixels; blank clips are left out."""
    blank_N = seen.change_N == 0
    pixels = pd.DataFrame({"row": seen.row_N, "key": seen.info["digest"].to_numpy()})[~blank_N]
    content = pd.DataFrame({"row": np.arange(len(material.table)), "key": material.table["content"].to_numpy()})
    both = pd.concat([pixels, content[content["key"] != ""]])
    both = both.join(material.table[["path", "label", "split"]], on="row")
    return both[both["key"].duplicated(keep=False)]


def differing(table, column):
    """The rows of clips whose copies differ in a column, each once."""
    return table[table.groupby("key")[column].transform("nunique") > 1].drop_duplicates("row")


def duplicates(material, seen):
    """3: no clip may be in two splits, nor twice in one."""
    others(material)
    table = groups(material, seen)
    across = differing(table, "split")
    said = f"{len(across)} clips are in two splits{named(across['path'])}"
    mend = "keep one of each: a training clip does not test a network."
    yield Test(3, SEVERE, len(across), 1, None, len(material.table), said, mend)
    within = table[~table["row"].isin(across["row"])].drop_duplicates("row")
    said = f"{len(within)} clips are in one split more than once{named(within['path'])}"
    yield Test(3, WARNING, len(within), 1, None, len(material.table), said, "keep one of each.")


@lru_cache(maxsize=1)  # checks 4 and 5 both ask; `examine` clears it
def nearest(seen):
    """For each of N clips: distance to the nearest other training clip, as it is or mirrored, and that one's number.

    A clip without moving light is at distance 2 from everything. Brightness does not count.
    """
    flat_ND, mirrored_ND = (c.reshape(len(seen), -1) for c in (seen.cells_NKGG, seen.cells_NKGG[..., ::-1]))
    norm_N1 = np.linalg.norm(flat_ND, axis=1, keepdims=True)
    key_N = np.flatnonzero((seen.split_N == TRAIN) & (norm_N1[:, 0] > 0))
    near_N, which_N = np.full(len(seen), -1.0), np.zeros(len(seen), int)
    key_KD = flat_ND[key_N] / norm_N1[key_N]
    for view_ND in (flat_ND, mirrored_ND) if len(key_N) else ():
        for start in range(0, len(seen), 1000):
            rows = np.arange(start, min(start + 1000, len(seen)))
            cosine = (view_ND[rows] / np.maximum(norm_N1[rows], 1e-9)) @ key_KD.T
            cosine[rows[:, None] == key_N] = -1.0
            best = cosine.argmax(axis=1)
            better = cosine[np.arange(len(rows)), best] > near_N[rows]
            near_N[rows] = np.where(better, cosine.max(axis=1), near_N[rows])
            which_N[rows] = np.where(better, key_N[best], which_N[rows])
    return np.where(norm_N1[:, 0] > 0, np.sqrt(np.maximum(2 - 2 * near_N, 0)), 2.0), which_N


def twins(material, seen):
    """Table of clips whose moving light is a training clip's, but not its pixels: row, near (the other row), paths."""
    distance_N, which_N = nearest(seen)
    digest_N = seen.info["digest"].to_numpy()
    twin_N = np.flatnonzero((distance_N < TWIN) & (digest_N != digest_N[which_N]))
    found = material.table.iloc[seen.row_N[twin_N]].reset_index(names="row")
    return found.assign(near=seen.row_N[which_N[twin_N]], distance=distance_N[twin_N])


def near_duplicates(material, seen):
    """4: no clip may be a training clip but for noise, brightness or mirroring; nor may a split lie closer to train
    than train lies to itself."""
    names, found, near_N = others(material), twins(material, seen), overlap(seen)
    for name in names:
        part, count = found[found["split"] == name], int((seen.split_N == name).sum())
        said = f"{name}: {len(part)} of {count} clips move as a training clip does but for noise, light or mirroring"
        mend = "keep one of each, and split by scene or recipe before any copy or augmentation is made."
        yield Test(4, SEVERE if len(part) > 1 else WARNING, len(part), 1, None, count, said + named(part["path"]), mend)
        if count and TRAIN in seen.split_N:
            yield closer(name, *(near_N[seen.split_N == split] for split in (name, TRAIN)))


def overlap(seen):
    """Distance (N,) of each path to the nearest other training path, whole or as far as they overlap when one begins
    some frames later: root mean square, in frame widths."""
    frames, key_N = seen.uv_NTx2.shape[1], np.flatnonzero(seen.split_N == TRAIN)
    near_N = np.full(len(seen), np.inf)
    for late in range(-frames // 2, frames // 2 + 1):
        mine, theirs = (slice(max(0, k), frames + min(0, k)) for k in (late, -late))
        path_ND = seen.uv_NTx2[:, mine].reshape(len(seen), -1)
        key_KD = seen.uv_NTx2[key_N, theirs].reshape(len(key_N), -1)
        for start in range(0, len(seen), 1000):
            rows = np.arange(start, min(start + 1000, len(seen)))
            squared = (key_KD**2).sum(axis=1) - 2 * path_ND[rows] @ key_KD.T
            squared[rows[:, None] == key_N] = np.inf
            away_N = squared.min(axis=1) + (path_ND[rows] ** 2).sum(axis=1)
            near_N[rows] = np.minimum(near_N[rows], away_N / (frames - abs(late)))
    return np.sqrt(np.maximum(near_N, 0))


def closer(name, across_M, within_N):
    """Test whether a split's clips lie among the closest pairs more often than train's own do."""
    both, p, excess = np.sort(np.concatenate([across_M, within_N])), 1.0, 0.0
    for share in CLOSEST:
        close = int((across_M <= both[int(share * len(both))]).sum())
        total = close + int((within_N <= both[int(share * len(both))]).sum())
        chance = hypergeom.sf(close - 1, len(both), len(across_M), total)
        if chance < p:
            p, excess = chance, close / len(across_M) - total / len(both)
    said = f"{name}: {excess:.1%} of {len(across_M)} paths, beyond what chance gives, are closer to a training path "
    said += "than training paths are to one another"
    mend = "look for shifted copies, and for clips cut from one scene in two splits; split by scene."
    return Test(4, WARNING, excess, MORE_CLOSE, min(1.0, float(p) * len(CLOSEST)), len(across_M), said, mend)


def two_labels(material, seen):
    """5: the same pixels, or nearly, must have the same label."""
    exact, found = differing(groups(material, seen), "label"), twins(material, seen)
    label = material.table["label"].to_numpy()
    near = found[found["label"].to_numpy() != label[found["near"].to_numpy()]]
    paths = pd.concat([exact["path"], near["path"]])
    said = f"{len(exact)} clips have two labels, {len(near)} more are near copies with another label{named(paths)}"
    yield Test(5, SEVERE, len(paths), 1, None, len(seen), said, "look at these clips and remove the wrong label.")


def permuted(material, seen):
    """6: what separates the classes in train must separate the same classes in every other split."""
    names = others(material)
    if material.folders_are_classes:
        folder = material.table["path"].str.split("/").str[0]
        wrong = material.table[folder.isin(material.classes) & (folder != material.table["label"])]
        said = f"{len(wrong)} clips are in the folder of another class than their label{named(wrong['path'])}"
        yield Test(6, WARNING, len(wrong), 1, None, len(material.table), said, "correct the label or move the clip.")
    feature_ND, train_N = motion(seen.uv_NTx2), seen.split_N == TRAIN
    told = guess(feature_ND[train_N], seen.label_N[train_N])
    if told.effect < TELLING:
        raise NotChecked(f"motion predicts only {told.top1:.0%} of the training clips' labels")
    model = trees().fit(feature_ND[train_N], seen.label_N[train_N])
    for name in names:
        part_N = seen.split_N == name
        if part_N.sum() >= FEWEST_CLIPS:
            yield from exchanged(name, model.predict(feature_ND[part_N]), seen.label_N[part_N], told.top1, material)


def exchanged(name, said_N, label_N, top1, material):
    """Tests whether labels fit better after exchanging them, and whether they fit at all."""
    count = len(material.classes)
    confusion_KK = np.zeros((count, count), int)
    np.add.at(confusion_KK, (label_N, said_N), 1)
    _, to_K = linear_sum_assignment(-confusion_KK)
    moved_N, right_N, after_N = to_K[label_N] != label_N, said_N == label_N, said_N == to_K[label_N]
    gained, lost = int((after_N & moved_N).sum()), int((right_N & moved_N).sum())
    tries = gammaln(count + 1)  # log of the number of orders, the best of which was taken
    p = float(np.exp(min(0.0, tries + binom.logsf(gained - 1, gained + lost, 0.5)))) if gained else 1.0
    pairs = [f"{material.classes[k]} as {material.classes[to]}" for k, to in enumerate(to_K) if k != to]
    said = f"{name}: motion predicts {right_N.mean():.0%} of {len(label_N)} labels as they are"
    more = f", {after_N.mean():.0%} after reading {', '.join(pairs)}" if pairs else ""
    mend = f"number the classes in one order for all splits; {name} has another one."
    yield Test(6, SEVERE, (gained - lost) / len(label_N), BETTER, p, len(label_N), said + more, mend)
    best = max(int(right_N.sum()), int(after_N.sum()))
    said = f"{name}: motion predicts {best / len(label_N):.0%} of {len(label_N)} labels, in train {top1:.0%}"
    mend = f"look at labels and clips of {name}: some are wrong, or of another kind than train's."
    p = float(binom.cdf(best, len(label_N), top1))
    yield Test(6, WARNING, top1 - best / len(label_N), WORSE, p, len(label_N), said, mend)


def motion(uv_NTx2):
    """What a path is like (N, D), wherever it lies: velocity, bend, length, turning, distance from simple curves."""
    step_NTx2 = np.diff(uv_NTx2, axis=1)
    length_N = np.linalg.norm(step_NTx2, axis=2).sum(axis=1)
    heading_NT = np.unwrap(np.arctan2(step_NTx2[..., 1], step_NTx2[..., 0]), axis=1)
    bend_Nx2 = np.diff(step_NTx2, axis=1).mean(axis=1)
    bases = [families.misfit(uv_NTx2.shape[1], sweep) for sweep in (0.0, *SWEEPS)]
    rest_SN = np.array([families.rms(np.einsum("st,ntc->nsc", one_TT, uv_NTx2)) for one_TT in bases])
    straight_N = np.linalg.norm(uv_NTx2[:, -1] - uv_NTx2[:, 0], axis=1) / np.maximum(length_N, 1e-6)
    turn_NT = np.diff(heading_NT, axis=1)
    rests = [families.line(uv_NTx2, None), rest_SN[0], rest_SN[1:].min(axis=0)]
    turned_Nx2 = np.stack([turn_NT.sum(axis=1), np.abs(turn_NT).sum(axis=1)], axis=1)
    return np.column_stack([step_NTx2.mean(axis=1), bend_Nx2, length_N, straight_N, turned_Nx2, *rests])


def named(paths):
    """The first few paths, in brackets, or nothing."""
    some = list(dict.fromkeys(paths))
    return f" ({', '.join(some[:MOST_NAMED])}{', ...' if len(some) > MOST_NAMED else ''})" if some else ""


CHECKS = {1: classes, 2: order, 3: duplicates, 4: near_duplicates, 5: two_labels, 6: permuted}
