"""Muon on hidden matrices, AdamW on the rest (resumed: test_fit.py)."""

import pytest
import torch
from torch import nn

from trajnb.training import optimizers


def test_each_weight_is_in_one_group_and_only_matrices_decay(make_cfg, make_net):
    net = make_net(make_cfg())
    names = {weight: name for name, weight in net.named_parameters()}
    groups = optimizers.build(net, 1e-3, 0.02).param_groups
    placed = [(names[w], group["muon"], group["weight_decay"]) for group in groups for w in group["params"]]
    assert sorted(name for name, *_ in placed) == sorted(names.values())
    assert all(net.get_parameter(name).ndim >= 2 and name != "head.query_QD" for name, muon, _ in placed if muon)
    spared = {name for name, _, decay in placed if decay == 0}
    assert {"extractor.where_LD", "head.query_QD", "head.to_class.bias"} <= spared
    outputs = {name for name, muon, decay in placed if decay and not muon}
    assert outputs == {f"head.to_{output}.weight" for output in ("class", "future", "observed")}


def newton_schulz(value):
    """Five steps of the quintic on one singular value, with the source's coefficients."""
    for _ in range(5):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    return value


@pytest.mark.parametrize(("rows", "columns"), [(2, 5), (5, 2)])
def test_orthogonal_maps_each_singular_value_by_the_quintic(rows, columns):
    left, right = torch.eye(rows)[:, [1, 0]], torch.eye(columns)[[0, 1]].flip(1)
    matrix = left @ torch.diag(torch.tensor([3.0, 4.0])) @ right
    result = optimizers.orthogonal(torch.stack([matrix, 100 * matrix]))  # each by its own norm
    expected = left @ torch.diag(torch.tensor([newton_schulz(0.6), newton_schulz(0.8)])) @ right
    torch.testing.assert_close(result, torch.stack([expected, expected]), atol=1e-5, rtol=0)
    assert optimizers.orthogonal(torch.zeros(1, rows, columns)).abs().max() == 0, "no gradient, no step"


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1, 3, 3)])
def test_two_steps_of_muon_by_hand(shape):
    """Momentum 0.95 looking one gradient ahead; length 0.2 sqrt(longer side); decay apart from the gradient."""
    net = nn.Module()
    net.weight = nn.Parameter(torch.ones(shape))
    optimizer = optimizers.build(net, 0.1, 0.3)
    assert optimizer.defaults["betas"] == (0.9, 0.99)
    expected, first, second = torch.ones(9), torch.eye(9)[0], torch.eye(9)[4]
    ahead = [first, 0.95 * (0.95 * 0.05 * first + 0.05 * second) + 0.05 * second]
    for gradient, update in zip((first, second), ahead, strict=True):
        net.weight.grad = gradient.reshape(shape).clone()
        optimizer.step()
        expected = expected * (1 - 0.1 * 0.3) - 0.1 * 0.2 * 3 * newton_schulz(1.0) * update / update.norm()
        torch.testing.assert_close(net.weight.detach().flatten(), expected)


def test_a_state_from_another_device_keeps_what_this_one_needs():
    """A CUDA graph wants `capturable`, which a training run begun on a CPU has not saved."""
    here, there = (optimizers.build(nn.Linear(3, 3), 1e-2, 0.0) for _ in range(2))
    here.defaults["capturable"] = True
    here.load_state_dict(there.state_dict())
    assert all(group["capturable"] for group in here.param_groups)
