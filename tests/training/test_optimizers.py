"""Muon on hidden matrices, AdamW on the rest, and one state that resumes both."""

import copy

import torch
from torch import nn

from trajnb.training import optimizers


def few_steps(net, optimizer, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(8, 6, generator=generator)).square().mean().backward()
        optimizer.step()


def test_each_weight_is_in_one_group_and_only_matrices_decay(make_cfg, make_net):
    net = make_net(make_cfg())
    groups = optimizers.build(net, 1e-3, 0.02).param_groups
    placed = [weight for group in groups for weight in group["params"]]
    assert len(placed) == len({w.data_ptr() for w in placed}) == len(list(net.parameters()))
    assert all(
        (w.ndim >= 2 and w is not net.head.query_QD) for group in groups if group["muon"] for w in group["params"]
    )
    spared = {w.data_ptr() for group in groups if group["weight_decay"] == 0 for w in group["params"]}
    assert {
        net.extractor.where_LD.data_ptr(),
        net.head.query_QD.data_ptr(),
        net.head.to_class.bias.data_ptr(),
    } <= spared
    outputs = [w for group in groups if not group["muon"] and group["weight_decay"] for w in group["params"]]
    assert {w.data_ptr() for w in outputs} == {
        m.weight.data_ptr() for m in (net.head.to_class, net.head.to_future, net.head.to_seen)
    }


def test_orthogonal_evens_out_singular_values():
    torch.manual_seed(0)
    for shape in ((3, 12, 30), (3, 30, 12)):
        values = torch.linalg.svdvals(optimizers.orthogonal(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.5


def test_resumed_state_goes_on_the_same():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    optimizer = optimizers.build(net, 1e-2, 0.02)
    few_steps(net, optimizer, 3, seed=1)
    twin = copy.deepcopy(net)
    other = optimizers.build(twin, 1e-2, 0.02)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    few_steps(net, optimizer, 3, seed=2)
    few_steps(twin, other, 3, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters(), strict=True))


def test_filters_of_any_rank_are_updated():
    net = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Conv3d(4, 4, 1))
    before = [w.clone() for w in net.parameters()]
    optimizer = optimizers.build(net, 1e-2, 0.0)
    net(torch.randn(2, 1, 5, 5, 5)).square().mean().backward()
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
