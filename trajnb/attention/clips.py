"""The clips that networks are asked to explain: plain ones, the same with a decoy, and where the object is in each.

The decoy is the same disc; it steps as far as the object in every frame, forth and back: as bright, with as much
difference from frame to frame, and no path. Whoever points at it has looked at light or at change, not at motion.

Shapes:   N clips   B clips of a batch   T seen frames   S pixels a side
"""

import numpy as np
import torch

from trajnb.data import ClipSet
from trajnb.world import camera, renderer

# Whatever moves, hides or doubles the object is off: the recipe says where it is only where it can be seen.
OFF = {"blur_px": 0.0, "texture": 0.0, "occluder_px": 0.0, "decoy": False, "jitter_px": 0.0, "dropped_frames": 0}
KINDS = ("plain", "decoy")


def both(test, count):
    """{"plain", "decoy"}: `count` clips (or as many as there are) of the same recipes, without and with a decoy.

    Only recipes whose decoy never comes near the object, evenly spread over the set, so that all classes are there.
    Raises ValueError when there is none.
    """
    free = ClipSet(test.cfg.replace(**OFF), test.seed, test.table.drop(columns=list(OFF), errors="ignore"))
    apart = np.flatnonzero(gap_px(free) > free.cfg.size / 8)
    if not len(apart):
        raise ValueError(f"in none of {len(test)} test clips does the decoy stay apart: ask for more test_clips")
    plain = free.take(apart).spread(count)
    return {"plain": plain, "decoy": ClipSet(plain.cfg.replace(decoy=True), plain.seed, plain.table)}


def gap_px(clips):
    """Least distance (N,) in pixels between the edges of object and decoy, were there one."""
    uv_NTx2, radius_NT = object_px(clips)
    scene = {name: clips.table[name].to_numpy() for name in clips.table.columns}
    away_NT = np.linalg.norm(renderer.decoy(clips.cfg, clips.seed, scene, uv_NTx2) - uv_NTx2, axis=2)
    return (away_NT - 2 * radius_NT).min(axis=1)


def object_px(clips):
    """Centre (N, T, 2) and radius (N, T) of the object in pixels, as rendered."""
    cfg = clips.cfg
    xyz_NTx3 = clips.xyz_NFx3[:, : cfg.frames]
    radius_NT = cfg.focal_px * cfg.radius_m * clips.table["size_factor"].to_numpy()[:, None] / xyz_NTx3[..., 2]
    return camera.project(xyz_NTx3, cfg), radius_NT


def distance_px(clips):
    """Distance (N, T, S, S) in pixels of every pixel's middle from the object's edge; negative inside."""
    (uv_NTx2, radius_NT), middle_S = object_px(clips), np.arange(clips.cfg.size) + 0.5
    dx_NTS, dy_NTS = (middle_S - uv_NTx2[..., axis, None] for axis in (0, 1))
    return (np.hypot(dx_NTS[:, :, None, :], dy_NTS[..., None]) - radius_NT[..., None, None]).astype(np.float32)


def video(clips, device="cpu"):
    """Clips (N, 1, T, S, S) in [0, 1] as networks see them, on a device."""
    return torch.from_numpy(clips.render(np.arange(len(clips)))).to(device).float()[:, None] / 255


def ground(video_BCTHW):
    """The same clips without anything in them: each clip's median, with normal noise of the clip's own deviation.

    The deviation is read off the median absolute deviation, which a small object does not move. The noise is the same
    for every clip, whatever else is in the batch.
    """
    flat = video_BCTHW.flatten(1)
    median = flat.median(dim=1).values
    deviation = 1.4826 * (flat - median[:, None]).abs().median(dim=1).values
    noise = torch.randn(video_BCTHW.shape[1:], generator=torch.Generator().manual_seed(0)).to(video_BCTHW.device)
    level, spread = (x.view(-1, 1, 1, 1, 1) for x in (median, deviation))
    return (level + spread * noise).clamp(0, 1)
