"""A record written by hand, and networks without training whose clips are rendered."""

import numpy as np
import pytest

from trajnb import models
from trajnb.explain import evidence
from trajnb.predict import trained


@pytest.fixture
def record():
    return evidence.Evidence(
        networks=["I3D"],
        motion="circular",
        probability={"linear": 1.4, "parabolic": 4.2, "circular": 93.8, "random": 0.6},
        votes=1,
        seconds=0.5,
        path_px=[(10 + k, 40 - k) for k in range(16)],
        speed_px_s=61.3,
        heading="up and right",
        turn=211.0,
        bend_px=9.2,
        turnings=[(0.2, "right", "left"), (0.3667, "up", "down")],
        depth_change=-12.0,
        future=[((k + 1) / 30, (20 - k, 30 + k), (2 + k, 3 + k)) for k in range(5)],
        future_heading="down and left",
        look_px=(40, 24),
        look_seconds=0.3,
        look_on_path=62.0,
        look_even=9.0,
        look_passes=True,
        ood=0.61,
        nearest={"circular": 4, "random": 1},
        nearest_px=1.7,
    )


@pytest.fixture(scope="session")
def explainer(clips):
    """An Explainer of two untrained networks."""
    clean, members = np.random.default_rng(0).integers(20, 60, (40, 16, 64, 64), np.uint8), {}
    for name in ("i3d", "magvit"):
        members[name] = trained.Scored(models.build(clips.cfg.replace(model=name))).eval().measure(clean)
    train = clips.take(slice(40, 80))
    path_RTx2, motion_R = train.track_NFx3[:, :16, :2] * clips.cfg.size, train.table["motion"].to_numpy()
    return evidence.Explainer(clips.cfg, members, path_RTx2, motion_R, None)
