"""One clip of a user's: a .npy array or a video, as 8-bit frames. What cannot be read says why in one sentence.

Large frames are read a few at a time and kept small, so that a 4K video needs a few hundred MB.

Shapes:   T frames   H, W pixels   C channels (1 grey, 3 red, green, blue)
"""

import hashlib
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif", ".mpg", ".mpeg", ".wmv", ".3gp")
FEWEST_FRAMES = 16
MOST_FRAMES = 64  # more are not looked at
FEWEST_PIXELS, MANY_PIXELS = 16, 128  # a side: less shows nothing, from the second on pixels are averaged
BLOCK = 2**22  # levels worked on at once
UNEVEN = 0.25  # of the median time between two frames: more is a variable frame rate
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
    kind: str = "uint8"  # or "float"
    rate: float | None = None  # frames a second; None where the file does not say or the frames are not evenly spaced
    even: bool = True  # whether the frames are evenly spaced in time


def is_clip(path):
    """Whether a file has the extension of a clip, in capitals or not."""
    return Path(path).suffix.lower() in (".npy", *VIDEOS)


def read(path):
    """The Clip in a file; ClipError where it is unreadable, too short, too small, of another type or out of range."""
    path = Path(path)
    if not path.is_file():
        raise ClipError("is missing: restore it, or remove its line from splits.csv and any link to it")
    return npy(path) if path.suffix.lower() == ".npy" else video(path)


def npy(path):
    """The Clip in a .npy file; never runs what a file holds (no pickles)."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError):
        array = None
    if not isinstance(array, np.ndarray):
        raise ClipError("is not a complete .npy array of numbers: write it again with numpy.save")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise ClipError(f"has shape {array.shape[: array.ndim]}: write (frames, height, width) or with 3 channels last")
    large_enough(array.shape)
    array, kind = array[:MOST_FRAMES], "uint8" if array.dtype == np.uint8 else "float"
    check_levels(array)
    return to_clip(map(full_scale, blocks(array)))._replace(kind=kind)


def large_enough(shape):
    """Raise ClipError where a clip of this shape (T, H, W, ..) has too few frames or pixels."""
    if shape[0] < FEWEST_FRAMES or min(shape[1:3]) < FEWEST_PIXELS:
        raise ClipError(f"is {' x '.join(map(str, shape[:3]))}: write at least 16 frames of 16 x 16 pixels")


def blocks(array_THWC):
    """The frames a few at a time."""
    step = max(1, BLOCK // array_THWC[0].size)
    return (array_THWC[start : start + step] for start in range(0, len(array_THWC), step))


def video(path):
    """The Clip of a video's first frames, turned as players turn them."""
    times, shapes = [], []
    try:
        with av.open(str(path.absolute())) as container:
            stream = container.streams.video[0]
            clip = to_clip(decoded(container.decode(stream), times, shapes))
            rate = float(stream.average_rate) if stream.average_rate else None
    except (av.error.FFmpegError, IndexError, ValueError, MemoryError) as error:
        if isinstance(error, ClipError):
            raise
        raise ClipError("is not a video that can be decoded: write it again, as H.264 in mp4 for example") from None
    large_enough((len(times), *shapes[0]))
    return clip._replace(**dict(zip(("rate", "even"), spacing(times, rate, float(stream.time_base)), strict=True)))


def decoded(frames, times, shapes):
    """Blocks (1, H, W, 3) uint8 of a video's first frames; their times in seconds and shapes go into the two lists."""
    for frame in islice(frames, MOST_FRAMES):
        if frame.is_corrupt:
            raise ClipError("has frames that decode with errors: copy it from its source again")
        image_HWC = turned(frame.to_ndarray(format="rgb24"), frame.side_data.get("DISPLAYMATRIX"))
        times.append(frame.time)
        shapes.append(image_HWC.shape[:2])
        yield np.ascontiguousarray(image_HWC)[None]


