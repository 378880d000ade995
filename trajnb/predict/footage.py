"""Footage of a steady camera, the one object that moves in it, and windows of it as clips that the networks know.

Shapes:   T frames   H, W pixels of the (reduced) footage   F frames of a window   S pixels a side of a clip
"""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import PIL.Image
from PIL import ImageOps
from scipy import ndimage

from trajnb import video

LONGEST = 640  # pixels of a side; larger frames are reduced to that
BLOCK = 300  # frames in memory at a time: of long footage never more, and the light may change between blocks
FEWEST = 16  # frames
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
SAMPLE = 48  # frames whose median is the background
SIGMAS, LEAST = 5.0, 10.0  # a moving pixel differs from the background by so many deviations and grey levels
SMALLEST = 4  # pixels of an object
OTHER = 0.35  # of the largest moving area: another object
OFTEN = 0.2  # of the frames in which something moves
SHAKEN = 0.5  # pixels by which a background moves in most frames: the camera moves
ERRORS = 4.0  # standard errors of that movement: less may be noise
BLUR, FLAT = 1.5, 0.1  # pixels over which slopes are measured; levels a pixel: flatter backgrounds tell no movement
MOVING, LOUD = 0.25, 25.0  # of all pixels, and levels of noise: not an object but the camera
RADIUS_PX, LEAST_PX, MOST_PX = 2.3, 14.0, 44.0  # of the object, and extent of its path, in a clip of 64 pixels
PATH = 6.0  # radii that a path is long at least, for a motion to be seen
SMALLEST_PX, LARGEST_PX = 0.9, 6.0  # radius in a clip: beyond, the object is too small or too large for its path
BACKGROUND, CONTRAST = 40, 150  # levels of a clip
GAP = 3  # frames without the object that end a window
UNEVEN = 0.35  # of a step: frames farther from their time are no evenly spaced window


class NotPredicted(ValueError):
    """Footage that does not show one moving object; the message is one sentence."""


class Window(NamedTuple):
    """A clip (F, S, S) uint8 of footage frames `rows`; its pixel (x, y) shows (x, y) / scale + corner there."""

    rows_F: np.ndarray
    path_Fx2: np.ndarray  # of the object in the footage, pixels
    step: float  # seconds from frame to frame
    corner: np.ndarray
    scale: float  # pixels of the clip for one of the footage
    video_FSS: np.ndarray


def frames(source, rate):
    """Yield (seconds, levels (H, W) uint8, share) of a video file, a .npy file, a folder of pictures or an array."""
    path = None if isinstance(source, np.ndarray) else Path(source)
    if path is None or path.suffix.lower() == ".npy":
        pictures = map(PIL.Image.fromarray, video.array(source))
    elif path.is_dir():
        pictures = map(opened, sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES and p.name[0] != "."))
    else:
        pictures = ()
        for k, (seconds, *frame) in enumerate(video.frames(path, LONGEST)):
            yield k / rate if seconds is None else seconds, *frame
    for k, picture in enumerate(pictures):
        whole = picture.width
        picture.thumbnail((LONGEST, LONGEST))
        yield k / rate, np.asarray(picture), picture.width / whole


def opened(path):
    """A picture in grey, turned as viewers turn it; ValueError where it cannot be read."""
    try:
        picture = ImageOps.exif_transpose(PIL.Image.open(path))
        if picture.mode.startswith("I"):  # 16 bits, which `convert` would cut off at 255
            picture = PIL.Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))
        return picture.convert("L")
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError):
        raise ValueError(f"{ascii(path.name)} is no picture that can be read: write it again as PNG") from None


def blocks(source, rate=30.0):
    """Yield (seconds (T,), grey levels (T, H, W), share) of at most BLOCK frames each; a short rest is left out."""
    each = frames(source, rate)
    block = list(islice(each, BLOCK))
    if len(block) < FEWEST:
        raise NotPredicted(f"has {len(block) or 'no'} frames: at least {FEWEST} are needed")
    while len(block) >= FEWEST:
        if len({level_HW.shape for _, level_HW, _ in block}) > 1:
            raise ValueError("has pictures of several sizes: write all in one size")
        seconds, levels, shares = zip(*block, strict=True)
        seconds_T = np.sort(seconds)  # frames come in their order, in some files with others' times, or none
        if not (np.diff(seconds_T) > 0).all():
            seconds_T = seconds_T[0] + np.arange(len(seconds_T)) / rate
        yield seconds_T, np.stack(levels), shares[0]
        block = list(islice(each, BLOCK))


