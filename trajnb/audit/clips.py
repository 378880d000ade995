"""One clip of a user's, a .npy array or a video, as 8-bit grey frames. What cannot be read is one sentence.

Large frames are read a few at a time and averaged to small ones: a 4K video needs a few hundred MB.

Shapes:   T frames   H, W pixels   C channels (1 grey, 3 red, green, blue)
"""

import hashlib
from itertools import islice
from pathlib import Path

import av
import numpy as np

VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif", ".mpg", ".mpeg", ".wmv", ".3gp")
FEWEST_FRAMES, MOST_FRAMES = 16, 64  # of a clip; more are not examined
FEWEST_PIXELS, MANY_PIXELS = 16, 128  # a side: less shows nothing, from the second on pixels are averaged
BLOCK = 2**22  # levels processed at once
UNEVEN = 0.25  # of the median time between two frames: more is a variable frame rate
LEVELS = "write levels from 0 to 255 as uint8, or floats from 0 to 1"
GREY = np.array([0.299, 0.587, 0.114], np.float32)


class ClipError(Exception):
    """A clip that cannot be used; the message completes a sentence that begins with its path."""


def is_clip(path):
    """Whether a file has the extension of a clip, in capitals or not."""
    return Path(path).suffix.lower() in (".npy", *VIDEOS)


def read(path):
    """(grey frames (T, H, W) uint8, info) of a file; ClipError if it is unreadable, too short, small or out of range.

    info: digest of the levels; red and blue (mean levels against green); sums (sum of levels and of their squares, of
    full scale, per channel), pixels (a channel); rate (frames a second; None if unknown or variable).
    """
    if not Path(path).is_file():
        raise ClipError("is missing: restore it, or remove its line from splits.csv and any link to it")
    return array_file(path) if path.suffix.lower() == ".npy" else video_file(path)


def array_file(path):
    """`read` of a .npy file; pickles are never opened."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        array = array[..., None] if array.ndim == 3 else array
    except (OSError, ValueError, EOFError, MemoryError, AttributeError):
        raise ClipError("is not a complete .npy array of numbers: write it again with numpy.save") from None
    if array.ndim != 4 or array.shape[3] not in (1, 3) or not array.size:
        raise ClipError(f"has shape {array.shape[: array.ndim]}: write (frames, height, width) or with 3 channels last")
    array, kind = array[:MOST_FRAMES], "uint8" if array.dtype == np.uint8 else "float"
    if array.dtype.kind != "f" and kind != "uint8":
        raise ClipError(f"is of type {array.dtype}: {LEVELS}")
    low, high = array.min(), array.max()
    if kind == "uint8" and 0 < high <= 1 or kind == "float" and not (low >= 0 and high <= 1):  # also if one is NaN
        raise ClipError(f"holds {kind} levels from {low:.4g} to {high:.4g}: {LEVELS}")
    step = max(1, BLOCK // array[0].size)
    blocks = (array[start : start + step] for start in range(0, len(array), step))
    return frames(blocks if kind == "uint8" else (np.rint(b * 255).astype(np.uint8) for b in blocks))


def video_file(path):
    """`read` of a video's first frames, rotated as players rotate them."""
    times = []
    try:
        with av.open(str(path.absolute())) as container:
            stream = container.streams.video[0]
            rate, tick = float(stream.average_rate or 0) or None, float(stream.time_base)
            grey_THW, info = frames(decoded(container.decode(stream), times))
    except (av.error.FFmpegError, IndexError, ValueError, MemoryError):
        raise ClipError("is not a video that can be decoded: write it again, as H.264 in mp4 for example") from None
    if None not in times and min(np.diff(times)) > 0:
        step_T = np.diff(times)
        even = np.abs(step_T - np.median(step_T)).max() <= UNEVEN * np.median(step_T) + tick
        rate = float(round(1 / step_T.mean(), 4)) if even else None
    return grey_THW, info | {"rate": rate}


def decoded(video_frames, times):
    """Blocks (1, H, W, 3) uint8 of a video's first frames; their times in seconds are appended to a list."""
    for frame in islice(video_frames, MOST_FRAMES):
        if frame.is_corrupt:
            raise ClipError("has frames that decode with errors: copy it from its source again")
        times.append(frame.time)
        yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))[None]


def frames(blocks_BTHWC):
    """(grey frames, info) of blocks of uint8 frames, each looked at once; ClipError if few, small or different."""
    digest, count_Cx256, grey, shapes = hashlib.blake2b(digest_size=16), 0, [], set()
    for block_THWC in blocks_BTHWC:
        shapes.add(block_THWC.shape[1:])
        if len(shapes) > 1:
            raise ClipError("changes its frame size: write it again with one size")
        digest.update(np.ascontiguousarray(block_THWC))
        level_PxC = block_THWC.reshape(-1, block_THWC.shape[3])
        count_Cx256 = count_Cx256 + np.stack([np.bincount(level_P, minlength=256) for level_P in level_PxC.T])
        grey_THW = block_THWC[..., 0] if len(count_Cx256) == 1 else np.rint(block_THWC @ GREY).astype(np.uint8)
        factor = max(1, min(grey_THW.shape[1:]) // (MANY_PIXELS // 2))
        grey.append(np.rint(averaged(grey_THW, factor, factor)).astype(np.uint8) if factor > 1 else grey_THW)
    if sum(map(len, grey)) < FEWEST_FRAMES or min(grey[0].shape[1:]) < FEWEST_PIXELS:
        raise ClipError("is too short or too small: write at least 16 frames of 16 x 16 pixels")
    digest.update(repr(shapes).encode())
    pixels, scale = int(count_Cx256[0].sum()), np.arange(256) / 255
    sums = tuple((float(count @ scale), float(count @ scale**2)) for count in count_Cx256)
    red, green, blue = (255 * total / pixels for total, _ in (sums * 3)[:3])  # a grey clip has three equal channels
    info = {"digest": digest.hexdigest(), "red": red - green, "blue": blue - green, "sums": sums, "pixels": pixels}
    return np.concatenate(grey), info | {"rate": None}


def averaged(image_THW, height, width):
    """Means of blocks of height x width pixels; pixels left over at two borders do not count."""
    rows, columns = image_THW.shape[-2] // height, image_THW.shape[-1] // width
    whole = image_THW[..., : rows * height, : columns * width]
    return whole.reshape(*image_THW.shape[:-2], rows, height, columns, width).mean(axis=(-3, -1), dtype=np.float32)
