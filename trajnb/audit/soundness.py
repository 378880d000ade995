"""Checks 12 to 17: whether clips, targets, normalisation and predictions are what they claim to be.

Shapes:   N clips   T seen frames   H targets   last axis: u, v
"""

import numpy as np
from scipy.stats import binom, mannwhitneyu

from trajnb.audit import tables
from trajnb.audit.findings import NOTE, SEVERE, WARNING, AuditError, NotChecked, Test
from trajnb.audit.partition import groups, named
from trajnb.audit.tables import TRAIN

QUIET = 8.0  # standard errors within which a still scene's coarse cells stay
ALIVE = 0.25  # of the frames must show an object that moves
MANY = 0.01  # of the clips: no longer an accident
REPEATED = 0.3  # of the frames are the one before
OTHER_RATE = 0.04  # of a frame rate: 24 against 25; what phones call 30 differs by less
DRIFT = 0.3  # twice the distance of the area under the curve from one half
ON_PATH = {0.1: 0.3, 0.4: 0.5}  # steps from the path seen: share of the clips; circles that close bring back some
DIGITS = 1e-5  # of full scale: what float32 may lose
UNDER = 0.2  # of chance
SIGMA = 3.0


def still(material, seen):
    """12: every clip must show something that changes."""
    still_N = (seen.repeated_N >= 0.9) | ((seen.alive_N < ALIVE) & (seen.change_N < QUIET))
    path = material.table["path"].to_numpy()[seen.row_N[still_N]]
    severity = SEVERE if still_N.mean() >= MANY else WARNING
    said = f"{still_N.sum()} of {len(seen)} clips show nothing that moves{named(path)}"
    yield Test(12, severity, int(still_N.sum()), 1, None, len(seen), said, "remove them, or film them again.")


def formats(material, seen):
    """13: all clips must be readable, of one size, type, range, frame rate and speed; of several lengths the first
    frames are looked at, which is a note."""
    faults, n = material.faults, len(material.table)
    first = next(iter(sorted(faults.items())), ("", ""))
    said = f"{len(faults)} clips cannot be used" + (f"; {first[0]} {first[1]}" if faults else "")
    yield Test(13, SEVERE, len(faults), 1, None, n, said, "correct or remove each of them.")
    for what, mend in material.problems:
        yield Test(13, material.problem_severity, 1, 1, None, n, what, mend)
    if len(material.lengths) > 1:
        said = f"clips have from {min(material.lengths)} to {max(material.lengths)} frames"
        said += f"; only the first {material.shape[0]} frames of each were examined"
        yield Test(13, NOTE, 1, 1, None, n, said, "cut all clips to one length if a network reads whole clips.")
    kinds = seen.info["kind"].value_counts()
    said = f"{', '.join(f'{count} of {kind}' for kind, count in kinds.sort_index().items())}"
    yield Test(13, WARNING, len(kinds) - 1, 1, None, n, "levels are stored in " + said, "store all of them as uint8.")
    yield from rates(seen)
    many = (seen.repeated_N >= REPEATED) & (seen.repeated_N < 0.9)
    said = f"{many.sum()} of {len(seen)} clips repeat {REPEATED:.0%} of their frames or more"
    mend = "take these clips from a source with the frame rate they claim."
    yield Test(13, WARNING, many.mean(), MANY, None, len(seen), said, mend)
    if material.has_splits:
        yield from drifts(seen)


def rates(seen):
    """Tests whether videos have one frame rate, and their frames even distances in time."""
    rate = seen.info["rate"].dropna().astype(float)
    if len(rate):
        spread = rate.max() / rate.min() - 1
        said = f"frame rates range from {rate.min():.4g} to {rate.max():.4g} per second in {len(rate)} clips"
        mend = "resample all clips to one frame rate: speeds cannot be compared otherwise."
        yield Test(13, SEVERE if spread >= OTHER_RATE else NOTE, spread, 0.01, None, len(rate), said, mend)
    uneven = int((~seen.info["even"].astype(bool)).sum())
    said = f"{uneven} of {len(seen.info)} clips have a variable frame rate"
    yield Test(13, NOTE, uneven, 1, None, len(seen.info), said, "resample them to a constant frame rate.")


def drifts(seen):
    """Tests whether speed and levels of a split are train's."""
    speed_N = np.linalg.norm(np.diff(seen.uv_NTx2, axis=1), axis=2).mean(axis=1)
    values = {"speed": 100 * speed_N, "background": seen.light["median"], "highest level": seen.light["high"]}
    train_N = seen.split_N == TRAIN
    for name in sorted(set(seen.split_N) - {TRAIN}):
        for what, value_N in values.items():
            value_N = np.asarray(value_N, float)
            part, train = value_N[seen.split_N == name], value_N[train_N]
            if len(part) and len(train):
                result = mannwhitneyu(part, train, method="asymptotic")
                effect = abs(2 * result.statistic / (len(part) * len(train)) - 1)
                said = f"{name}: median {what} {np.median(part):.3g}, in train {np.median(train):.3g} "
                said += "(% of the width per frame)" if what == "speed" else "(of 255)"
                mend = f"give {name} the frame rate and the range of levels of train."
                yield Test(13, WARNING, effect, DRIFT, float(result.pvalue), len(part), said, mend)


