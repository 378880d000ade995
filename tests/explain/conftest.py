"""A record written by hand, and networks without training whose clips are rendered."""

from types import SimpleNamespace

import numpy as np
import pytest

from trajnb import models
from trajnb.explain import evidence
from trajnb.predict import trained


@pytest.fixture
def record():
    return evidence.Evidence(
        networks=1,
        motion="circular",
        probability={"linear": 1.4, "parabolic": 4.2, "circular": 93.8, "random": 0.6},
        votes=1,
        seconds=0.5,
        path_px=[(10 + k, 40 - k) for k in range(16)],
        speed_px_s=61.3,
        heading="up and to the right",
        turn=211.0,
        turnings=[(0.2, "right", "left"), (0.3667, "up", "down")],
        depth_change=-12.0,
        future=[((k + 1) / 30, (20 - k, 30 + k), (2 + k, 3 + k)) for k in range(5)],
        future_heading="down and to the left",
        look_px=(40, 24),
        look_seconds=0.3,
        look_passes=True,
        ood=0.61,
        nearest={"circular": 4, "random": 1},
    )


@pytest.fixture(scope="session")
def explainer(clips):
    """An Explainer of two untrained networks."""
    clean, train = np.random.default_rng(0).integers(20, 60, (40, 16, 64, 64), np.uint8), clips.take(slice(40, 80))
    nets = [models.build(clips.cfg.replace(model=name)) for name in ("i3d", "magvit")]
    about = {"path_RTx2": train.track_NFx3[:, :16, :2] * clips.cfg.size, "motion_R": train.table["motion"].to_numpy()}
    members = [trained.Scored(net).eval().measure(clean) for net in nets]
    return SimpleNamespace(cfg=clips.cfg, members=members, map_passes=None, **about)
