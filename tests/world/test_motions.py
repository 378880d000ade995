"""Motions against their physics."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.world import motions

CFG = Config()


def one(name, u, g=None, dt=1 / 30, cfg=CFG):
    """The path of one clip from numbers given; those of `u` that are not given are 0.5."""
    u = np.array([[*u, *[0.5] * (motions.RANDOM_NUMBERS - len(u))]])
    return motions.MOTIONS[name](u, g, np.array([dt]), cfg)[0]


def test_straight_and_falling_paths_by_hand():
    """Speed 1.75 m/s at height 0.5 of the unit sphere, half a turn from x; half of g t squared on top."""
    t = np.arange(21)[:, None] * 0.1
    line = t * 1.75 * np.array([-np.sqrt(0.75), 0.0, 0.5])
    assert one("linear", [0.25, 0.75, 0.5], dt=0.1) == pytest.approx(line)
    assert one("parabolic", [0.25, 0.75, 0.5], dt=0.1) == pytest.approx(line + t**2 * [0, 9.81 / 2, 0])


ROOT3 = np.sqrt(3) / 2


@pytest.mark.parametrize(
    ("u", "start", "quarter", "axis"),
    [  # radius, sweep, sense, tilt, azimuth, phase
        ([0.0, 0.5, 0.5, 1.0, 0.0, 0.25], [0, 0.25, 0], [-0.25, 0, 0], [0, 0, 1]),
        ([0.0, 0.5, 0.49, 1.0, 0.0, 0.25], [0, 0.25, 0], [0.25, 0, 0], [0, 0, 1]),
        (
            [1.0, 0.5, 0.5, 0.0, 1 / 6, 0.0],
            [0.4, 0.8 * ROOT3, 0],
            [-0.4 * ROOT3, 0.2, 0.8 * ROOT3],
            [0.75, -ROOT3 / 2, 0.5],
        ),
    ],
)
def test_circles_and_helices_by_hand(u, start, quarter, axis):
    """A sweep of 360 degrees in 16 frames is a sixth after 2.5 steps; tilted by 0 or by 60 degrees."""
    cfg = CFG.replace(sweep_min_deg=320.0)
    path, angle = one("circular", u, dt=2.5 / 30, cfg=cfg), np.radians(60) * np.arange(21)
    turned = np.outer(np.cos(angle), start) + np.outer(np.sin(angle), quarter)
    assert path == pytest.approx(turned, abs=1e-12)
    for share, speed in ((0.25, -1.0), (0.5, 0.5), (1.0, 1.5)):
        drift = one("helical", [*u, share], dt=2.5 / 30, cfg=cfg) - path
        assert drift[2] == pytest.approx(speed * 2 * 2.5 / 30 * np.array(axis))


def test_random_motion_by_hand():
    """Speed exp(mean of ln 1 and ln 4) = 2; each velocity keeps exp(-dt / 0.1 s) of the one before."""
    noise = np.random.default_rng(0).normal(size=(1, 21, 3))
    keep = np.exp(-0.5)
    velocity, at = noise[0, 0], [np.zeros(3)]
    for frame in range(1, 21):
        at.append(at[-1] + 2 * 0.05 * velocity)
        velocity = keep * velocity + np.sqrt(1 - keep**2) * noise[0, frame]
    assert one("random", [0.5], noise.reshape(1, -1), dt=0.05) == pytest.approx(np.array(at))
