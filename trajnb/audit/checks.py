"""Checks 1 to 6 (splits and labels) and 12 to 17 (clips, targets, normalisation, predictions).

A check yields Results on a read.Dataset with its features; it raises NotChecked, naming what is missing.
Shapes:   N clips   K classes   D numbers of a clip   T observed frames   H targets   C channels
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln
from scipy.stats import binom, chi2_contingency, hypergeom, mannwhitneyu, norm
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import NearestNeighbors

from trajnb.audit import leaks
from trajnb.audit.read import numbers
from trajnb.audit.report import ERROR, INFO, TRAIN, WARNING, AuditError, NotChecked, Result
from trajnb.evaluation import controls

FEW = 5  # clips of a class expected in a split: with fewer it may be missing by chance, which is no error
RARE = 0.5  # of the clips of a class expected in a split are missing
OF_CLASS = 0.2  # of the variance of the split is the class's: 1 of 2 ordered classes cut at 80 % gives 0.25
BLOCKS = 0.3  # of the changes of split along the numbers are missing
TWIN = 0.05  # distance of two fingerprints (0 to 2): new noise stays below, 10,000 honest clips above 0.07
CLOSEST = (0.002, 0.01, 0.05)  # shares of the closest pairs that should be as often within train as across
MORE_CLOSE = 0.01  # of a split
BETTER, WORSE = 0.05, 0.15  # accuracy gained by exchanging labels of a split, lost on it
TELLING = 0.3  # of the way from chance to 1 that motion must predict before check 6 means anything
QUIET = 8.0  # standard errors within which a still scene's coarse cells stay
VISIBLE = 0.25  # of the frames must show an object that moves
MANY = 0.01  # of the clips: no longer an accident
REPEATED, STILL = 0.3, 0.9  # of the frames equal the one before: a wrong frame rate, a frozen clip
OTHER_RATE = 0.04  # of a frame rate: 24 against 25; what phones call 30 differs by less
DRIFT = 0.3  # twice the distance of the area under the curve from one half
ON_PATH = {0.1: 0.3, 0.4: 0.5}  # steps from the observed path: share of the clips; closing circles bring back some
DIGITS = 1e-5  # of full scale: what float32 may lose
UNDER = 0.2  # of chance
SIGMA = 3.0  # standard errors


def others(data):
    """Names of all splits but train; NotChecked if there is none."""
    names = sorted(set(data.table["split"]) - {TRAIN})
    if not names:
        raise NotChecked("splits.csv is missing, or has no split but train")
    return names


def named(paths):
    """The first three paths, in brackets, or nothing."""
    some = list(dict.fromkeys(paths))
    return f" ({', '.join(some[:3])}{', ...' if len(some) > 3 else ''})" if some else ""


def classes(data):
    """1: every class must have at least half of its share in every split."""
    others(data)
    share_K = data.table["label"].value_counts(normalize=True)[data.classes]
    for name, part in data.table.groupby("split"):
        count_K, expected_K = part["label"].value_counts().reindex(data.classes, fill_value=0), len(part) * share_K
        lack_K = (1 - count_K / expected_K).sort_values(ascending=False, kind="stable")
        worst, level = lack_K.index[0], ERROR if expected_K[lack_K.index[0]] >= FEW else INFO
        p = min(1.0, len(count_K) * binom.cdf(count_K[worst], len(part), share_K[worst])) if count_K[worst] else None
        rare = ", ".join(f"{count_K[k]} {k}" for k in lack_K.index[lack_K >= min(lack_K[worst], RARE)][:3])
        evidence = f"{name}: {rare} clips of {len(part)}, about {expected_K[worst]:.0f} expected of each"
        yield Result(1, level, len(part), evidence, lack_K[worst], RARE, p)


def order(data):
    """2: a split must not follow the class, as a class-ordered list cut in two does, nor the numbers in file names.

    In which order the clips are listed does not matter.
    """
    for name in others(data):
        count_KS = pd.crosstab(data.table["label"], data.table["split"])[[TRAIN, name]].to_numpy()
        test = chi2_contingency(count_KS[count_KS.sum(axis=1) > 0], correction=False)
        effect = test.statistic / count_KS.sum()  # Goodman and Kruskal's tau of the split by the label
        evidence = f"{name}: the class explains {effect:.0%} of whether a clip is in {name} or in train"
        yield Result(2, ERROR, int(count_KS.sum()), evidence, effect, OF_CLASS, float(test.pvalue))
    numbered = data.table.dropna(subset="number").sample(frac=1, random_state=0)  # equal numbers have no order
    by_label = numbered.sort_values("number", kind="stable").groupby("label")["split"]
    count, expected, variance = np.array([(0, 0, 0), *(changes(part) for _, part in by_label)]).sum(axis=0)
    if expected:
        evidence = (
            f"along the numbers in file names the split changes {count:.0f} times, not about {expected:.0f} times"
        )
        p = float(norm.cdf((count - expected) / np.sqrt(variance)))
        yield Result(2, WARNING, len(numbered), evidence, 1 - count / expected, BLOCKS, p)


def changes(split_N):
    """How often neighbours differ, its expectation and variance (Wald and Wolfowitz's runs, several classes)."""
    alike = (split_N.value_counts(normalize=True) ** 2).sum()
    expected = (len(split_N) - 1) * (1 - alike)
    return (split_N != split_N.shift())[1:].sum(), expected, max(expected * alike, 1.0)


def copies(data):
    """Table of the clips (path, label, split) that share a key, the hash of their pixels, but for blank ones."""
    f = data.features
    table = data.table.iloc[f.row_N].assign(key=f.info["digest"].to_numpy())[f.info["change"].to_numpy() > 0]
    return table[table["key"].duplicated(keep=False)]


def differing(table, column):
    """The rows of clips whose copies differ in a column."""
    return table[table.groupby("key")[column].transform("nunique") > 1]


def duplicates(data):
    """3: no clip may be in two splits, nor twice in one."""
    others(data)
    table, n = copies(data), len(data.table)
    across = differing(table, "split")
    yield Result(3, ERROR, n, f"{len(across)} clips are in two splits{named(across['path'])}", len(across))
    within = table.drop(across.index)
    yield Result(
        3, WARNING, n, f"{len(within)} clips are in one split more than once{named(within['path'])}", len(within)
    )


def nearest(feature_ND, keys, key_KD):
    """Distance (N,) to the nearest of the clips `keys` that is not the clip itself, and that one's number."""
    feature_ND, key_KD = (array.reshape(len(array), -1) for array in (feature_ND, key_KD))
    distance_N2, which_N2 = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(key_KD).kneighbors(feature_ND)
    rows = np.arange(len(feature_ND))
    column_N = (keys[which_N2[:, 0]] == rows).astype(int)
    return distance_N2[rows, column_N], keys[which_N2[rows, column_N]]


def twins(data):
    """Table of the clips whose moving light is that of a training clip (near: its label), as it is or mirrored, but not
    their pixels."""
    f, label_N, found = data.features, data.table["label"].to_numpy(), [data.table[:0].assign(near="")]
    norm_N = np.linalg.norm(f.cells_NKGG.reshape(len(f), -1), axis=1)
    cells_NKGG = f.cells_NKGG / np.maximum(norm_N, 1e-9)[:, None, None, None]  # brightness does not count
    keys, digest_N = f.training[norm_N[f.training] > 0], f.info["digest"].to_numpy()
    for view_NKGG in (cells_NKGG, cells_NKGG[..., ::-1]) if len(keys) > 1 else ():
        distance_N, near_N = nearest(view_NKGG, keys, cells_NKGG[keys])
        twin_N = (distance_N < TWIN) & (digest_N != digest_N[near_N])
        found.append(data.table.iloc[f.row_N[twin_N]].assign(near=label_N[f.row_N[near_N[twin_N]]]))
    return pd.concat(found).drop_duplicates("path")


def near_duplicates(data):
    """4: no clip may be a training clip but for noise, brightness or mirroring; nor may a split lie closer to train
    than train lies to itself."""
    names, found, f = others(data), twins(data), data.features
    near_N = overlap(f)
    for name in names:
        part, rows = found[found["split"] == name], np.flatnonzero(f.split_N == name)
        evidence = f"{name}: {len(part)} of {len(rows)} clips are a training clip but for noise, light or mirroring"
        yield Result(4, ERROR if len(part) > 1 else WARNING, len(rows), evidence + named(part["path"]), len(part))
        if len(rows):
            yield closer(name, near_N[rows], near_N[f.training])


def overlap(f):
    """Distance (N,) of each path to the nearest other training path, also if one begins some frames later: root mean
    square where they overlap, in frame widths."""
    if len(f.training) < 2:
        raise NotChecked("it needs two training clips")
    frames, distances = f.uv_NTx2.shape[1], []
    for late in range(-frames // 2, frames // 2 + 1):
        own, other = (slice(max(0, k), frames + min(0, k)) for k in (late, -late))
        distance_N, _ = nearest(f.uv_NTx2[:, own], f.training, f.uv_NTx2[f.training, other])
        distances.append(distance_N / np.sqrt(frames - abs(late)))
    return np.min(distances, axis=0)


def closer(name, across_M, within_N):
    """Result: whether a split's clips are among the closest pairs more often than train's own are."""
    both, n = np.sort(np.concatenate([across_M, within_N])), len(across_M)
    limit_C1 = both[[int(share * len(both)) for share in CLOSEST], None]
    close_C, total_C = (across_M <= limit_C1).sum(axis=1), (both <= limit_C1).sum(axis=1)
    p_C = hypergeom.sf(close_C - 1, len(both), n, total_C)
    best = p_C.argmin()
    excess = float(close_C[best] / n - total_C[best] / len(both))
    evidence = f"{name}: {excess:.1%} of {n} paths, beyond chance, are as close to a training path as cuts of one scene"
    return Result(4, WARNING, n, evidence, excess, MORE_CLOSE, float(min(1.0, p_C[best] * len(CLOSEST))))


def two_labels(data):
    """5: the same pixels, or nearly, must have the same label."""
    exact, near = differing(copies(data), "label"), twins(data)
    near = near[near["label"] != near["near"]]
    paths = [*exact["path"], *near["path"]]
    evidence = f"{len(exact)} clips have two labels, {len(near)} more are near copies with another label{named(paths)}"
    yield Result(5, ERROR, len(data.features), evidence, len(paths))


def permuted(data):
    """6: what separates the classes in train must separate the same classes in every other split."""
    names, f, rows = others(data), data.features, data.features.training
    feature_ND = motion(f.uv_NTx2)
    top1, effect, *_ = leaks.cross_validated(feature_ND[rows], f.label_N[rows])
    if effect < TELLING:
        raise NotChecked(f"motion predicts only {top1:.0%} of the training clips' labels")
    model = leaks.trees().fit(feature_ND[rows], f.label_N[rows])
    for name in names:
        part_N = f.split_N == name
        if part_N.sum() >= leaks.FEWEST_CLIPS:
            yield from exchanged(name, model.predict(feature_ND[part_N]), f.label_N[part_N], top1, data.classes)


def motion(uv_NTx2):
    """The kinematic features (N, D) of the controls, of paths in frame widths, as if in frames of 64 pixels."""
    cfg = SimpleNamespace(frames=uv_NTx2.shape[1], size=64, sweep_min_deg=90, sweep_max_deg=450)
    return controls.path_features(cfg.size * uv_NTx2, cfg)


def exchanged(name, predicted_N, label_N, top1, classes):
    """Results: whether labels fit better after exchanging them, and whether they fit at all."""
    count, n = len(classes), len(label_N)
    _, to_K = linear_sum_assignment(-confusion_matrix(label_N, predicted_N, labels=range(count)))
    moved_N, before_N, after_N = to_K[label_N] != label_N, predicted_N == label_N, predicted_N == to_K[label_N]
    gained, lost = int((after_N & moved_N).sum()), int((before_N & moved_N).sum())
    # The best of all count! orders was taken.
    p = float(np.exp(min(0.0, gammaln(count + 1) + binom.logsf(gained - 1, gained + lost, 0.5)))) if gained else 1.0
    pairs = ", ".join(f"{classes[k]} as {classes[to]}" for k, to in enumerate(to_K) if k != to)
    evidence = f"{name}: motion predicts {before_N.mean():.0%} of {n} labels as they are"
    evidence += f", {after_N.mean():.0%} after reading {pairs}" if pairs else ""
    yield Result(6, ERROR, n, evidence, (gained - lost) / n, BETTER, p)
    best = max(int(before_N.sum()), int(after_N.sum()))
    evidence = f"{name}: motion predicts {best / n:.0%} of {n} labels, in train {top1:.0%}"
    yield Result(6, WARNING, n, evidence, top1 - best / n, WORSE, float(binom.cdf(best, n, top1)))


def still(data):
    """12: every clip must show something that changes."""
    info, n = data.features.info, len(data.features)
    still_N = (info["repeated"] >= STILL) | ((info["visible"] < VISIBLE) & (info["change"] < QUIET))
    paths = data.table["path"].to_numpy()[data.features.row_N[still_N]]
    evidence = f"{len(paths)} of {n} clips show nothing that moves{named(paths)}"
    yield Result(12, ERROR if len(paths) >= MANY * n else WARNING, n, evidence, len(paths))


def formats(data):
    """13: all clips must be readable, of one size, range, frame rate and speed."""
    info, n, lengths = data.features.info, len(data.table), data.lengths
    first = f"; {' '.join(min(data.faults.items()))}" if data.faults else ""
    yield Result(13, ERROR, n, f"{len(data.faults)} clips cannot be used{first}", len(data.faults))
    yield Result(13, INFO, n, f"{data.unlisted} clips are not in splits.csv and were not audited", data.unlisted)
    evidence = f"clips have {min(lengths)} to {max(lengths)} frames; the first {data.frames} of each were examined"
    yield Result(13, INFO, n, evidence, len(lengths) - 1)
    repeated = int(info["repeated"].between(REPEATED, STILL, inclusive="left").sum())
    evidence = f"{repeated} of {len(info)} clips repeat {REPEATED:.0%} of their frames or more"
    yield Result(13, WARNING, len(info), evidence, repeated / len(info), MANY)
    rate = info["rate"].dropna().astype(float)
    if len(rate):
        spread = rate.max() / rate.min() - 1
        evidence = f"frame rates range from {rate.min():.4g} to {rate.max():.4g} per second in {len(rate)} clips"
        yield Result(13, ERROR if spread >= OTHER_RATE else INFO, len(rate), evidence, spread, 0.01)
    yield from drifts(data.features)


def drifts(f):
    """Results: whether speed and levels of a split are train's."""
    speed_N = 100 * np.linalg.norm(np.diff(f.uv_NTx2, axis=1), axis=2).mean(axis=1)
    values = pd.DataFrame({"speed (% of the width per frame)": speed_N, "background": f.info["median"]})
    values["highest level"], train_N = f.info["high"], f.split_N == TRAIN
    for name in sorted(set(f.split_N) - {TRAIN}) if train_N.any() else ():
        for what, value_N in values.items():
            part, train = value_N[f.split_N == name], value_N[train_N]
            test = mannwhitneyu(part, train, method="asymptotic")
            effect = abs(2 * test.statistic / (len(part) * len(train)) - 1)
            evidence = f"{name}: median {what} {part.median():.3g}, in train {train.median():.3g}"
            yield Result(13, WARNING, len(part), evidence, effect, DRIFT, float(test.pvalue))


def targets(data):
    """14: what is to be predicted must lie after the observed frames, and not on the observed path."""
    table = data.positions()
    target_M = table["target"]
    early = table[target_M & (table["frame"] < data.frames)]["path"].nunique()
    evidence = f"{early} clips have targets before frame {data.frames}, the first one that is not observed"
    yield Result(14, ERROR, table["path"].nunique(), evidence, early)
    parts = [table[rows].pivot(index="path", columns="frame", values=["u", "v"]) for rows in (~target_M, target_M)]
    if parts[0].shape[1] < 4 or parts[1].empty:
        raise NotChecked("positions.parquet holds no targets, or fewer than two observed positions of each clip")
    both = parts[0].index.intersection(parts[1].index)
    distance_N = off_path(*(np.stack([part.loc[both, x] for x in "uv"], axis=2) for part in parts))
    for steps, often in ON_PATH.items():
        near, n = int((distance_N < steps).sum()), len(distance_N)
        evidence = f"{near} of {n} clips have their first target within {steps} steps of the observed path"
        yield Result(14, ERROR, n, evidence, near / max(n, 1), often, float(binom.sf(near - 1, n, often / 2)))


def off_path(observed_NTx2, target_NHx2):
    """Distance (M,) of the first target from the observed path, in median steps of it, of the M clips that move."""
    along_NTx2, to_NTx2 = np.diff(observed_NTx2, axis=1), target_NHx2[:, :1] - observed_NTx2[:, :-1]
    squared_NT = np.maximum((along_NTx2**2).sum(axis=2), 1e-12)
    share_NT = np.clip((to_NTx2 * along_NTx2).sum(axis=2) / squared_NT, 0, 1)  # of the segment, where it is nearest
    distance_NT = np.linalg.norm(to_NTx2 - share_NT[..., None] * along_NTx2, axis=2)
    step_N = np.median(np.linalg.norm(along_NTx2, axis=2), axis=1)
    moving_N = step_N > 0  # false also where a frame is missing
    return distance_NT[moving_N].min(axis=1) / step_N[moving_N]


def normalisation(data):
    """15: mean and standard deviation must be those of the training clips alone."""
    stats, f = data.extra("stats.json"), data.features
    if len(f) < len(data.table) or f.info["sums"].str.len().nunique() > 1:
        raise NotChecked("it needs the pixels of all clips, all grey or all with colours")
    given_2C, unit = given(stats)
    pools = {name: f.split_N == name for name in [TRAIN, *sorted(set(f.split_N) - {TRAIN})]}
    pools |= {f"train and {name}": pools[TRAIN] | rows_N for name, rows_N in pools.items() if name != TRAIN}
    pools["all"] = pools[TRAIN] | True
    off = {name: np.abs(given_2C - pooled(f.info[rows_N], given_2C.shape[1])).max() for name, rows_N in pools.items()}
    if max(off.values()) <= unit:
        raise NotChecked("train and the other splits agree to all digits of stats.json")
    of_train = off.pop(TRAIN)
    evidence = f"mean or standard deviation differs from that of train by {of_train:.2g} of full scale"
    yield Result(15, WARNING, len(f), evidence, of_train, MANY)
    best = min(off, key=off.get)
    evidence += f", from that of {best} by {off[best]:.2g}"
    yield Result(15, ERROR, len(f), evidence, of_train > unit and off[best] <= unit)


def given(stats):
    """Mean and standard deviation (2, C) of stats.json as shares of full scale, and half a unit of their last digit."""
    pair = [numbers("stats.json", name, stats.get(name), 0, 255) for name in ("mean", "std")]
    if {len(number_C) for number_C in pair} not in ({1}, {3}):
        raise AuditError("stats.json has not as many means as standard deviations: write one or three of each")
    digits = max(len(f"{number!r}".partition(".")[2]) for number in np.ravel(pair).tolist())
    scale = 255 if np.max(pair) > 1 else 1
    return np.stack(pair) / scale, max(DIGITS, 0.5 * 10.0**-digits / scale)


def pooled(info, channels):
    """Mean and standard deviation (2, C) of the pixels of some clips; over all channels if one is asked for."""
    sums_Cx2 = np.array(info["sums"].tolist()).sum(axis=0) / info["pixels"].sum()
    sums_Cx2 = sums_Cx2.mean(axis=0, keepdims=True) if channels == 1 else sums_Cx2
    return np.stack([sums_Cx2[:, 0], np.sqrt(np.maximum(sums_Cx2[:, 1] - sums_Cx2[:, 0] ** 2, 0))])


def under_chance(data):
    """16: predictions must not be worse than chance."""
    for name, part in data.predictions().groupby("split"):
        correct, n, chance = int(part["correct"].sum()), len(part), 1 / len(data.classes)
        evidence = f"{name}: {correct} of {n} predictions are correct, {chance * n:.0f} would be by chance"
        yield Result(16, ERROR, n, evidence, 1 - correct / (chance * n), UNDER, float(binom.cdf(correct, n, chance)))


def beyond(data):
    """17: predictions must not be better than the oracle."""
    table, oracle = data.predictions(), data.extra("oracle.json")
    table = table[table["split"] != TRAIN]
    if not {"top1", "ade_px"} & set(oracle):
        raise NotChecked("oracle.json has neither top1 nor ade_px")
    for name, column, sign, most in (("top1", "correct", 1, 1), ("ade_px", "ade_px", -1, 1e6)):
        bound, n = float(numbers("oracle.json", name, [oracle.get(name, 0)], 0, most)[0]), len(table)
        if name in oracle and column in table and n > 1:
            spread = np.sqrt(max(bound * (1 - bound), 1 / n)) if sign > 0 else table[column].std()
            effect = sign * (table[column].mean() - bound) / max(spread / n**0.5, 1e-9)
            evidence = f"{name} {table[column].mean():.4g} on {n} clips, the oracle's is {bound:.4g}"
            yield Result(17, ERROR, n, evidence, float(effect), SIGMA)


CHECKS = {1: classes, 2: order, 3: duplicates, 4: near_duplicates, 5: two_labels, 6: permuted, 12: still, 13: formats}
CHECKS |= {14: targets, 15: normalisation, 16: under_chance, 17: beyond}
