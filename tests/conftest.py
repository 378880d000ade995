"""What several tests share: clips of the default world, and a set of drawn clips that needs no world."""

import numpy as np
import pytest
import torch

from trajnb.config import Config
from trajnb.data import Batch, ClipSet
from trajnb.world import recipes


class Discs:
    """A stand-in for a clip set: a bright disc that moves right, left, down or up (labels 0 to 3), drawn by formula.

    label_N, track_NFx3 and batch(rows) as in trajnb.data: 16 observed and 5 future frames, 64 x 64 pixels.
    """

    def __init__(self, clips: int, seed: int = 0, frames: int = 16, horizon: int = 5, size: int = 64):
        rng = np.random.default_rng(seed)
        self.frames, self.size = frames, size
        self.label_N = np.arange(clips) % 4
        direction_Nx2 = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])[self.label_N]
        speed_N11 = rng.uniform(0.8, 1.5, (clips, 1, 1)) / size
        time_F1 = (np.arange(frames + horizon) - frames / 2)[:, None]
        place_NFx2 = rng.uniform(0.3, 0.7, (clips, 1, 2)) + direction_Nx2[:, None] * speed_N11 * time_F1
        depth_NF1 = np.broadcast_to(rng.uniform(2, 4, (clips, 1, 1)), (clips, frames + horizon, 1))
        self.track_NFx3 = np.concatenate([place_NFx2, depth_NF1], axis=-1).astype(np.float32)

    def __len__(self):
        return len(self.label_N)

    def spread(self, count):
        return self

    def batch(self, rows):
        """uint8 clips (B, 1, T, H, W) of discs of radius 6.4 / z pixels with soft rims on a dark background."""
        track_BFx3 = self.track_NFx3[rows]
        x_BT11, y_BT11, z_BT11 = track_BFx3[:, : self.frames, :, None, None].transpose(2, 0, 1, 3, 4)
        centre = (np.arange(self.size) + 0.5) / self.size
        away_BTHW = self.size * np.hypot(centre - x_BT11, centre[:, None] - y_BT11)
        video_BTHW = 30 + 200 * (6.4 / z_BT11 + 0.5 - away_BTHW).clip(0, 1)
        video_BCTHW = torch.from_numpy(video_BTHW.astype(np.uint8)[:, None])
        return Batch(video_BCTHW, torch.from_numpy(self.label_N[rows]), torch.from_numpy(track_BFx3))


@pytest.fixture(scope="session")
def discs():
    """Makes a set of drawn clips: discs(32)."""
    return Discs


@pytest.fixture(scope="session")
def clips():
    """800 clips of the default world, one of each class in every four; nobody changes them."""
    cfg = Config()
    return ClipSet(cfg, 5, recipes.draw(cfg, 5, np.arange(800)))