def targets(material, seen):
    """14: what is to be predicted must lie after the observed frames, and not on the observed path."""
    table = material.positions()
    if table is None:
        raise NotChecked("positions.parquet is missing")
    target_M = table["target"].to_numpy(bool)
    if not target_M.any() or target_M.all():
        raise NotChecked("positions.parquet holds no observed positions beside the targets")
    frames, mend = material.shape[0], "let the targets begin at the frame after the last observed one."
    early = table[target_M & (table["frame"] < frames).to_numpy()]
    said = f"{early['path'].nunique()} clips have targets before frame {frames}, the first one that is not observed"
    yield Test(14, SEVERE, early["path"].nunique(), 1, None, table["path"].nunique(), said, mend)
    seen_NTx2, target_NHx2 = wide(table[~target_M]), wide(table[target_M])
    if seen_NTx2.shape[1] < 4:
        raise NotChecked("positions.parquet holds a single observed position of each clip")
    both = seen_NTx2.index.intersection(target_NHx2.index)
    distance_N = off_path(*(points(part.loc[both]) for part in (seen_NTx2, target_NHx2)))
    n = len(distance_N)
    for steps, often in ON_PATH.items():
        near = int((distance_N < steps).sum())
        said = f"{near} of {n} clips have their first target within {steps} steps of the observed path"
        p = float(binom.sf(near - 1, n, often / 2)) if n else 1.0
        yield Test(14, SEVERE, near / max(n, 1), often, p, n, said, mend)


def wide(table):
    """One row a clip, one column for each frame's u, then v; NaN where a frame is missing."""
    if table.duplicated(["path", "frame"]).any():
        raise AuditError("positions.parquet has two rows for one frame of one clip: write one")
    return table.pivot(index="path", columns="frame", values=["u", "v"])


def points(table):
    """(N, frames, 2) of a `wide` table."""
    return np.stack([table["u"].to_numpy(float), table["v"].to_numpy(float)], axis=2)


def off_path(seen_NTx2, target_NHx2):
    """Distance (M,) of the first target from the path seen, in median steps of the path, of the M clips that move."""
    along_NTx2, to_NTx2 = np.diff(seen_NTx2, axis=1), target_NHx2[:, :1] - seen_NTx2[:, :-1]
    squared_NT = np.maximum((along_NTx2**2).sum(axis=2), 1e-12)
    share_NT = np.clip((to_NTx2 * along_NTx2).sum(axis=2) / squared_NT, 0, 1)  # of the segment, where it is nearest
    distance_NT = np.linalg.norm(to_NTx2 - share_NT[..., None] * along_NTx2, axis=2)
    step_N = np.median(np.linalg.norm(along_NTx2, axis=2), axis=1)
    moving_N = step_N > 0  # false also where a frame is missing
    return distance_NT[moving_N].min(axis=1) / step_N[moving_N]


def normalisation(material, seen):
    """15: mean and standard deviation must be those of the training clips alone."""
    stats = material.extra("stats.json")
    if stats is None:
        raise NotChecked("stats.json is missing")
    if len(seen) < len(material.table):
        raise NotChecked("it needs the pixels of all clips, and not all were read")
    if seen.info["sums"].str.len().nunique() > 1:
        raise NotChecked("some clips are grey and some have colours")
    given_2C, unit = given(stats)
    fitted = tables.split_name(str(stats.get("fitted_on", TRAIN)))
    mend = "fit mean and standard deviation on the training clips alone."
    said = f"stats.json was fitted on {fitted!r:.40}"
    yield Test(15, SEVERE, fitted != TRAIN, 1, None, len(seen), said, mend)
    train_N = seen.split_N == TRAIN
    channels = given_2C.shape[1]
    train_2C = pooled(seen, train_N, channels)
    own = off(given_2C, train_2C)
    said = f"mean or standard deviation differs from that of train by {own:.2g} of full scale"
    yield Test(15, WARNING, own, MANY, None, len(seen), said, mend)
    parts = {name: seen.split_N == name for name in sorted(set(seen.split_N) - {TRAIN})}
    wholes = parts | {f"train and {name}": train_N | part_N for name, part_N in parts.items()} | {"all": train_N | True}
    pooled_2C = {name: pooled(seen, rows_N, channels) for name, rows_N in wholes.items()}
    apart = {name: off(train_2C, other_2C) > 2 * unit for name, other_2C in pooled_2C.items()}
    for name in [name for name in wholes if apart[name]]:
        other = off(given_2C, pooled_2C[name])
        said = f"mean and standard deviation differ from those of train by {own:.2g} of full scale, "
        said += f"from those of {name} by {other:.2g}"
        yield Test(15, SEVERE, own > unit and other <= unit, 1, None, len(seen), said, mend)
    if not any(apart.values()):
        raise NotChecked("train and the other splits agree to all digits of stats.json")


