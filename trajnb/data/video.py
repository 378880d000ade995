"""Video files as grey frames.

Shapes:   T frames   H, W pixels
"""

from itertools import islice

import av
import numpy as np

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".gif", ".mpg", ".mpeg", ".wmv", ".3gp")
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)


def read(path, most=None):
    """(grey levels (T, H, W) uint8, frames a second or None) of a file's first video stream, turned as players turn it.

    At most `most` frames are decoded, all if None. Raises ValueError, one sentence, if the file is missing, holds no
    video or no frame, decodes with errors, or changes its frame size.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 0) or None
            return np.stack([upright(frame) for frame in islice(container.decode(stream), most)]), rate
    except (av.error.FFmpegError, IndexError, ValueError):
        fix = "copy it from its source again, or write it as H.264 in mp4"
        raise ValueError(f"is not a video whose frames can be decoded, all of one size: {fix}") from None


def upright(frame):
    """Grey levels (H, W) uint8 of a decoded frame, rotated as its display matrix says; ValueError if it is damaged."""
    if frame.is_corrupt:
        raise ValueError("a frame is damaged")
    return np.rot90(grey(frame.to_ndarray(format="rgb24")), round(frame.rotation / 90))


def grey(image):
    """Grey levels (..., H, W) uint8 of colours (..., H, W, 3) uint8."""
    return np.rint(image @ GREY).astype(np.uint8)
