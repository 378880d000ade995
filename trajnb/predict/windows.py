"""Windows of 16 frames of a moving object, as clips of the world that the networks know.

Shapes:   T frames of the footage   F frames of a window   H, W pixels of the footage   S pixels a side of a clip
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import PIL.Image

from trajnb.predict.footage import NotPredicted, find_object

RADIUS_PX, LEAST_PX, MOST_PX = 2.3, 14.0, 44.0  # of the object, and extent of its path, in a clip of 64 pixels
PATH = 6.0  # radii that a path is long at least, for a motion to be seen
SMALLEST_PX, LARGEST_PX = 0.9, 6.0  # radius in a clip: beyond, the object is too small or too large for its path
BACKGROUND, CONTRAST = 40, 150  # levels of a clip
GAP = 3  # frames without the object that end a window
UNEVEN = 0.35  # of a step: frames farther from their time are no evenly spaced window


class Window(NamedTuple):
    """A clip (F, S, S) uint8 of footage frames `rows`; its pixel (x, y) shows (x, y) / scale + corner there."""

    rows_F: np.ndarray
    path_Fx2: np.ndarray  # of the object in the footage, pixels
    step: float  # seconds from frame to frame
    corner: np.ndarray
    scale: float  # pixels of the clip for one of the footage
    video_FSS: np.ndarray


def windows(seconds_T, level_THW, cfg):
    """The Windows of a block, each beginning in the middle of the one before; NotPredicted where there is none."""
    xy_Tx2, radius_T, change_THW = find_object(level_THW)
    seen = np.flatnonzero(np.isfinite(radius_T))
    made, why = [], f"is too short: no {cfg.frames} evenly spaced frames show the object"
    for part in np.split(seen, np.flatnonzero(np.diff(seen) > GAP) + 1):
        rows = np.arange(part[0], part[-1] + 1)
        if len(rows) < cfg.frames:
            continue
        interval = float(np.median(np.diff(seconds_T[rows])))
        least = max(1, round(1 / cfg.frame_rate / interval))
        stride, extent = stride_of(filled(xy_Tx2[rows]), np.nanmedian(radius_T[rows]), cfg.frames, least)
        if stride is None:
            why = f"moves too little: {extent:.1f} times its radius in {len(rows)} frames, {PATH:.0f} are needed"
            continue
        step = stride * interval
        for start in np.arange(seconds_T[rows[0]], seconds_T[rows[-1]], step * cfg.frames / 2):
            time_F = start + step * np.arange(cfg.frames)
            rows_F = rows[np.abs(seconds_T[rows][:, None] - time_F).argmin(axis=0)]
            if np.abs(seconds_T[rows_F] - time_F).max() > UNEVEN * step:
                continue
            path_Fx2, radius = filled(xy_Tx2[rows_F]), float(np.nanmedian(radius_T[rows_F]))
            clip = cut(path_Fx2, radius, change_THW[rows_F], cfg.size)
            if clip:
                made.append(Window(rows_F, path_Fx2, step, *clip))
            else:
                why = "is too small or too large for its path"
    if not made:
        raise NotPredicted(why)
    return made


def filled(xy_Tx2):
    """The path with straight lines through frames that do not show the object."""
    return pd.DataFrame(xy_Tx2).interpolate(limit_direction="both").to_numpy()


def stride_of(xy_Tx2, radius, frames, least):
    """(the smallest stride from `least` at which a window's path is long enough, or None; the last extent, in radii).

    `least`: at which the footage has the world's frame rate, if it has that many frames.
    """
    most, extent = (len(xy_Tx2) - 1) // (frames - 1), 0.0
    for stride in range(min(least, most), most + 1):
        starts = range(0, len(xy_Tx2) - stride * (frames - 1), stride)
        extent = float(np.median([np.ptp(xy_Tx2[s : s + stride * frames], axis=0).max() for s in starts])) / radius
        if extent >= PATH:
            return stride, extent
    return None, extent


def cut(path_Fx2, radius, change_FHW, size):
    """(corner, scale, clip) of a Window, None where the object is too small or too large for its path."""
    low, high = path_Fx2.min(axis=0), path_Fx2.max(axis=0)
    unit, extent = size / 64, max(float((high - low).max()), 1e-6)
    scale = float(np.clip(RADIUS_PX * unit / radius, LEAST_PX * unit / extent, MOST_PX * unit / extent))
    if not SMALLEST_PX * unit <= scale * radius <= LARGEST_PX * unit:
        return None
    side = size / scale
    corner = (low + high) / 2 - side / 2
    first = np.floor(corner).astype(int) - 1
    around, box = (*first, *(first + int(np.ceil(side)) + 3)), (*(corner - first), *(corner - first + side))
    change_FSS = np.empty((len(change_FHW), size, size), np.float32)
    for change_HW, change_SS in zip(change_FHW, change_FSS, strict=True):  # beyond the picture nothing has changed
        part = PIL.Image.fromarray(change_HW.astype(np.float32)).crop(around)
        change_SS[:] = part.resize((size, size), PIL.Image.Resampling.BILINEAR, box=box)
    bright, dark = np.percentile(change_FSS, 99.5), -np.percentile(change_FSS, 0.5)
    two_tones = min(bright, dark) > max(bright, dark) / 3  # brighter than the background in parts, darker in others
    change_FSS = np.abs(change_FSS) if two_tones else np.sign(bright - dark) * change_FSS
    level = np.median([np.partition(change_SS.ravel(), -4)[-4] for change_SS in change_FSS])
    clip_FSS = BACKGROUND + CONTRAST / max(level, 1e-6) * change_FSS
    return corner, scale, np.clip(clip_FSS.round(), 0, 255).astype(np.uint8)
