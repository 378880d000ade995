"""The losses against torch's own and against arithmetic."""

import math
from types import SimpleNamespace

import torch
from torch import nn

from trajnb.models.head import SCALE, Output, absolute
from trajnb.training.losses import as_target, position_nll, training_loss

CFG = SimpleNamespace(frames=16, beta_nll=0.5, position_weight=3.0, seen_weight=5.0, aux_weight=2.0)


def random_case(seed=0):
    torch.manual_seed(seed)
    future = torch.cat([torch.rand(6, 5, 3), torch.randn(6, 5, 3) - 3], dim=-1)
    return Output(torch.randn(6, 4), future, torch.rand(6, 16, 3)), torch.randint(4, (6,)), torch.rand(6, 21, 3) + 0.5


def test_likelihood_is_torchs():
    output, _, track = random_case()
    target, (mean, log_variance) = as_target(track)[:, 16:], output.future_BFx6.chunk(2, dim=-1)
    theirs = -torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(target)
    torch.testing.assert_close(position_nll(output.future_BFx6, target), theirs - math.log(SCALE))


def test_beta_weighs_by_variance_without_its_gradient():
    future = torch.zeros(1, 1, 6, requires_grad=True)
    target = torch.full((1, 1, 3), 0.3)
    plain, weighted = position_nll(future, target), position_nll(future, target, beta=0.5)
    torch.testing.assert_close(weighted, plain / SCALE)  # variance 1 = deviation of 1 / SCALE standard units
    (gradient,) = torch.autograd.grad(weighted.sum(), future)
    (expected,) = torch.autograd.grad(plain.sum(), future)
    torch.testing.assert_close(gradient, expected / SCALE)


def test_parts_add_up():
    output, label, track = random_case()
    bare = training_loss(
        output, {}, label, track, SimpleNamespace(**vars(CFG) | {"position_weight": 0, "seen_weight": 0})
    )
    torch.testing.assert_close(bare, nn.functional.cross_entropy(output.logits_BK, label))
    with_aux = training_loss(output, {"loss": torch.tensor(7.0)}, label, track, CFG)
    torch.testing.assert_close(with_aux, training_loss(output, {}, label, track, CFG) + 14)


def test_repeating_the_last_seen_position_is_not_free():
    """The target lies strictly after the last seen frame: a moving object is no longer where it was."""
    _, _, track = random_case()
    track[..., :2] = torch.linspace(0.2, 0.8, 21)[:, None]
    repeated = as_target(track)[:, 15:16].expand(-1, 5, -1)
    sure = torch.full((6, 5, 3), 2 * math.log(0.01))
    perfect = torch.cat([as_target(track)[:, 16:], sure], dim=-1)
    lazy = torch.cat([repeated, sure], dim=-1)
    target = as_target(track)[:, 16:]
    assert position_nll(lazy, target)[..., :2].min() > position_nll(perfect, target)[..., :2].max() + 1


def test_seen_positions_have_no_loss_when_right():
    output, label, track = random_case()
    right = output._replace(seen_BTx3=as_target(track)[:, :16])
    zero = SimpleNamespace(**vars(CFG) | {"seen_weight": 0.0})
    torch.testing.assert_close(
        training_loss(right, {}, label, track, CFG), training_loss(right, {}, label, track, zero)
    )
    assert absolute(torch.zeros(3)).tolist()[:2] == [0.5, 0.5]
