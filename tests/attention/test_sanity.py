"""Weights become random from the logits down, and only a map that depends on them changes."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from trajnb import models
from trajnb.attention import sanity
from trajnb.attention.maps import Map
from trajnb.config import Config


def changed(explained, part):
    """Names of the weights that differ from the trained ones at `part`; fresh weights are all of another value."""
    fresh = models.build(Config(model=explained.name))
    with torch.no_grad():
        for weight in fresh.parameters():
            weight.fill_(7.0)
    random = sanity.randomised(explained, fresh, part)
    old = dict(explained.net.named_parameters())
    return {name for name, weight in random.net.named_parameters() if not torch.equal(weight, old[name])}


def test_each_part_includes_the_one_before(explained):
    before = {name: weight.clone() for name, weight in explained.net.named_parameters()}
    logits, head, half, all_ = (changed(explained, part) for part in sanity.RANDOMISED)
    assert logits == {"head.to_class.weight", "head.to_class.bias"}
    assert head == {name for name in before if name.startswith("head.")}
    assert head < half < all_ == set(before)
    assert all(torch.equal(weight, before[name]) for name, weight in explained.net.named_parameters()), "a copy"


def test_the_upper_half_is_what_comes_last(explained):
    first = {"transformer": "embed", "i3d": "layers.0.", "slowfast": "stem", "magvit": "encoder.0."}
    last = {"transformer": "norm", "i3d": "layers.9", "slowfast": "slow.2", "magvit": "encoder"}
    half, name = changed(explained, "upper half"), explained.name
    assert not [weight for weight in half if weight.startswith("extractor.") and first[name] in weight]
    assert [weight for weight in half if weight.startswith(f"extractor.{last[name]}")]


def test_the_interval_is_one_over_networks_and_not_over_clips():
    """Five networks, 40 clips each that share their network's deviation, which the interval has to show."""
    rng, shift = np.random.default_rng(0), [-0.2, 0.0, 0.1, 0.2, 0.4]
    rows = [(draw, clip, shift[draw] + 0.01 * rng.normal()) for draw in range(5) for clip in range(40)]
    checked = pd.DataFrame(rows, columns=["draw", "index", "rank_correlation"])
    found = sanity.over_networks(checked)
    low, high = stats.ttest_1samp(shift, 0).confidence_interval()
    assert found["sanity_rank_correlation"] == pytest.approx(0.1, abs=0.01)
    assert found["sanity_rank_correlation_low"] == pytest.approx(low, abs=0.02)
    assert found["sanity_rank_correlation_high"] == pytest.approx(high, abs=0.02)
    some = checked.assign(rank_correlation=checked["rank_correlation"].where(checked["index"] > 9))
    assert (found["sanity_clips"], sanity.over_networks(some)["sanity_clips"]) == (40, 30)
    assert np.isnan(sanity.over_networks(checked[:0])["sanity_rank_correlation_high"]), "no map: nothing is known"


def test_the_correlation_is_one_for_the_same_map_and_nan_for_a_constant_one():
    cells = np.random.default_rng(0).random((3, 4, 8, 8))
    same, constant = Map(cells), Map(np.ones_like(cells))
    np.testing.assert_allclose(sanity.map_correlation(same, Map(cells**3)), 1)
    np.testing.assert_allclose(sanity.map_correlation(same, Map(-cells)), -1)
    for one, other in ((same, constant), (constant, same), (constant, constant)):
        assert np.isnan(sanity.map_correlation(one, other)).all(), "0 would count as changed by random weights"
