"""Videos as cameras write them: with a rotation, at uneven times."""

from fractions import Fraction

import av


def encode(path, level_THW, rate=30, rotation=0, times=None):
    """Write grey levels (T, H, W) uint8 as a video, to be shown rotated by degrees; returns its path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *level_THW.shape[1:], "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 90_000)
        if rotation:
            stream.set_display_rotation(rotation)
        for k, image_HW in enumerate(level_THW):
            frame = av.VideoFrame.from_ndarray(image_HW, format="gray")
            if times is not None:
                frame.pts, frame.time_base = int(times[k] * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    return path
