"""The split by recipe, and the old one by class order."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd

from trajnb.config import Config
from trajnb.data import splits
from trajnb.world import recipes

CFG = Config(clips=800, test_clips=200)


def test_hash_thresholds():
    """0.70 and 0.85 of the hashes' range, to the last digit that a double holds; what lies above is left out."""
    edges = [int(share * 2**64) for share in (0.70, 0.85)]
    hashes = ["f" * 16, "0" * 16, *(f"{number:016x}" for edge in edges for number in (edge - 2**11, edge))]
    table = splits.divide(pd.DataFrame({"recipe_hash": hashes}), CFG)
    assert table["recipe_hash"].tolist() == hashes[1:5] and table.index.tolist() == [0, 1, 2, 3]
    assert table["split"].tolist() == ["train"] * 2 + ["val"] * 2


def test_class_order_leaves_most_of_the_last_class_to_validation():
    """All 200 clips of a class are to train on, of the last one 40; within a class they keep their order."""
    cfg = CFG.replace(split="class_order", motions=["random", "linear", "circular", "parabolic"])
    table = recipes.draw(cfg, 0, np.arange(800))
    ordered = pd.concat([table[table["motion"] == motion] for motion in cfg.motions], ignore_index=True)
    expected = ordered.assign(split=["train"] * 640 + ["val"] * 160)
    pd.testing.assert_frame_equal(splits.divide(table, cfg), expected)


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
