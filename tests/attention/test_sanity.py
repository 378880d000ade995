"""Maps are compared with those of random networks; only a map that depends on the weights changes."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from trajnb import models
from trajnb.attention import sanity
from trajnb.attention.maps import Map
from trajnb.config import Config


def test_all_weights_of_a_copy_become_those_of_the_seed(explained):
    before = {name: weight.clone() for name, weight in explained.net.state_dict().items()}
    cfg = Config(model=explained.name, seed=3)
    random, expected = sanity.randomised(explained, cfg).net.state_dict(), models.build(cfg).state_dict()
    assert (
        all(torch.equal(random[name], weight) for name, weight in expected.items()) and random.keys() == before.keys()
    )
    assert all(torch.equal(weight, before[name]) for name, weight in explained.net.state_dict().items()), "a copy"


def test_the_interval_is_one_over_networks_and_not_over_clips():
    """Five networks, 40 clips each that share their network's deviation, which the interval has to show."""
    rng, shift = np.random.default_rng(0), [-0.2, 0.0, 0.1, 0.2, 0.4]
    rows = [(draw, clip, shift[draw] + 0.01 * rng.normal()) for draw in range(5) for clip in range(40)]
    checked = pd.DataFrame(rows, columns=["draw", "index", "rank_correlation"])
    found = sanity.over_networks(checked)
    ends = stats.ttest_1samp(shift, 0).confidence_interval()
    for name, expected in {"": 0.1, "_low": ends.low, "_high": ends.high}.items():
        assert found[f"sanity_rank_correlation{name}"] == pytest.approx(expected, abs=0.02)
    some = checked.assign(rank_correlation=checked["rank_correlation"].where(checked["index"] > 9))
    assert (found["sanity_clips"], sanity.over_networks(some)["sanity_clips"]) == (40, 30)
    assert np.isnan(sanity.over_networks(checked[:0])["sanity_rank_correlation_high"]), "no map: nothing is known"


@pytest.mark.parametrize(
    ("high", "clips", "passes"),
    [(0.1, 50, True), (0.32, 50, False), (np.nan, 0, False), (0.1, 24, False), (0.1, 25, True)],
)
def test_a_map_passes_if_random_weights_change_it_in_half_of_the_clips_or_more(high, clips, passes):
    assert sanity.passes({"sanity_rank_correlation_high": high, "sanity_clips": clips, "n": 50}) == passes


def test_the_rank_correlation_is_spearmans_and_nan_for_a_constant_map():
    one, other = np.random.default_rng(0).integers(0, 5, (2, 3, 4, 2, 5)).astype(float)
    expected = [stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(sanity.rank_correlation(Map(one), Map(other)), expected)
    constant = Map(np.ones_like(one))
    for pair in ((Map(one), constant), (constant, Map(one)), (constant, constant)):
        assert np.isnan(sanity.rank_correlation(*pair)).all(), "0 would count as changed by random weights"
