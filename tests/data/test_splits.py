"""The split by recipe, and the old one by class order."""

import numpy as np
import pandas as pd

from trajnb.config import Config
from trajnb.data import ClipSet, splits
from trajnb.world import recipes

CFG = Config(clips=800, test_clips=200)


def test_an_honest_split_has_about_the_shares_asked_for():
    hashes = splits.recipe_hashes(ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(800))))
    found = splits.divide(pd.DataFrame({"recipe_hash": hashes}), CFG)
    share = found["split"].value_counts(normalize=True)
    for name, asked in splits.SHARES.items():
        assert abs(share[name] - asked) < 4 * np.sqrt(asked * (1 - asked) / 800)


def test_hash_thresholds():
    hashes = ["0" * 16, "b000000000000000", "d000000000000000", "e000000000000000", "f" * 16]
    assert splits.assign(hashes).tolist() == ["train", "train", "val", "holdout", "holdout"]


def test_class_order_leaves_most_of_the_last_class_to_validation():
    cfg = CFG.replace(split="class_order", motions=["random", "linear", "circular", "parabolic"])
    table = recipes.draw(cfg, 0, np.arange(800))
    found = splits.divide(table, cfg)
    assert found["motion"].tolist() == [motion for motion in cfg.motions for _ in range(200)]
    assert pd.crosstab(found["split"], found["motion"]).to_dict("index") == {
        "train": {"random": 200, "linear": 200, "circular": 200, "parabolic": 40},
        "val": {"random": 0, "linear": 0, "circular": 0, "parabolic": 160},
    }
    assert sorted(found["index"]) == list(range(800)), "the same clips, no other"


def test_the_hash_sees_every_part_of_a_recipe():
    clips = ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(4)))
    first = splits.recipe_hashes(clips)[0]
    for change in ("track", "light", "motion"):
        other = ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(4)))
        if change == "track":
            other.track_NFx3[0, 5, 0] += 0.01
        elif change == "light":
            other.table.loc[0, "brightness"] += 0.01
        else:
            other.label_N[0] += 1
        assert splits.recipe_hashes(other)[0] != first
