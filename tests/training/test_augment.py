"""Clip and target move together, exactly, and gravity keeps its direction."""

import numpy as np
import pytest
import torch

from trajnb.training.augment import augment, draw

CENTROID_PX = 0.05  # error of an 8-bit centroid


@pytest.fixture
def clips(discs):
    """Discs that stay well inside the frame, so that no shift cuts them."""
    return discs(40).batch(np.arange(40))


def centroids(video_BCTHW):
    """(u, v) of each frame's light above the ground, in frame widths."""
    light_BTHW = (video_BCTHW[:, 0].double() - video_BCTHW[:, 0].double().amin((1, 2, 3), keepdim=True)).clamp_min(0)
    centre = (torch.arange(light_BTHW.shape[-1]) + 0.5) / light_BTHW.shape[-1]
    u_BT, v_BT = (light_BTHW.sum(axis) @ centre.double() for axis in (2, 3))
    return torch.stack([u_BT, v_BT], dim=-1) / light_BTHW.sum((2, 3))[..., None]


def moved(clips, make_cfg, seed=0, **changes):
    cfg = make_cfg(size=64, frames=16, horizon=5, **{"mirror": False, "shift_px": 0, "contrast": 0.0} | changes)
    return augment(clips.video, clips.track, draw(cfg, np.random.default_rng(seed), len(clips.video)))


@pytest.mark.parametrize("seed", range(3))
def test_centroid_follows_target(clips, make_cfg, seed):
    video, track = moved(clips, make_cfg, seed, mirror=True, shift_px=4, contrast=0.2)
    error_px = (centroids(video) - track[:, :16, :2]).abs().max() * 64
    assert error_px < CENTROID_PX + (centroids(clips.video) - clips.track[:, :16, :2]).abs().max() * 64


def test_never_upside_down(discs, make_cfg):
    """A disc that goes down goes down whatever is drawn: order of v in time is kept in clip and target."""
    falling = discs(80).batch(np.flatnonzero(discs(80).label_N == 2))
    for seed in range(5):
        video, track = moved(falling, make_cfg, seed, mirror=True, shift_px=4, contrast=0.2)
        assert (track[..., 1].diff(dim=1) > 0).all()
        assert (centroids(video)[..., 1].diff(dim=1) > 0).all()


class Drawn:
    """A generator that gives known numbers, and records its arguments."""

    def __init__(self):
        self.arguments = []

    def random(self, n):
        return np.array([0.49, 0.5])

    def integers(self, low, high, shape):
        self.arguments.append((low, high, shape))
        return np.array([[1, 0], [-2, 1]])

    def uniform(self, low, high, n):
        self.arguments.append((low, high, n))
        return np.array([2.0, 0.5])


def test_two_clips_by_hand(make_cfg):
    """The first is mirrored, moved one pixel right and stretched, the second moved two left and one down."""
    video = torch.tensor([[[0, 10, 20, 60]] * 3 + [[70, 80, 90, 150]], [[0, 0, 0, 0]] * 2 + [[51, 102, 153, 204]] * 2])
    video, track = video[:, None, None].to(torch.uint8), torch.tensor([0.25, 0.5, 3.0]).expand(2, 3, 3)
    rng, cfg = Drawn(), make_cfg(mirror=True, shift_px=2, contrast=0.25)
    moved, after = augment(video, track, draw(cfg, rng, 2))
    assert rng.arguments == [(-2, 3, (2, 2)), (0.75, 1.25, 2)]
    assert draw(cfg, rng, 2)[2].dtype == torch.float32
    first = torch.tensor([[60.0, 60, 20, 10]] * 3 + [[150.0, 150, 90, 80]]) / 255
    second = torch.tensor([[0.0, 0, 0, 0]] * 3 + [[153.0, 204, 204, 204]]) / 255
    for result, plain, factor in zip(moved[:, 0, 0], (first, second), (2.0, 0.5), strict=True):
        torch.testing.assert_close(result, (plain.mean() + factor * (plain - plain.mean())).clamp(0, 1))
    assert after[0, 0].tolist() == [1 - 0.25 + 1 / 4, 0.5, 3.0]
    assert after[1, 2].tolist() == [0.25 - 2 / 4, 0.5 + 1 / 4, 3.0]
    assert augment(video, track, draw(cfg.replace(mirror=False), rng, 2))[1][0, 0, 0] == 0.25 + 1 / 4
