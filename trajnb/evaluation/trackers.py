"""The object's centre and apparent radius measured in each frame, and tracks extrapolated at constant velocity.

The brightest spot is found in a smoothed frame, then its light above the background is summed in a window; centre of
gravity and total light give place and size. No network and no knowledge of the motion is involved.

Shapes:   N clips   T observed frames   H future frames   S pixels a side   P pixels a side of the window
          track (u, v, z): u and v in frame widths, z in metres
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WINDOW = 7  # pixels to each side of the brightest spot
RIM = 1.5  # pixels around the disc that still hold some of its light
CHUNK = 50  # clips at once: what fits the cache


def rendered(clips):
    """The frames of clips, CHUNK of them at a time, as arrays (n, T, S, S) uint8."""
    for start in range(0, len(clips), CHUNK):
        yield clips.render(np.arange(start, min(start + CHUNK, len(clips))))


def measured_track(clips, cfg):
    """Centres (N, T, 2) in pixels and depths (N, T) in metres, from apparent radius and known size of the object."""
    uv_NTx2, radius_NT = (np.concatenate(part) for part in zip(*map(measure, rendered(clips)), strict=True))
    return uv_NTx2, cfg.focal_px * cfg.radius_m / radius_NT


def measure(video_NTSS):
    """Centres (N, T, 2) and radii (N, T) in pixels of the disc in clips (N, T, S, S) uint8."""
    back_N111 = np.median(video_NTSS[:, ::4, ::2, ::2], axis=(1, 2, 3))[:, None, None, None]
    light_NTSS = video_NTSS.astype(np.float32) - back_N111.astype(np.float32)
    padded = np.pad(light_NTSS, ((0, 0), (0, 0), (WINDOW, WINDOW), (WINDOW, WINDOW)))
    near = padded[..., WINDOW - 1 : 1 - WINDOW, WINDOW - 1 : 1 - WINDOW]  # one pixel more on each side
    wide = near[..., :-2] + near[..., 1:-1] + near[..., 2:]
    smooth_NTSS = wide[..., :-2, :] + wide[..., 1:-1, :] + wide[..., 2:, :]  # sums of 3 x 3 pixels
    n, t, size = *np.ogrid[: len(video_NTSS), : video_NTSS.shape[1]], 2 * WINDOW + 1
    row_NT, column_NT = np.divmod(smooth_NTSS.reshape(*video_NTSS.shape[:2], -1).argmax(axis=-1), video_NTSS.shape[-1])
    light_NTPP = sliding_window_view(padded, (size, size), axis=(2, 3))[n, t, row_NT, column_NT]
    corner_NT2 = np.stack([column_NT, row_NT], axis=-1) - WINDOW  # x, y of the window around the brightest spot
    x_NTP1 = (corner_NT2[..., 0, None] + np.arange(size) + 0.5)[..., None, :]
    y_NTP1 = (corner_NT2[..., 1, None] + np.arange(size) + 0.5)[..., None]
    centre, radius = corner_NT2 + WINDOW + 0.5, np.full(corner_NT2.shape[:2], WINDOW - RIM)
    for _ in range(4):  # each pass looks where the last one found the disc
        square_NTPP = (x_NTP1 - centre[..., 0, None, None]) ** 2 + (y_NTP1 - centre[..., 1, None, None]) ** 2
        core_NTPP = square_NTPP <= 1.0  # pixels that the disc covers whole: their mean over all frames is its level
        level_N = (light_NTPP * core_NTPP).sum(axis=(1, 2, 3)) / np.maximum(core_NTPP.sum(axis=(1, 2, 3)), 1)
        near_NTPP = light_NTPP * (square_NTPP <= (radius[..., None, None] + RIM) ** 2)
        total = np.maximum(near_NTPP.sum(axis=(2, 3)), 1e-6)
        centre = np.stack([(near_NTPP * x_NTP1).sum(axis=(2, 3)), (near_NTPP * y_NTP1).sum(axis=(2, 3))], -1)
        centre = np.clip(centre / total[..., None], corner_NT2, corner_NT2 + size)
        # A disc whose edge is one pixel wide holds pi (r^2 + 1/12) times its level.
        radius = np.sqrt(np.clip(total / (np.pi * np.maximum(level_N, 1.0)[:, None]) - 1 / 12, 0.25, WINDOW**2))
    return centre, radius


def track(uv_NTx2, z_NT, cfg):
    """Tracks (N, T, 3) of centres in pixels and depths in metres."""
    return np.concatenate([uv_NTx2 / cfg.size, z_NT[..., None]], axis=2)


def constant_velocity(track_NTx3, horizon):
    """Forecast (N, H, 3): the last step, repeated."""
    step_N1x3 = track_NTx3[:, -1:] - track_NTx3[:, -2:-1]
    return track_NTx3[:, -1:] + step_N1x3 * np.arange(1, horizon + 1)[:, None]


def measured_constant_velocity(clips):
    """`constant_velocity` (N, H, 3) from what can be measured in the frames of clips."""
    return constant_velocity(track(*measured_track(clips, clips.cfg), clips.cfg), clips.cfg.horizon)
