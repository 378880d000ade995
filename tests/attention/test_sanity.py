"""Weights become random from the logits down, and only a map that needs them changes."""

import numpy as np
import torch

from trajnb import models
from trajnb.attention import sanity
from trajnb.attention.maps import Map
from trajnb.config import Config


def changed(explained, level):
    """Names of the weights that differ from the trained ones at `level`; fresh weights are all of another value."""
    fresh = models.build(Config(model=name_of(explained)))
    with torch.no_grad():
        for weight in fresh.parameters():
            weight.fill_(7.0)
    random = sanity.randomised(explained, fresh, level)
    old = dict(explained.net.named_parameters())
    return {name for name, weight in random.net.named_parameters() if not torch.equal(weight, old[name])}


def name_of(explained):
    return next(name for name, kind in models.EXTRACTORS.items() if isinstance(explained.net.extractor, kind))


def test_each_level_takes_in_the_one_before(explained):
    kept = {name: weight.clone() for name, weight in explained.net.named_parameters()}
    logits, head, half, all_ = (changed(explained, level) for level in sanity.LEVELS)
    assert logits == {"head.to_class.weight", "head.to_class.bias"}
    assert head == {name for name in kept if name.startswith("head.")}
    assert head < half < all_ == set(kept)
    assert all(torch.equal(weight, kept[name]) for name, weight in explained.net.named_parameters()), "a copy"


def test_the_upper_half_is_what_comes_last(explained):
    first = {"transformer": "embed", "i3d": "layers.0.", "slowfast": "stem", "magvit": "encoder.0."}
    last = {"transformer": "norm", "i3d": "layers.9", "slowfast": "slow.2", "magvit": "encoder"}
    half, name = changed(explained, "upper half"), name_of(explained)
    assert not [weight for weight in half if weight.startswith("extractor.") and first[name] in weight]
    assert [weight for weight in half if weight.startswith(f"extractor.{last[name]}")]


def test_likeness_is_one_for_the_same_map_and_says_nothing_of_a_level_one():
    cells = np.random.default_rng(0).random((3, 4, 8, 8))
    same, level = Map(cells), Map(np.ones_like(cells))
    np.testing.assert_allclose(sanity.likeness(same, Map(cells**3)), 1)
    np.testing.assert_allclose(sanity.likeness(same, Map(-cells)), -1)
    for one, other in ((same, level), (level, same), (level, level)):
        assert np.isnan(sanity.likeness(one, other)).all(), "0 would count as undone by random weights"
