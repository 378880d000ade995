"""Footage of a steady camera, and the one object that moves in it.

Shapes:   T frames   H, W pixels of the (reduced) footage
"""

from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageOps
from PIL.Image import DecompressionBombError
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


class NotPredicted(ValueError):
    """Footage that does not show one moving object; the message is one sentence."""


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
    except (OSError, SyntaxError, DecompressionBombError):
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
