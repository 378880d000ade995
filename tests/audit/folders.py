"""Folders of clips: the planted bugs of benchmarks/audit.py, and clips as people keep them."""

import importlib.util

import numpy as np

from trajnb import ROOT

SPEC = importlib.util.spec_from_file_location("planted_bugs", ROOT / "benchmarks" / "audit.py")
SUITE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SUITE)


def disc(seed=0, frames=20, height=32, width=32):
    """A bright square that wanders (T, H, W)."""
    rng = np.random.default_rng(seed)
    clip_THW = rng.integers(30, 50, (frames, height, width)).astype(np.uint8)
    for t, (y, x) in enumerate(rng.integers(0, 26, 2) + np.cumsum(rng.integers(-4, 5, (frames, 2)), axis=0)):
        clip_THW[t, y % 26 : y % 26 + 6, x % 26 : x % 26 + 6] = 220
    return clip_THW


def put(folder, names, frames=20):
    """Write a clip of its own for each name."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        SUITE.write_clip(folder / name, disc(seed, frames), 30)
