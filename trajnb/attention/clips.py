"""The clips whose maps are scored: plain ones, the same with a decoy, and where the object is in each.

The decoy is the same disc; it steps as far as the object in every frame, back and forth: as bright, with as much change
from frame to frame, and no path. A map that points at it shows brightness or change, not motion.

Shapes:   N clips   T observed frames   S pixels a side
"""

import numpy as np

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.world import camera, recipes, renderer

# Whatever moves, occludes or doubles the object is off: the recipe says where it is only where it can be seen.
OFF = Config().model_dump(include={*recipes.OPTIONAL})


def clip_pairs(test, count):
    """{"plain", "decoy"}: up to `count` clips of the same recipes whose decoy stays away; ValueError if none does."""
    plain = ClipSet(test.cfg.replace(**OFF), test.seed, test.table.drop(columns=list(OFF), errors="ignore"))
    (uv_NTx2, radius_NT), scene = object_px(plain), {name: column.to_numpy() for name, column in plain.table.items()}
    away_NT = np.linalg.norm(renderer.decoy(plain.cfg, plain.seed, scene, uv_NTx2) - uv_NTx2, axis=2)
    apart = np.flatnonzero((away_NT - 2 * radius_NT).min(axis=1) > plain.cfg.size / 8)  # pixels from edge to edge
    if not len(apart):
        raise ValueError(f"the decoy comes near the object in all {len(test)} test clips: raise test_clips")
    plain = plain.take(apart).spread(count)
    return {"plain": plain, "decoy": ClipSet(plain.cfg.replace(decoy=True), plain.seed, plain.table)}


def object_px(clips):
    """Centre (N, T, 2) and radius (N, T) of the object in pixels, as rendered."""
    cfg = clips.cfg
    xyz_NTx3 = clips.xyz_NFx3[:, : cfg.frames]
    radius_NT = cfg.focal_px * cfg.radius_m * clips.table["size_factor"].to_numpy()[:, None] / xyz_NTx3[..., 2]
    return camera.project(xyz_NTx3, cfg), radius_NT


def distance_px(clips):
    """Distance (N, T, S, S) in pixels of every pixel's centre from the object's edge; negative inside."""
    (uv_NTx2, radius_NT), middle_S = object_px(clips), np.arange(clips.cfg.size) + 0.5
    dx_NTS, dy_NTS = (middle_S - uv_NTx2[..., axis, None] for axis in (0, 1))
    return (np.hypot(dx_NTS[:, :, None, :], dy_NTS[..., None]) - radius_NT[..., None, None]).astype(np.float32)
