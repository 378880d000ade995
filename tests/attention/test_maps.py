"""Maps: cells lie where they must, recorded attention equals the fused one, a propagated row equals multiplied
matrices, and the map of a network whose class depends on a planted cue lies on the cue."""

import numpy as np
import torch
from torch import nn

from trajnb import models
from trajnb.attention import layers, maps
from trajnb.attention.layers import Axis, Explained
from trajnb.config import Config
from trajnb.models.attention import Attend, attention_weights

FUTURES = [f"head_future_{k}" for k in range(1, 6)]
# First centre and step along time, rows and columns, by hand: I3D's pools of stride 2 reach back (SAME), SlowFast's are
# centred, slow frames are the first of four.
FINE = {
    "transformer": {"": [(1, 2), (4, 8), (4, 8)]},
    "i3d": {"": [(1, 2), (6, 8), (6, 8)]},
    "slowfast": {"_slow": [(0.5, 4), (2, 8), (2, 8)], "_fast": [(0.5, 1), (2, 8), (2, 8)]},
    "magvit": {"": [(2, 4), (4, 8), (4, 8)]},
}
GRID = {name: each.get("") for name, each in FINE.items()}
GRID |= {"i3d": [(3, 4), (14, 16), (14, 16)], "slowfast": [(2, 4), (2, 16), (2, 16)]}
CUE = (slice(None), slice(None), slice(8, 10), slice(40, 48), slice(16, 24))  # frames, rows, columns: one tubelet
CELL = (4, 5, 2)


def test_the_axes_of_the_nano_networks(explained):
    fine = {layer.name: [tuple(axis) for axis in layer.axes] for layer in explained.fine}
    assert fine == FINE[explained.name]
    assert [tuple(axis) for axis in explained.grid_axes] == GRID[explained.name]


def test_recorded_attention_equals_the_fused_path(explained, video):
    with torch.no_grad():
        fast = explained.net(video)[0]
        with attention_weights(explained.net) as weights:
            slow = explained.net(video)[0]
    torch.testing.assert_close(fast.logits_BK, slow.logits_BK, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast.future_BFx6, slow.future_BFx6, atol=1e-5, rtol=1e-5)
    blocks = len(getattr(explained.net.extractor, "blocks", []))
    assert len(weights) == 2 * blocks + len(explained.net.head.pools)
    for weight_GNLS in weights.values():
        torch.testing.assert_close(weight_GNLS.sum(dim=-1), torch.ones(weight_GNLS.shape[:-1]), atol=1e-5, rtol=0)
    assert all(part.fused for part in explained.modules() if isinstance(part, Attend)), "the fast path is back"


def test_every_network_has_its_maps_at_the_clips_resolution_whatever_the_batch(explained, video):
    target = torch.zeros(2, dtype=torch.long)
    found = maps.all_maps(explained, video, target)
    alone = maps.all_maps(explained, video[1:], target[1:])
    layered = [f"{kind}{way}" for kind in ("activation", "gradcam") for way in FINE[explained.name]]
    own = ["gradient_attention"] if explained.name == "transformer" else []
    assert sorted(found) == sorted(["head_class", *FUTURES, *layered, *own])
    for name, one in found.items():
        assert np.isfinite(one.cells_BTHW).all() and (one.cells_BTHW >= 0).all(), name
        assert one.upsampled(explained.clip_shape).shape == (2, 16, 64, 64)
        assert np.ptp(one.cells_BTHW) > 0, name
        scale = np.abs(one.cells_BTHW[1]).max()
        np.testing.assert_allclose(alone[name].cells_BTHW[0] / scale, one.cells_BTHW[1] / scale, atol=1e-3)
    for name in ("head_class", *FUTURES):
        np.testing.assert_allclose(found[name].cells_BTHW.sum(axis=(1, 2, 3)), 1, atol=1e-5)


