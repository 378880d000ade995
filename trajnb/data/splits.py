"""Splits by content: a clip's recipe decides where it goes, so a larger data set keeps a smaller one's split.

The last 15 % of the hashes' range are drawn and not used: they were a third split that nothing read, and leaving them
out keeps training and validation as they were. A split by position in class order can be asked for, to see what it
does: `data.check` refuses it.
"""

import hashlib

import numpy as np
import pandas as pd

SHARES = {"train": 0.70, "val": 0.15}  # test clips come from another seed range
FEWEST = 0.5  # of the clips a class would have in a split if classes were equally common
FIRST = 0.80  # of the clips in class order: the predecessor's training set


def recipe_hashes(clips):
    """A 16-digit hash of what makes each clip: motion, track to 1/256 px, grey levels, noise."""
    track_NFx3 = np.rint(clips.track_NFx3 * [clips.cfg.size * 256, clips.cfg.size * 256, 4096]).astype(np.int64)
    light_Nx3 = np.rint(clips.table[["brightness", "background", "noise"]].to_numpy() * 2**20).astype(np.int64)
    rows = zip(clips.label_N, track_NFx3, light_Nx3, strict=True)
    return [hashlib.blake2b(bytes([m]) + t.tobytes() + g.tobytes(), digest_size=8).hexdigest() for m, t, g in rows]


def assign(hashes):
    """Split names (N,) by thresholds on the hash as a fraction of its range; "" for what is not used."""
    fraction_N = np.array([int(h, 16) for h in hashes]) / 2.0**64
    return np.array([*SHARES, ""])[np.searchsorted(np.cumsum(list(SHARES.values())), fraction_N, side="right")]


def divide(table, cfg):
    """The recipe table with its `split`: by recipe, or by position in class order."""
    if cfg.split == "recipe":
        table = table.assign(split=assign(table["recipe_hash"]))
        return table[table["split"] != ""].reset_index(drop=True)
    rank_N = pd.Categorical(table["motion"], categories=cfg.motions).codes
    ordered = table.iloc[np.argsort(rank_N, kind="stable")].reset_index(drop=True)
    return ordered.assign(split=np.where(np.arange(len(ordered)) < FIRST * len(ordered), "train", "val"))


def changes(labels):
    """How often neighbours differ, its expectation in random order, and its standard deviation (Wald and Wolfowitz)."""
    code_N, share = pd.factorize(np.asarray(labels))[0], pd.Series(labels).value_counts(normalize=True).to_numpy()
    expected = (len(code_N) - 1) * (1 - (share**2).sum())
    return int((np.diff(code_N) != 0).sum()), expected, max(np.sqrt(expected * (share**2).sum()), 1.0)
