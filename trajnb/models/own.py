"""A network of one's own, FILE.py:CLASS: any torch module that keeps the contract of `problems`.

CLASS() has `num_features` and forward(video_BCTHW) -> grid (B, T, H, W, D): grey clips, one channel, in [0, 1].

Shapes:   B clips   C channels   T, H, W   D = num_features
"""

import copy
import importlib.util
import sys
from pathlib import Path

import torch
from torch import nn

from trajnb import ROOT

FEWEST_ROWS = 4  # of a grid: fewer cannot say where
CHANGED = 1e-3  # least change of the grid when a clip is reversed


class Unusable(ValueError):
    """A file that holds no network of one's own, or one that breaks the contract; the message is a clause."""


class Own(nn.Module):
    """Somebody's network as the lab calls its extractors: clip -> (grid, {}). Raises Unusable for another shape."""

    def __init__(self, net):
        super().__init__()
        self.net, self.num_features = net, net.num_features

    def forward(self, video_BCTHW):
        grid_BTHWD = self.net(video_BCTHW)
        shape = tuple(getattr(grid_BTHWD, "shape", ()))
        if len(shape) != 5 or shape[0] != len(video_BCTHW) or shape[4] != self.num_features:
            raise Unusable(f"forward returns {shape or type(grid_BTHWD).__name__}, not (B, T, H, W, num_features)")
        return grid_BTHWD, {}


def load(name) -> Own:
    """The network of FILE.py:CLASS, whose path starts at the repository's root; the file's code is run."""
    path, _, wanted = name.rpartition(":")
    if not (ROOT / path).is_file():
        raise Unusable("there is no such file")
    spec = importlib.util.spec_from_file_location(f"trajnb_own_{Path(path).stem}", ROOT / path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        net = getattr(module, wanted)()
    except Exception as error:  # whatever somebody's code raises
        raise Unusable(f"it cannot be made ({type(error).__name__}: {error})") from None
    if not isinstance(net, nn.Module) or not isinstance(getattr(net, "num_features", None), int):
        raise Unusable("it is no torch.nn.Module with a whole number num_features")
    return Own(net)


def problems(net, video_BCTHW):
    """A clause for each promise that a TrajectoryNet breaks, found with a few different clips."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        grid_BTHWD, _ = net.eval().features(video_BCTHW)
        alone_BTHWD, _ = net.features(video_BCTHW[1:2])
    if not grid_BTHWD.isfinite().all():
        yield "the grid has infinities or NaN"
    rows_columns = tuple(grid_BTHWD.shape[2:4])
    if min(rows_columns) < FEWEST_ROWS:
        yield f"the grid has {rows_columns} rows and columns, below {FEWEST_ROWS}: too coarse to say where"
    if not torch.allclose(alone_BTHWD[0], grid_BTHWD[1], atol=1e-4, rtol=1e-3):
        yield "in eval mode a clip's grid depends on the other clips of its batch"
    trained = copy.deepcopy(net).train()
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3)
    for _ in range(3):  # a map that starts at zero passes no gradient at first
        optimizer.zero_grad()
        output, aux = trained(video_BCTHW)
        parts = [output.logits_BK.logsumexp(1), output.future_BFx6.square(), output.observed_BTx3.square()]
        (sum(part.mean() for part in parts) + aux.get("loss", 0)).backward()
        optimizer.step()
    silent = [name for name, weight in trained.named_parameters() if weight.grad is None or not weight.grad.any()]
    if silent:
        yield f"no gradient reaches {len(silent)} parameters, {silent[0]} for one"

    with torch.no_grad():  # with every path awake
        for weight in net.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
        forward, backward = (net.features(video)[0] for video in (video_BCTHW, video_BCTHW.flip(2)))
    if not all((forward - other).abs().max() > CHANGED for other in (backward, backward.flip(1))):
        yield "a clip played backwards has the same grid, or the same grid in reverse: the network sees no order"
