"""Frames of video files and arrays: grey levels, turned as players turn them."""

from itertools import islice

import av
import numpy as np

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif", ".mpg", ".mpeg", ".wmv", ".3gp")
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)
FIX = "copy it from its source again, or write it as H.264 in mp4"


def read(path, most=None):
    """(grey levels (T, H, W) uint8, frames a second or None) of a file; at most `most` frames. Raises as `frames`."""
    levels = [level_HW for _, level_HW, _ in islice(frames(path), most)]
    with av.open(str(path)) as container:
        return np.stack(levels), float(container.streams.video[0].average_rate or 0) or None


def frames(path, longest=None):
    """Yield (seconds, grey levels (H, W) uint8, share) of each frame of a file's first video stream.

    Where a side has more than `longest` pixels, frames are reduced to a share of their size. Raises ValueError, one
    sentence, if the file is missing, holds no video or no frame, decodes with errors, or changes its frame size.
    """
    sizes = set()
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(container.streams.video[0]):
                sizes.add((frame.width, frame.height))
                if frame.is_corrupt or len(sizes) > 1:
                    raise ValueError
                share = min(1.0, (longest or np.inf) / max(frame.width, frame.height))
                yield frame.time, upright(frame, share), share
            if not sizes:
                raise ValueError
    except (av.error.FFmpegError, IndexError, ValueError):
        raise ValueError(f"is not a video whose frames can be decoded, all of one size: {FIX}") from None


def upright(frame, share):
    """Grey levels (H, W) uint8 of a decoded frame at a share of its size, rotated as its display matrix says."""
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
