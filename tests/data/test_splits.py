"""The split by recipe, and the old one by class order."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from trajnb.config import Config
from trajnb.data import ClipSet, splits
from trajnb.world import recipes

CFG = Config(clips=800, test_clips=200)


def test_a_split_by_recipe_has_about_its_shares():
    hashes = splits.recipe_hashes(ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(800))))
    count = splits.divide(pd.DataFrame({"recipe_hash": hashes}), CFG)["split"].value_counts()
    for name, share in {"train": 0.70, "val": 0.15}.items():
        assert abs(count[name] / 800 - share) < 4 * np.sqrt(share * (1 - share) / 800)
    assert set(count.index) == {"train", "val"}


def test_hash_thresholds():
    """0.70 and 0.85 of the hashes' range, to the last digit that a double holds."""
    edges = [int(share * 2**64) for share in (0.70, 0.85)]
    hashes = [f"{number:016x}" for edge in edges for number in (edge - 2**11, edge)]
    assert splits.assign(["0" * 16, *hashes, "f" * 16]).tolist() == ["train"] * 2 + ["val"] * 2 + [""] * 2


def test_changes_by_hand():
    """Neighbours differ three times; shares of 3, 2 and 1 sixths; the deviation is never below one."""
    expected = 5 * (1 - 14 / 36)
    assert splits.changes(list("aabbac")) == pytest.approx((3, expected, np.sqrt(expected * 14 / 36)))
    assert splits.changes(list("aab"))[2] == 1


def test_class_order_leaves_most_of_the_last_class_to_validation():
    cfg = CFG.replace(split="class_order", motions=["random", "linear", "circular", "parabolic"])
    table = recipes.draw(cfg, 0, np.arange(800))
    result = splits.divide(table, cfg)
    assert result["motion"].tolist() == [motion for motion in cfg.motions for _ in range(200)]
    assert pd.crosstab(result["split"], result["motion"]).to_dict("index") == {
        "train": {"random": 200, "linear": 200, "circular": 200, "parabolic": 40},
        "val": {"random": 0, "linear": 0, "circular": 0, "parabolic": 160},
    }
    assert sorted(result["index"]) == list(range(800)), "the same clips, no other"
    assert all(one.is_monotonic_increasing for _, one in result.groupby("motion")["index"]), (
        "within a class as they were"
    )
    assert list(result) == [*table, "split"]


def test_the_hash_by_hand():
    """BLAKE2b of the class, the track in 1/256 px and 1/4096 m, and the light in steps of 2^-20."""
    track_NFx3 = np.array([[[0.5, 0.25, 3.0]], [[0.5 + 0.4 / 16384, 0.25, 3.0]], [[0.5, 0.25, 3 + 0.6 / 4096]]])
    light = pd.DataFrame({"noise": [0.125] * 3, "background": [0.25] * 3, "brightness": [1.0] * 3})
    clips = SimpleNamespace(cfg=CFG, track_NFx3=track_NFx3, table=light, label_N=np.array([2, 2, 3]))

    def by_hand(label, *track):
        numbers = np.array([*track, 2**20, 2**18, 2**17], np.int64)
        return hashlib.blake2b(bytes([label]) + numbers.tobytes(), digest_size=8).hexdigest()

    same = by_hand(2, 8192, 4096, 12288)
    assert splits.recipe_hashes(clips) == [same, same, by_hand(3, 8192, 4096, 12289)]
