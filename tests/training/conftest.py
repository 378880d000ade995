"""A tiny training that takes a fraction of a second: 32 x 32 pixels, 8 frames, a Transformer of one block."""

import pytest
import torch

from trajnb import models
from trajnb.config import Config
from trajnb.models.head import Head
from trajnb.models.transformer import Transformer

TINY = {"frames": 8, "horizon": 2, "size": 32, "extent_max_px": 26.0}
TINY |= {"epochs": 4, "batch_size": 8, "shift_px": 2, "threads": 1}


@pytest.fixture
def make_cfg():
    return lambda **changes: Config(**TINY | changes)


@pytest.fixture
def make_net():
    def make(cfg, seed: int = 0):
        torch.manual_seed(seed)
        sizes = {"width": 24, "depth": 1, "heads": 2, "mlp_ratio": 2}
        extractor = Transformer(frames=cfg.frames, size=cfg.size, tubelet=(2, 8, 8), **sizes)
        head = Head(features=24, classes=4, frames=cfg.frames, horizon=cfg.horizon, width=24, depth=1, heads=2)
        return models.TrajectoryNet(extractor, head, cfg.precision)

    return make


@pytest.fixture
def make_clips(discs):
    return lambda cfg, clips=20, seed=0: discs(clips, seed, frames=cfg.frames, horizon=cfg.horizon, size=cfg.size)


@pytest.fixture(autouse=True)
def keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