def test_a_propagated_row_equals_the_matrices_multiplied(tiny):
    """The full rule on cells x cells matrices, as the method's paper has it."""
    video = torch.rand(1, 1, 6, 24, 24, generator=torch.Generator().manual_seed(3))
    with attention_weights(tiny.net) as weights:
        logit = tiny(video)[0, 1]
    gradients = torch.autograd.grad(logit, list(weights.values()))
    each = zip(weights, weights.values(), gradients, strict=True)
    used = {name: (weight * gradient).clamp(min=0).mean(dim=1).detach() for name, weight, gradient in each}
    cell_TP, one = torch.arange(27).reshape(3, 9), torch.eye(27)
    total = one
    for k in range(2):
        time, space = torch.zeros(27, 27), torch.zeros(27, 27)
        for p in range(9):
            time[np.ix_(cell_TP[:, p], cell_TP[:, p])] = used[f"extractor.blocks.{k}.temporal_attention.attend"][p]
        for t in range(3):
            space[np.ix_(cell_TP[t], cell_TP[t])] = used[f"extractor.blocks.{k}.spatial_attention.attend"][t]
        for layer in (time, space):
            total = (one + layer) @ total
    pools = torch.stack([w[0, 0] for name, w in used.items() if name.startswith("head.")]).mean(dim=0)
    expected = (pools @ total).reshape(3, 3, 3)
    (found,) = maps.gradient_attention(tiny, video, torch.tensor([1])).values()
    np.testing.assert_allclose(found.cells_BTHW[0], expected.numpy(), rtol=1e-4, atol=1e-9)


class Cue(nn.Module):
    """Two classes: whether one tubelet is lighter than 0.5; `light` is the mean of every tubelet."""

    def __init__(self):
        super().__init__()
        self.light = nn.AvgPool3d((2, 8, 8))
        self.fine = [layers.Layer("", self.light, layers.tiles((2, 8, 8)))]

    def forward(self, video_BCTHW):
        cue_B = self.light(video_BCTHW)[(slice(None), 0, *CELL)] - 0.5
        return torch.stack([-9 * cue_B, 9 * cue_B], dim=1)


def test_grad_cam_lies_on_the_lightest_cell_where_light_counts():  # it does not see where
    found = maps.fine_maps(Cue(), cue_video(clips=2, noise=0.1), torch.tensor([1, 1]))
    for map_TSS in found["gradcam"].upsampled((16, 64, 64)):
        t, y, x = np.unravel_index(map_TSS.argmax(), map_TSS.shape)
        assert map_TSS.max() > 0 and (t // 2, y // 8, x // 8) == CELL


def cue_video(light=0.9, clips=1, noise=0.02):
    video = 0.3 + noise * torch.rand(clips, 1, 16, 64, 64, generator=torch.Generator().manual_seed(5))
    video[CUE] = light
    return video


def test_planted_attention_is_found_through_every_layer():
    """A head whose keys answer one bright tubelet: head and gradients point there, for the class it raises."""
    net = models.build(Config(model="transformer")).eval()
    with torch.no_grad():
        for block in net.extractor.blocks:  # each token by itself: only the head decides where to look
            for part in (block.spatial_attention, block.temporal_attention):
                part.qkv.weight.zero_(), part.qkv.bias.zero_()
        grid, _ = net.extractor(cue_video())
        cell = net.head.into(grid[0, CELL[0], CELL[1], CELL[2]])
        other = net.head.into(grid[0]).reshape(-1, 96).mean(dim=0)
        for pool in net.head.pools:
            pool.query.weight.zero_(), pool.key_value.weight[:96].copy_(torch.eye(96))
            pool.query.bias.copy_(20 * (cell - other))
            pool.attend.heads = 1
    explained = Explained(net, (16, 64, 64))
    with torch.no_grad():
        target = (explained(cue_video()) - explained(cue_video(0.3))).argmax(dim=1)
    found = maps.head(explained, cue_video()) | maps.gradient_attention(explained, cue_video(), target)
    for name in ("head_class", "gradient_attention"):
        cells = found[name].cells_BTHW[0]
        assert np.unravel_index(cells.argmax(), cells.shape) == CELL, name


def test_upsampling_puts_a_cell_at_its_centre():
    cells = np.zeros((1, 4, 4, 4), np.float32)
    cells[0, 1, 2, 3] = 1
    one = maps.Map(cells, (Axis(0.5, 4), Axis(2.0, 16.0), Axis(14.0, 16.0)))
    t, y, x = np.unravel_index(one.upsampled((16, 64, 64))[0].argmax(), (16, 64, 64))
    assert (t, y, x) == (4, 33, 62), "the middle of frame 4; row 2 + 2 x 16, column 14 + 3 x 16, its first pixel"
