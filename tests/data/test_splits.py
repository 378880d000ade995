"""The guard against each way a split can lie."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.data import ClipSet, splits
from trajnb.world import recipes

CFG = Config(clips=800, test_clips=200)


@pytest.fixture
def tables():
    table, test = recipes.draw(CFG, 0, np.arange(800)), recipes.draw(CFG, 9, np.arange(200))
    table["recipe_hash"] = splits.recipe_hashes(ClipSet(CFG, 0, table))
    test["recipe_hash"] = splits.recipe_hashes(ClipSet(CFG, 9, test))
    return table.assign(split=splits.assign(table["recipe_hash"])), test.assign(split="test")


def test_an_honest_split_passes_with_about_the_shares_asked_for(tables):
    splits.guard(*tables, CFG)
    share = tables[0]["split"].value_counts(normalize=True)
    for name, asked in splits.SHARES.items():
        assert abs(share[name] - asked) < 4 * np.sqrt(asked * (1 - asked) / 800)


def test_hash_thresholds():
    hashes = ["0" * 16, "b000000000000000", "d000000000000000", "e000000000000000", "f" * 16]
    assert splits.assign(hashes).tolist() == ["train", "train", "val", "holdout", "holdout"]


def test_the_predecessors_split_is_refused(tables):
    table, test = tables
    table = table.sort_values("motion", kind="stable").reset_index(drop=True)
    table["split"] = np.where(np.arange(800) < 640, "train", "val")
    with pytest.raises(ValueError, match=r"split '(train|val)' holds \d+ \w+ clips of \d+, at least"):
        splits.guard(table, test, CFG)


def test_class_order_inside_a_split_is_refused(tables):
    table, test = tables
    with pytest.raises(ValueError, match="split 'train' is ordered by class"):
        splits.guard(table.sort_values("motion", kind="stable"), test, CFG)


def test_a_rare_class_is_refused(tables):
    table, test = tables
    rare = (table["split"] == "val") & (table["motion"] == "random")
    table = table.drop(index=table[rare].index[2:])
    with pytest.raises(ValueError, match="split 'val' holds 2 random clips"):
        splits.guard(table, test, CFG)


def test_a_recipe_in_two_splits_is_refused(tables):
    table, test = tables
    test.loc[0, "recipe_hash"] = table.loc[table["split"] == "train", "recipe_hash"].iloc[0]
    with pytest.raises(ValueError, match=r"share a recipe .*'train', 'test'"):
        splits.guard(table, test, CFG)


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
