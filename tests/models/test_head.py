"""The head: positions that tell cells apart, units, a variance with a floor, pooling weights that can be read."""

import math

import pytest
import torch

from trajnb.models.attention import sine_cosine
from trajnb.models.head import Head, standard


@pytest.fixture
def head():
    torch.manual_seed(0)
    return Head(features=10, classes=4, frames=16, horizon=5)


def test_positions_of_coarse_and_fine_grids_agree():
    """A coarse cell lies amid its eight fine ones, so its code is nearest to theirs."""
    coarse, fine = sine_cosine(2, 2, 2, 96), sine_cosine(4, 4, 4, 96)
    place = torch.cartesian_prod(*[(torch.arange(4) + 0.5) / 4] * 3)
    nearest = torch.cdist(coarse[:1], fine).argsort()[0, :8]
    assert (place[nearest] < 0.5).all()


def test_the_head_by_hand(head):
    """Cells get their positions, queries pool and pass an MLP twice; the first gives the class, the next the futures.

    The variance's floor is smooth. In training one query more for each observed frame, no other.
    """
    grid = torch.randn(2, 2, 3, 4, 10)
    cell = head.into(grid.flatten(1, 3)) + sine_cosine(2, 3, 4, 96)
    query = torch.cat([head.query_QD, head.observed_query_TD]).expand(2, -1, -1)
    for pool in head.pools:
        q, k, v = pool.query(pool.norm(query)), *pool.key_value(cell).split(96, dim=-1)
        q, k, v = (x.unflatten(-1, (6, 16)).transpose(1, 2) for x in (q, k, v))
        weights = (q @ k.transpose(2, 3) / 4).softmax(-1)
        query = query + pool.proj((weights @ v).transpose(1, 2).flatten(2))
        norm, wider, _, narrower = pool.mlp
        query = query + narrower(torch.nn.functional.gelu(wider(norm(query))))
    query = head.norm(query)
    output = head(grid)
    torch.testing.assert_close(output.logits_BK, head.to_class(query[:, 0]))
    mean, raw = head.to_future(query[:, 1:6]).split(3, dim=-1)
    log_variance = torch.log(1 + torch.exp(raw + 8)) - 8 + 2 * math.log(0.25)
    expected = torch.cat([mean * 0.25 + torch.tensor([0.5, 0.5, math.log(3)]), log_variance], dim=-1)
    torch.testing.assert_close(output.future_BFx6, expected)
    torch.testing.assert_close(standard(output.observed_BTx3), head.to_observed(query[:, 6:]))
    inference = head.eval()(grid)
    assert inference.observed_BTx3 is None
    torch.testing.assert_close((inference.logits_BK, inference.future_BFx6), (output.logits_BK, output.future_BFx6))


def test_starts_unsure(head):
    """Output maps and queries with deviation 0.02 of a normal number cut at +-2; the rest as everywhere."""
    maps = (head.to_class, head.to_future, head.to_observed)
    for weight in (*(layer.weight for layer in maps), head.query_QD, head.observed_query_TD):
        assert weight.std().item() == pytest.approx(0.02, rel=0.2)
        assert 0.03 < weight.abs().max() < 0.1
    assert all(layer.bias.abs().max() == 0 for layer in maps)
    with pytest.raises(ValueError, match="head width 100 is not a multiple of 6"):
        Head(features=10, classes=4, frames=16, horizon=5, width=100)
