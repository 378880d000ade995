"""Frames of video files and arrays: grey levels, turned as players turn them."""

import contextlib
from itertools import islice

import av
import numpy as np

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif", ".mpg", ".mpeg", ".wmv", ".3gp")
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)


def read(path, most=None):
    """(grey levels (T, H, W) uint8, frames a second or None) of a file; at most `most` frames. Raises as `frames`."""
    with video_stream(path) as stream:
        levels = [upright(frame) for frame in islice(stream.container.decode(stream), most)]
        return np.stack(levels), float(stream.average_rate or 0) or None


def frames(path, longest):
    """Yield (seconds, grey levels (H, W) uint8, share) of each frame of a file's first video stream.

    A side of more than `longest` pixels is reduced to that. Raises ValueError, one sentence, if there is no video, or
    one that decodes with errors or changes its frame size.
    """
    with video_stream(path) as stream:
        share = min(1.0, longest / max(stream.width, stream.height))
        for frame in stream.container.decode(stream):
            yield frame.time, upright(frame, share), share


@contextlib.contextmanager
def video_stream(path):
    """The first video stream of a file; whatever is wrong with it becomes a ValueError of one sentence."""
    try:
        with av.open(str(path)) as container:
            yield container.streams.video[0]
    except (av.error.FFmpegError, IndexError, ValueError):
        what = "is not a video whose frames can be decoded, all of one size"
        raise ValueError(f"{what}: copy it from its source again, or write it as H.264 in mp4") from None


def upright(frame, share=1.0):
    """Grey levels (H, W) uint8 of a decoded frame at a share of its size, rotated as its display matrix says."""
    if frame.is_corrupt:
        raise ValueError
    size = [max(1, round(share * side)) for side in (frame.width, frame.height)]
    image = frame.to_ndarray(format="rgb24", width=size[0], height=size[1], interpolation="AREA")
    return np.rot90(grey(image), round(frame.rotation / 90))


def array(source, most=None):
    """Grey levels (T, H, W) uint8 of an array (T, H, W) or (T, H, W, colours) or of one in a .npy file.

    uint8 levels from 0 to 255, or floats from 0 to 1; raises ValueError, one sentence, for any other. Of four colours
    the last, transparency, is left out; of the frames those after the first `most`. Pickles are never opened.
    """
    try:
        values = source if isinstance(source, np.ndarray) else np.load(source, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise ValueError("is not a complete .npy array of numbers: write it again with numpy.save") from None
    if not (values.ndim == 3 or values.ndim == 4 and values.shape[3] in (3, 4)) or not values.size:
        raise ValueError(f"has shape {values.shape}: write (frames, height, width), or with 3 or 4 channels last")
    values = values[:most]
    low, high, whole = values.min(), values.max(), values.dtype == np.uint8
    if not (0 <= low and (whole and high != 1 or values.dtype.kind == "f" and high <= 1)):  # also if one is NaN
        fix = "write levels from 0 to 255 as uint8, or floats from 0 to 1"
        raise ValueError(f"holds {values.dtype} levels from {low:.4g} to {high:.4g}: {fix}")
    level = np.asarray(values) if whole else np.rint(values * 255).astype(np.uint8)
    return level if level.ndim == 3 else grey(level[..., :3])


def grey(image):
    """Grey levels (..., H, W) uint8 of colours (..., H, W, 3) uint8."""
    return np.rint(image @ GREY).astype(np.uint8)
