"""Folders of clips: the planted bugs of benchmarks/audit.py, and clips and videos as programs write them."""

import importlib.util
from fractions import Fraction

import av
import numpy as np

from trajnb import ROOT, files

SPEC = importlib.util.spec_from_file_location("planted_bugs", ROOT / "benchmarks" / "audit.py")
SUITE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SUITE)


def write(s, folder):
    """A planted set as a user would keep it; returns the folder."""
    for path, video_THW in zip(s.table["path"], s.video_NTHW, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / path, video_THW)
    files.write_csv(folder / "splits.csv", s.table[["path", "label", "split"]])
    for name, extra in s.extras.items():
        (files.write_json if name.endswith("json") else files.write_parquet)(folder / name, extra)
    return folder


def encode(path, clip_THW, rotation=0, times=None):
    """Write a video of grey frames, 30 a second or at `times` in seconds, to be shown rotated by degrees."""
    gif = path.suffix.lower() == ".gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif" if gif else "mpeg4", rate=30)
        stream.height, stream.width = clip_THW.shape[1:]
        stream.pix_fmt = "gray" if gif else "yuv420p"
        if not gif:
            stream.bit_rate = 4_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 600)
        for k, image in enumerate(clip_THW):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray")
            if times is not None:
                frame.time_base, frame.pts = Fraction(1, 600), round(times[k] * 600)
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())


def disc(seed=0, frames=20, height=32, width=32):
    """A bright square that wanders (T, H, W)."""
    rng = np.random.default_rng(seed)
    clip_THW = rng.integers(30, 50, (frames, height, width)).astype(np.uint8)
    for t, (y, x) in enumerate(rng.integers(0, 26, 2) + np.cumsum(rng.integers(-4, 5, (frames, 2)), axis=0)):
        clip_THW[t, y % 26 : y % 26 + 6, x % 26 : x % 26 + 6] = 220
    return clip_THW


def put(folder, names, frames=20):
    """Write a clip of its own for each name; returns the folder."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".npy":
            with open(path, "wb") as file:  # numpy would append a second extension to .NPY
                np.save(file, disc(seed, frames))
        else:
            encode(path, disc(seed, frames))
    return folder
