"""The head: positions that tell cells apart, units, a variance with a floor, pooling weights that can be read."""

import math

import pytest
import torch

from trajnb.models.attention import Attend
from trajnb.models.head import LOG_VARIANCE_FLOOR, SCALE, Head, absolute, standard
from trajnb.models.positions import sine_cosine


@pytest.fixture
def head():
    torch.manual_seed(0)
    return Head(features=10, classes=4, frames=16, horizon=5)


def test_positions_tell_every_cell_apart():
    code_SD = sine_cosine(8, 8, 8, 96)
    assert code_SD.shape == (512, 96)
    assert torch.pdist(code_SD).min() > 0.1


def test_positions_of_coarse_and_fine_grids_agree():
    """A coarse cell lies amid its eight fine ones, so its code is nearest to theirs."""
    coarse, fine = sine_cosine(2, 2, 2, 96), sine_cosine(4, 4, 4, 96)
    place = torch.cartesian_prod(*[(torch.arange(4) + 0.5) / 4] * 3)
    nearest = torch.cdist(coarse[:1], fine).argsort()[0, :8]
    assert (place[nearest] < 0.5).all()


def test_units_there_and_back():
    place = torch.tensor([[0.5, 0.5, math.log(3)], [-0.2, 1.3, math.log(2)]])
    assert standard(place)[0].abs().max() == 0
    torch.testing.assert_close(absolute(standard(place)), place)


def test_starts_in_the_middle_with_a_quarter_frame_of_doubt(head):
    future = head.eval()(torch.randn(2, 8, 4, 4, 10)).future_BFx6
    torch.testing.assert_close(future[..., :2], torch.full((2, 5, 2), 0.5), atol=0.15, rtol=0)
    torch.testing.assert_close(future[..., 3:].exp().sqrt(), torch.full((2, 5, 3), SCALE), atol=0.15, rtol=0)


def test_variance_has_a_floor(head):
    head.to_future.bias.data[3:] = -100.0
    future = head.eval()(torch.randn(2, 8, 4, 4, 10)).future_BFx6
    assert future[..., 3:].min() >= LOG_VARIANCE_FLOOR + 2 * math.log(SCALE) - 1e-5


def test_pooling_weights_can_be_read(head):
    grid, maps = torch.randn(2, 8, 4, 4, 10), []
    fused = head.eval()(grid)
    for module in head.modules():
        if isinstance(module, Attend):
            module.fused = False
            module.weights.register_forward_hook(lambda module, inputs, output: maps.append(output))
    readable = head(grid)
    torch.testing.assert_close(fused.logits_BK, readable.logits_BK, atol=1e-5, rtol=1e-5)
    assert len(maps) == len(head.pools)
    assert all(m.shape == (2, 6, 1 + 5, 8 * 4 * 4) for m in maps)
    assert all(torch.allclose(m.sum(-1), torch.ones(())) for m in maps)