def find_object(level_THW):
    """The moving object's centres (T, 2) and radii (T,) in pixels, NaN where it is not seen, and all changes (T, H, W).

    These are float16 levels above the background. NotPredicted where nothing moves, several things do, or the camera.
    """
    sample = np.linspace(0, len(level_THW) - 1, min(SAMPLE, len(level_THW))).round().astype(int)
    back_HW = np.median(level_THW[sample], axis=0).astype(np.float32)
    change_THW = np.empty(level_THW.shape, np.float16)
    for level_HW, change_HW in zip(level_THW, change_THW, strict=True):  # float32 for one frame at a time
        change_HW[:] = level_HW - back_HW
    change_THW -= np.median(change_THW[:, ::4, ::4], axis=(1, 2), keepdims=True)  # light that changes everywhere
    noise = float(np.percentile(np.abs(change_THW[sample][:, ::2, ::2]), 95)) / 1.96  # an object covers less
    limit = max(LEAST, SIGMAS * noise)
    measured = [largest(np.abs(change_HW.astype(np.float32)), limit) for change_HW in change_THW]
    covered_T, others_T, seen = (np.array(part) for part in zip(*measured, strict=True))
    seen_T = np.isfinite(seen[:, 0])
    if noise > LOUD or (covered_T > MOVING).mean() > OFTEN:
        raise NotPredicted("is not from a steady camera: too much of the picture changes")
    slope_2HW = np.stack(np.gradient(ndimage.gaussian_filter(back_HW, BLUR)))
    moved = np.median([camera_shift(change_THW[k].astype(np.float32), slope_2HW, seen[k]) for k in sample[::2]])
    if moved > SHAKEN:
        raise NotPredicted(f"is not from a steady camera: its background moves by {moved:.1f} pixels and more")
    if seen_T.sum() < FEWEST:
        raise NotPredicted(f"shows a moving object in {seen_T.sum()} frames: at least {FEWEST} are needed")
    if others_T[seen_T].mean() > OFTEN:
        raise NotPredicted("shows several moving things: cut the picture to one of them")
    return seen[:, :2], seen[:, 2], change_THW


def camera_shift(change_HW, slope_2HW, place):
    """Pixels by which a background with these slopes has moved, by least squares; what moves at `place` is left out.

    Source: Lucas and Kanade, An Iterative Image Registration Technique, 1981, equation 9, for one step.
    """
    y_H1, x_W = np.ogrid[: change_HW.shape[0], : change_HW.shape[1]]
    beside_HW = ~(np.hypot(x_W - place[0], y_H1 - place[1]) < 3 * place[2])  # true everywhere where nothing was seen
    if not beside_HW.any():
        return 0.0
    slope_2N, change_N = slope_2HW[:, beside_HW], ndimage.gaussian_filter(change_HW, BLUR)[beside_HW]
    squares_22 = slope_2N @ slope_2N.T + np.eye(2) * FLAT**2 * len(change_N)
    shift = float(np.linalg.norm(np.linalg.solve(squares_22, slope_2N @ change_N)))
    together = 4 * np.pi * BLUR**2  # pixels that the blur has made alike
    error = (change_N.var() * together / np.linalg.eigvalsh(squares_22)[0]) ** 0.5
    return shift if shift > ERRORS * error else 0.0


def largest(size_HW, limit):
    """(share of the picture that moves, whether there is another object, (x, y, radius) of the largest one or NaN)."""
    moving_HW = ndimage.uniform_filter(size_HW, 3) > limit / 2
    number_HW, count = ndimage.label(moving_HW, np.ones((3, 3)))
    if not count:
        return 0.0, False, (np.nan,) * 3
    area_K = np.bincount(number_HW.ravel())[1:]
    object_number = int(area_K.argmax()) + 1
    window = ndimage.find_objects(number_HW)[object_number - 1]
    light = np.where(number_HW[window] == object_number, size_HW[window], 0)
    total, level = light.sum(), np.percentile(light[light > 0], 80) if (light > 0).any() else 0
    if area_K.max() < SMALLEST or level < limit:
        return moving_HW.mean(), False, (np.nan,) * 3
    x, y = ((light.sum(axis=axis) * (np.arange(light.shape[1 - axis]) + 0.5)).sum() / total for axis in (0, 1))
    place = x + window[1].start, y + window[0].start, (total / level / np.pi) ** 0.5
    return moving_HW.mean(), bool((np.sort(area_K)[:-1] > max(SMALLEST, OTHER * area_K.max())).any()), place


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
        least = max(1, round(1 / cfg.frame_rate / interval))  # for the world's frame rate, if there are so many frames
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
    """(smallest stride from `least` at which a window's path is long enough, or None; the last extent, in radii)."""
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
