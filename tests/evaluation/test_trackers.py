"""The object is found in the frames, and a line continued: nearly right where the motion is one."""

import numpy as np
import pytest

from trajnb.evaluation import trackers


def test_constant_velocity_continues_a_line_and_is_measured_in_the_frames(clips):
    clips, cfg = clips.take(slice(200)), clips.cfg
    line = np.stack([3 * np.arange(21.0), -np.arange(21.0), np.full(21, 2.0)], axis=1)[None]
    assert trackers.constant_velocity(line[:, :16], 5) == pytest.approx(line[:, 16:])
    straight = clips.label_N == cfg.motions.index("linear")
    forecast = trackers.measured_constant_velocity(clips)
    off_px = np.linalg.norm((forecast - clips.track_NFx3[:, cfg.frames :])[..., :2], axis=-1).mean(axis=1) * cfg.size
    assert 0 < off_px[straight].mean() < 1, "nearly right on straight lines, but measured"
    assert off_px[~straight].mean() > 3