def given(stats):
    """Mean and standard deviation (2, C) of stats.json as shares of full scale, and half a unit of their last digit."""
    try:
        pair_2C = np.stack([np.atleast_1d(np.asarray(stats[name], float)) for name in ("mean", "std")])
        if pair_2C.shape not in ((2, 1), (2, 3)) or not np.isfinite(pair_2C).all():
            raise ValueError
    except (KeyError, OverflowError, TypeError, ValueError):
        raise AuditError('stats.json cannot be used: write {"mean": .., "std": ..} as finite numbers') from None
    digits = max(len(f"{number!r}".partition(".")[2]) for number in pair_2C.ravel().tolist())
    scale = 255 if pair_2C.max() > 1 else 1
    return pair_2C / scale, max(DIGITS, 0.5 * 10.0**-digits / scale)


def pooled(seen, rows_N, channels):
    """Mean and standard deviation (2, C) of the pixels of some clips; over all channels where one is asked for."""
    sums_Cx2 = np.array(seen.info["sums"][rows_N].tolist()).sum(axis=0) / seen.info["pixels"][rows_N].sum()
    sums_Cx2 = sums_Cx2.mean(axis=0, keepdims=True) if channels == 1 else sums_Cx2
    return np.stack([sums_Cx2[:, 0], np.sqrt(np.maximum(sums_Cx2[:, 1] - sums_Cx2[:, 0] ** 2, 0))])


def off(one_2C, other_2C):
    """Largest difference."""
    return float(np.abs(one_2C - other_2C).max())


def said_of(material):
    """Table of predictions with label and split; NotChecked, AuditError."""
    table = material.extra("predictions.parquet")
    if table is None:
        raise NotChecked("predictions.parquet is missing")
    joined = tables.predictions(table, material.classes).merge(material.table.reset_index(names="row"), on="path")
    if joined.empty:
        raise AuditError("predictions.parquet names no clip of the folder: write <class>/<name> in the column path")
    return joined


def under_chance(material, seen):
    """16: predictions must not be worse than chance."""
    for name, part in said_of(material).groupby("split"):
        right, chance = int((part["predicted"] == part["label"]).sum()), 1 / len(material.classes)
        said = f"{name}: {right} of {len(part)} predictions are correct, {chance * len(part):.0f} would be by chance"
        mend = "check the numbering of the classes and the split: a network is not this wrong by itself."
        p = float(binom.cdf(right, len(part), chance))
        yield Test(16, SEVERE, 1 - right / (chance * len(part)), UNDER, p, len(part), said, mend)


def beyond(material, seen):
    """17: predictions must not be better than the oracle, nor correct for one clip under two labels."""
    table, oracle = said_of(material), material.extra("oracle.json")
    table = table[table["split"] != TRAIN]
    copies = groups(material, seen)[["row", "key"]].merge(table, on="row")
    right = copies[copies["predicted"] == copies["label"]]
    both = right[right.groupby("key")["label"].transform("nunique") > 1].drop_duplicates("row")
    mend = "something besides the clip predicts the label: look for it in file names, targets and features."
    twice = copies[copies.groupby("key")["label"].transform("nunique") > 1]
    if oracle is None and twice.empty:
        raise NotChecked("oracle.json is missing, and no clip with a prediction has two labels")
    said = f"predictions are correct for {len(both)} clips that have two labels{named(both['path'])}"
    yield Test(17, SEVERE, len(both), 1, None, len(twice), said, mend)
    if oracle is not None:
        check_oracle(oracle)
        yield from over_oracle(table, oracle, mend)


def check_oracle(oracle):
    """Raise AuditError where a value of oracle.json is impossible, NotChecked where it has neither."""
    bounds = {name: most for name, most in (("top1", 1), ("ade_px", 1e6)) if name in oracle}
    if not bounds:
        raise NotChecked("oracle.json has neither top1 nor ade_px")
    for name, most in bounds.items():
        value = oracle[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise AuditError(f"oracle.json has {name} {value!r:.40}: write a number from 0 to {most:,.0f}")


def over_oracle(table, oracle, mend):
    """Tests of accuracy and position error against the oracle's, in standard errors."""
    n = len(table)
    if "top1" in oracle and n:
        top1, bound = float((table["predicted"] == table["label"]).mean()), float(oracle["top1"])
        error = np.sqrt(max(bound * (1 - bound), 1 / n) / n)
        said = f"top-1 {top1:.4f} on {n} clips, the oracle's is {bound:.4f}"
        yield Test(17, SEVERE, (top1 - bound) / error, SIGMA, None, n, said, mend)
    if "ade_px" in oracle and "ade_px" in table.columns and n > 1:
        mean, error = table["ade_px"].mean(), max(table["ade_px"].std() / n**0.5, 1e-9)
        said = f"position error {mean:.3g} px on {n} clips, the oracle's is {float(oracle['ade_px']):.3g}"
        yield Test(17, SEVERE, (float(oracle["ade_px"]) - mean) / error, SIGMA, None, n, said, mend)


CHECKS = {12: still, 13: formats, 14: targets, 15: normalisation, 16: under_chance, 17: beyond}
