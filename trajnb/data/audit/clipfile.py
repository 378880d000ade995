"""One clip of a user's: a .npy array or an .mp4 video, as 8-bit frames. What cannot be read says why in one sentence.

Shapes:   T frames   H, W pixels   C channels (1 grey, 3 red, green, blue)
"""

import hashlib
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

KINDS = (".npy", ".mp4")
FEWEST_FRAMES = 16
MOST_FRAMES = 64  # more are not looked at
FEWEST_PIXELS, MANY_PIXELS = 16, 128  # a side: less shows nothing, from the second on pixels are averaged
LEVELS = "write levels from 0 to 255 as uint8, or floats from 0 to 1"
GREY = np.array([0.299, 0.587, 0.114], np.float32)


class ClipError(ValueError):
    """A clip that cannot be used; the message ends a sentence that begins with its path."""


class Clip(NamedTuple):
    """A clip as it is looked at, and what it was in its file."""

    grey_THW: np.ndarray  # uint8
    tint: tuple  # red and blue against green, mean grey levels; zeros where the file is grey
    sums: tuple  # per channel: (sum of levels, sum of their squares), of full scale
    pixels: int  # a channel
    digest: str  # of the levels, whatever the file is called
    kind: str  # "uint8" or "float"
    rate: float | None  # frames a second, as far as the file says


def read(path):
    """The Clip in a file; ClipError where it is unreadable, too short, too small, of another type or out of range."""
    path = Path(path)
    if not path.is_file():
        raise ClipError("is not there: put it back, or take its line out of splits.csv")
    array, rate = (npy(path), None) if path.suffix == ".npy" else mp4(path)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise ClipError(f"has shape {array.shape[: array.ndim]}: write (frames, height, width) or with 3 channels last")
    if len(array) < FEWEST_FRAMES or min(array.shape[1:3]) < FEWEST_PIXELS:
        raise ClipError(f"is {' x '.join(map(str, array.shape[:3]))}: write at least 16 frames of 16 x 16 pixels")
    return to_clip(full_scale(array[:MOST_FRAMES]), "uint8" if array.dtype == np.uint8 else "float", rate)


def npy(path):
    """The array of a .npy file; never runs what a file holds (no pickles)."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError):
        array = None
    if not isinstance(array, np.ndarray):
        raise ClipError("is no whole .npy array of numbers: write it again with numpy.save")
    return array


def mp4(path):
    """The first frames (T, H, W, 3) uint8 of a video, and its frames a second."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = [f.to_ndarray(format="rgb24") for f in islice(container.decode(stream), MOST_FRAMES)]
            return np.stack(frames), float(stream.average_rate) if stream.average_rate else None
    except (av.error.FFmpegError, IndexError, ValueError, MemoryError):
        raise ClipError("is no video that can be decoded: write it again, H.264 in mp4 for instance") from None


def full_scale(array):
    """The levels as uint8; ClipError unless they are uint8 up to over 1, or floats from 0 to 1."""
    if array.dtype == np.uint8:
        if 0 < array.max() <= 1:
            raise ClipError(f"holds whole numbers up to 1 only: {LEVELS}")
        return array
    if array.dtype.kind != "f":
        raise ClipError(f"is of type {array.dtype}: {LEVELS}")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # also where one is not a number
        raise ClipError(f"holds levels from {low:.4g} to {high:.4g}: {LEVELS}")
    return np.rint(array * 255).astype(np.uint8)


def to_clip(array_THWC, kind="uint8", rate=None):
    """The Clip of uint8 levels."""
    digest = hashlib.blake2b(repr(array_THWC.shape).encode() + array_THWC.tobytes(), digest_size=16).hexdigest()
    level_PxC = array_THWC.reshape(-1, array_THWC.shape[3])
    count_C = [np.bincount(level_PxC[:, c], minlength=256) for c in range(level_PxC.shape[1])]
    scale = np.arange(256) / 255
    sums = tuple((float(count @ scale), float(count @ scale**2)) for count in count_C)
    mean_C = np.array([255 * total / len(level_PxC) for total, _ in sums])
    tint = (0.0, 0.0) if len(mean_C) == 1 else (mean_C[0] - mean_C[1], mean_C[2] - mean_C[1])
    grey_THW = array_THWC[..., 0] if len(mean_C) == 1 else np.rint(array_THWC @ GREY).astype(np.uint8)
    return Clip(shrunk(grey_THW), tint, sums, len(level_PxC), digest, kind, rate)


def shrunk(grey_THW):
    """Large frames at a whole fraction of their size, so that they cost no more than small ones."""
    factor = max(1, min(grey_THW.shape[1:]) // (MANY_PIXELS // 2))
    if factor == 1:
        return np.ascontiguousarray(grey_THW)
    h, w = (side // factor for side in grey_THW.shape[1:])
    whole = grey_THW[:, : h * factor, : w * factor].reshape(len(grey_THW), h, factor, w, factor)
    return np.rint(whole.mean(axis=(2, 4))).astype(np.uint8)