def turned(image_HWC, matrix):
    """An image as its display matrix shows it, in steps of 90 degrees, mirrored where the matrix mirrors.

    matrix: bytes of nine int32, x' = a x + c y and y' = b x + d y (ISO/IEC 14496-12, 6.2.2), or None.
    """
    if matrix is None:
        return image_HWC
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5]
    if abs(b) > abs(a):
        image_HWC, a, d = image_HWC.swapaxes(0, 1), c, b
    return image_HWC[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def spacing(times, rate, tick):
    """(frames a second or None, whether the frames are evenly spaced) from their times; `rate` where there are none."""
    if None in times or len(times) < 2 or min(np.diff(times)) <= 0:
        return rate, True
    step_T = np.diff(times)
    even = bool(np.abs(step_T - np.median(step_T)).max() <= UNEVEN * np.median(step_T) + tick)
    return (round(1 / step_T.mean(), 4) if even else None), even


def check_levels(array):
    """Raise ClipError unless the levels are uint8 up to over 1, or floats from 0 to 1."""
    if array.dtype.kind != "f" and array.dtype != np.uint8:
        raise ClipError(f"is of type {array.dtype}: {LEVELS}")
    limits_Mx2 = np.array([(block.min(), block.max()) for block in blocks(array)], float)
    low, high = limits_Mx2[:, 0].min(), limits_Mx2[:, 1].max()
    if array.dtype == np.uint8 and 0 < high <= 1:
        raise ClipError(f"holds whole numbers up to 1 only: {LEVELS}")
    if array.dtype != np.uint8 and not (low >= 0 and high <= 1):  # also where one is not a number
        raise ClipError(f"holds levels from {low:.4g} to {high:.4g}: {LEVELS}")


def full_scale(array):
    """Levels that `check_levels` accepts as uint8."""
    return array if array.dtype == np.uint8 else np.rint(array * 255).astype(np.uint8)


def to_clip(blocks_BTHWC):
    """The Clip of blocks of uint8 frames, each looked at once; ClipError where they differ in size."""
    digest, count_Cx256, grey, shapes = hashlib.blake2b(digest_size=16), 0, [], set()
    for block_THWC in blocks_BTHWC:
        shapes.add(block_THWC.shape[1:])
        if len(shapes) > 1:
            raise ClipError("changes its frame size: write it again with one size")
        digest.update(np.ascontiguousarray(block_THWC))
        level_PxC = block_THWC.reshape(-1, block_THWC.shape[3])
        count_Cx256 = count_Cx256 + np.stack([np.bincount(level_P, minlength=256) for level_P in level_PxC.T])
        grey_THW = block_THWC[..., 0] if len(count_Cx256) == 1 else np.rint(block_THWC @ GREY).astype(np.uint8)
        grey.append(shrunk(grey_THW))
    if not grey:
        raise ClipError("holds no frames: write at least 16")
    digest.update(repr(shapes).encode())
    pixels, scale = int(count_Cx256[0].sum()), np.arange(256) / 255
    sums = tuple((float(count @ scale), float(count @ scale**2)) for count in count_Cx256)
    mean_C = np.array([255 * total / pixels for total, _ in sums])
    tint = (0.0, 0.0) if len(mean_C) == 1 else (mean_C[0] - mean_C[1], mean_C[2] - mean_C[1])
    return Clip(np.concatenate(grey), tint, sums, pixels, digest.hexdigest())


def shrunk(grey_THW):
    """Large frames at a whole fraction of their size, so that they cost no more than small ones."""
    factor = max(1, min(grey_THW.shape[1:]) // (MANY_PIXELS // 2))
    if factor == 1:
        return np.ascontiguousarray(grey_THW)
    h, w = (side // factor for side in grey_THW.shape[1:])
    whole = grey_THW[:, : h * factor, : w * factor].reshape(len(grey_THW), h, factor, w, factor)
    return np.rint(whole.mean(axis=(2, 4))).astype(np.uint8)
