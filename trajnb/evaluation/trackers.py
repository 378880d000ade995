"""Tracks extrapolated without learning: constant velocity or acceleration, and a Kalman filter.

Source:   the filter: constant acceleration driven by white noise, Bar-Shalom, Li, Kirubarajan 2001, section 6.3.2.

Shapes:   N clips   T observed frames   H future frames   track (u, v, z): u and v in frame widths, z in metres
"""

import numpy as np
from filterpy.common import Q_discrete_white_noise
from filterpy.kalman import KalmanFilter

from trajnb.evaluation import metrics, oracles

STEP = np.array([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])  # position, velocity, acceleration a frame later
UNKNOWN = 1e4  # variance of an unknown state, in measurement variances
NOISES = tuple(10.0 ** np.arange(-6, 3))  # of the acceleration, against the measurement's: tried on validation clips


def track(uv_NTx2, z_NT, cfg):
    """Tracks (N, T, 3) of centres in pixels and depths in metres."""
    return np.concatenate([uv_NTx2 / cfg.size, z_NT[..., None]], axis=2)


def constant_velocity(track_NTx3, horizon):
    """Forecast (N, H, 3): the last step, repeated."""
    step_N1x3 = track_NTx3[:, -1:] - track_NTx3[:, -2:-1]
    return track_NTx3[:, -1:] + step_N1x3 * np.arange(1, horizon + 1)[:, None]


def measured_constant_velocity(clips):
    """`constant_velocity` (N, H, 3) from what can be measured in the frames of clips."""
    return constant_velocity(track(*oracles.measured_track(clips, clips.cfg), clips.cfg), clips.cfg.horizon)


def constant_acceleration(track_NTx3, horizon):
    """Forecast (N, H, 3): the last step and the last change of a step, repeated."""
    last, before, first = track_NTx3[:, -1:], track_NTx3[:, -2:-1], track_NTx3[:, -3:-2]
    ahead_H1 = np.arange(1, horizon + 1)[:, None]
    return last + (last - before) * ahead_H1 + (last - 2 * before + first) * ahead_H1 * (ahead_H1 + 1) / 2


def kalman(track_NTx3, horizon, noise):
    """Forecast (N, H, 3) of a filter on each coordinate; `noise`: the acceleration's, in measurement variances."""
    gains = KalmanFilter(dim_x=3, dim_z=1)  # of one coordinate: they depend on no measurement, so all clips share them
    gains.F, gains.H, gains.P = STEP, np.array([[1.0, 0.0, 0.0]]), np.eye(3) * UNKNOWN
    gains.Q = Q_discrete_white_noise(dim=3, dt=1.0, var=noise)
    state_3Nx3, forecast = np.zeros((3, *track_NTx3[:, 0].shape)), []
    for t in range(track_NTx3.shape[1]):
        if t:
            gains.predict()
            state_3Nx3 = np.tensordot(STEP, state_3Nx3, 1)
        gains.update(0.0)
        state_3Nx3 = state_3Nx3 + gains.K[:, :, None] * (track_NTx3[:, t] - state_3Nx3[0])
    for _ in range(horizon):
        state_3Nx3 = np.tensordot(STEP, state_3Nx3, 1)
        forecast.append(state_3Nx3[0])
    return np.stack(forecast, axis=1)


def best_noise(track_NTx3, clips):
    """The one of NOISES whose filter has the smallest ADE on clips (validation ones) with these measured tracks."""
    forecasts = (kalman(track_NTx3, clips.cfg.horizon, noise) for noise in NOISES)
    errors = [metrics.displacement_px(one, metrics.future(clips), clips.cfg).mean() for one in forecasts]
    return NOISES[int(np.argmin(errors))]
