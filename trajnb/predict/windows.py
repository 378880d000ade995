"""Windows of 16 frames of a moving object, as clips of the world that the networks know.

Shapes:   T frames of the footage   F frames of a window   H, W pixels of the footage   S pixels a side of a clip
"""

from typing import NamedTuple

import numpy as np
import PIL.Image

from trajnb.predict.footage import NotPredicted

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


def windows(seconds_T, track, cfg):
    """The Windows of an Object, each beginning in the middle of the one before; NotPredicted where there is none."""
    made, why = [], f"is too short: no {cfg.frames} evenly spaced frames show the object"
    for rows in segments(track):
        if len(rows) < cfg.frames:
            continue
        interval = float(np.median(np.diff(seconds_T[rows])))
        stride, extent = stride_of(track, rows, cfg.frames, max(1, round(1 / cfg.frame_rate / interval)))
        if stride is None:
            why = f"moves too little: {extent:.1f} times its radius in {len(rows)} frames, {PATH:.0f} are needed"
            continue
        step = stride * interval
        for start in np.arange(seconds_T[rows[0]], seconds_T[rows[-1]], step * cfg.frames / 2):
            time_F = start + step * np.arange(cfg.frames)
            rows_F = rows[np.abs(seconds_T[rows][:, None] - time_F).argmin(axis=0)]
            if np.abs(seconds_T[rows_F] - time_F).max() > UNEVEN * step:
                continue
            window = cut(track, rows_F, step, cfg)
            made += [window] if window else []
            why = why if window else "is too small or too large for its path"
    if not made:
        raise NotPredicted(why)
    return made


def segments(track):
    """Row numbers of each run of frames that show the object, with gaps of less than GAP frames."""
    seen = np.flatnonzero(np.isfinite(track.radius_T))
    return [np.arange(part[0], part[-1] + 1) for part in np.split(seen, np.flatnonzero(np.diff(seen) > GAP) + 1)]


def stride_of(track, rows, frames, least):
    """(the smallest stride from `least` at which a window's path is long enough, or None; the last extent, in radii).

    `least`: at which the footage has the world's frame rate, if it has that many frames.
    """
    xy_Tx2, radius, extent = filled(track.xy_Tx2[rows]), float(np.nanmedian(track.radius_T[rows])), 0.0
    most = (len(rows) - 1) // (frames - 1)
    for stride in range(min(least, most), most + 1):
        starts = range(0, len(rows) - stride * (frames - 1), stride)
        extent = float(np.median([np.ptp(xy_Tx2[s : s + stride * frames], axis=0).max() for s in starts])) / radius
        if extent >= PATH:
            return stride, extent
    return None, extent


def filled(xy_Tx2):
    """The path with straight lines through frames that do not show the object."""
    seen_T, row_T = np.isfinite(xy_Tx2[:, 0]), np.arange(len(xy_Tx2))
    return np.stack([np.interp(row_T, row_T[seen_T], axis_T[seen_T]) for axis_T in xy_Tx2.T], axis=1)


def cut(track, rows_F, step, cfg):
    """The Window of these rows, None where the object is too small or too large for its path."""
    xy_Fx2, radius = filled(track.xy_Tx2[rows_F]), float(np.nanmedian(track.radius_T[rows_F]))
    low, high = xy_Fx2.min(axis=0), xy_Fx2.max(axis=0)
    unit, extent = cfg.size / 64, max(float((high - low).max()), 1e-6)
    scale = float(np.clip(RADIUS_PX * unit / radius, LEAST_PX * unit / extent, MOST_PX * unit / extent))
    if not SMALLEST_PX * unit <= scale * radius <= LARGEST_PX * unit:
        return None
    side = cfg.size / scale
    corner = (low + high) / 2 - side / 2
    change_FSS = np.stack([crop(track.change_THW[row], corner, side, cfg.size) for row in rows_F])
    bright, dark = np.percentile(change_FSS, 99.5), -np.percentile(change_FSS, 0.5)
    two_tones = min(bright, dark) > max(bright, dark) / 3  # brighter than the background in parts, darker in others
    change_FSS = np.abs(change_FSS) if two_tones else np.sign(bright - dark) * change_FSS
    level = np.median([np.partition(change_SS.ravel(), -4)[-4] for change_SS in change_FSS])
    clip_FSS = BACKGROUND + CONTRAST / max(level, 1e-6) * change_FSS
    return Window(rows_F, xy_Fx2, step, corner, scale, np.clip(clip_FSS.round(), 0, 255).astype(np.uint8))


def crop(change_HW, corner, side, size):
    """A square of the footage at `size` pixels a side; beyond the picture nothing has changed."""
    (left, top), pad = np.floor(corner).astype(int) - 1, int(np.ceil(side)) + 3
    part = np.zeros((pad, pad), np.float32)
    rows, columns = slice(max(top, 0), max(top + pad, 0)), slice(max(left, 0), max(left + pad, 0))
    piece = change_HW[rows, columns]
    y, x = max(-top, 0), max(-left, 0)
    part[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    box = (*(corner - (left, top)), *(corner - (left, top) + side))
    return np.asarray(PIL.Image.fromarray(part).resize((size, size), PIL.Image.Resampling.BILINEAR, box=box))
