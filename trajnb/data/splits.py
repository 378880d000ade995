"""Splits by content: a clip's recipe decides where it goes, so a larger data set keeps a smaller one's split.

The predecessor split by position in a list that was ordered by class; its validation set held one class. `guard`
refuses such a split before anything is trained.
"""

import hashlib

import numpy as np
import pandas as pd

SHARES = {"train": 0.70, "val": 0.15, "holdout": 0.15}  # headline test clips come from another seed range instead
FEWEST = 0.5  # of the clips a class would have in a split if classes were equally common
ORDER_LIMIT = 6.0  # standard deviations of the number of runs that chance allows


def recipe_hashes(clips):
    """A 16-digit hash of what makes each clip: motion, track to 1/256 px, grey levels, noise."""
    track_NFx3 = np.rint(clips.track_NFx3 * [clips.cfg.size * 256, clips.cfg.size * 256, 4096]).astype(np.int64)
    light_Nx3 = np.rint(clips.table[["brightness", "background", "noise"]].to_numpy() * 2**20).astype(np.int64)
    rows = zip(clips.label_N, track_NFx3, light_Nx3, strict=True)
    return [hashlib.blake2b(bytes([m]) + t.tobytes() + g.tobytes(), digest_size=8).hexdigest() for m, t, g in rows]


def assign(hashes):
    """Split names (N,): a threshold on the hash as a fraction of its range."""
    fraction_N = np.array([int(h, 16) for h in hashes]) / 2.0**64
    edges = np.cumsum(list(SHARES.values()))[:-1]
    return np.array(list(SHARES))[np.searchsorted(edges, fraction_N, side="right")]


def guard(table, test, cfg):
    """Raise ValueError when a split lacks a class, is ordered by class, or shares a recipe with another."""
    parts = {**{name: table[table["split"] == name] for name in SHARES}, "test": test}
    for name, part in parts.items():
        check_classes(name, part, cfg.motions)
        check_order(name, part)
    check_overlap(parts)


def check_classes(name, part, motions):
    """Every class must have at least half of its equal share."""
    counts = part["motion"].value_counts()
    for motion in motions:
        count, least = int(counts.get(motion, 0)), max(1, FEWEST * len(part) / len(motions))
        if count < least:
            raise ValueError(
                f"split '{name}' holds {count} {motion} clips of {len(part)}, at least {least:.0f} are needed: "
                "raise clips, or split by recipe (trajnb.data.splits.assign) instead of by order"
            )


def changes(labels):
    """How often neighbours differ, how often chance has it, and its standard deviation (Wald and Wolfowitz's runs,
    several classes)."""
    code_N, share = pd.factorize(np.asarray(labels))[0], pd.Series(labels).value_counts(normalize=True).to_numpy()
    expected = (len(code_N) - 1) * (1 - (share**2).sum())
    return int((np.diff(code_N) != 0).sum()), expected, max(np.sqrt(expected * (share**2).sum()), 1.0)


def check_order(name, part):
    """Labels in file order must change about as often as chance has it."""
    found, expected, spread = changes(part["motion"])
    if abs(found - expected) > ORDER_LIMIT * spread and found < expected:
        raise ValueError(
            f"split '{name}' is ordered by class: its label changes {found} times, about {expected:.0f} expected; "
            "split by recipe (trajnb.data.splits.assign) instead of by order"
        )


def check_overlap(parts):
    """No recipe may stand in two splits, or twice in one."""
    everything = pd.concat([part.assign(part=name) for name, part in parts.items()])
    twice = everything[everything["recipe_hash"].duplicated(keep=False)]
    if len(twice):
        one = twice[twice["recipe_hash"] == twice["recipe_hash"].iloc[0]]
        raise ValueError(
            f"{len(twice)} clips share a recipe with another one (first: {one['part'].tolist()}): "
            "draw each clip index once, and take test clips from another seed"
        )
