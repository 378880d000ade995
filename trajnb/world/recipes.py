"""Recipes: the few numbers from which one clip is made, a pure function of (seed, clip index, world).

Nuisances come first and know nothing of the class: place, depth, extent in the image, brightness, noise. Then shapes
are drawn until one fits them, so that nuisances look the same for every class. Every draw has an address (seed, index,
attempt): a clip costs the same at index 0 and at 10^12.

Shapes:   N clips   F frames (observed and future)   T observed frames   last axis: x, y, z in metres
"""

import numpy as np
import pandas as pd

from trajnb.world import camera, families, motions, philox

NUISANCE_STREAM, ORDER_STREAM, NOISE_STREAM, TEXTURE_STREAM, DECOY_STREAM, JITTER_STREAM, DROP_STREAM = range(7)
VARIED_STREAM, SQUARE_STREAM, LIGHT_STREAM = 7, 8, 9
OPTIONAL = ("blur_px", "texture", "occluder_px", "decoy", "jitter_px", "dropped_frames")  # off by default
OPTIONAL += ("lighting", "shadow", "compression")
SHAPE_STREAM = 16  # two streams an attempt from here: uniforms, then normals
ATTEMPTS = 4096  # shapes tried for one clip before the world is called impossible
EXTENT_TOLERANCE = 0.06  # of the extent drawn
DEPTH_NEAREST_M = 1.0  # no centre ever comes closer to the camera than this


class ImpossibleWorld(ValueError):
    """A world in which some clip cannot be made."""


def draw(cfg, seed, index_N):
    """The recipe table (pandas, one row a clip) of clips `index_N` of `seed`; raises ImpossibleWorld."""
    index_N = np.asarray(index_N, np.int64)
    table = nuisances(cfg, seed, index_N)
    table.insert(1, "motion", np.array(cfg.motions)[labels(cfg, seed, index_N)])
    table["attempt"] = accepted_attempts(cfg, seed, table)
    return table


def labels(cfg, seed, index_N):
    """Class numbers (N,): every block of K consecutive clips holds each of the K classes once, in random order."""
    classes = len(cfg.motions)
    block_N, place_N = np.divmod(np.asarray(index_N, np.int64), classes)
    order_NK = np.argsort(philox.words(seed, block_N, ORDER_STREAM, classes), axis=1, kind="stable")
    return order_NK[np.arange(len(place_N)), place_N]


def nuisances(cfg, seed, index_N):
    """What must not tell the class: one column each, with its unit in the name."""
    u = iter(philox.uniforms(seed, index_N, NUISANCE_STREAM, 16).T)
    table = pd.DataFrame({"index": index_N})
    table["anchor_frame"] = np.floor(next(u) * cfg.frames).astype(np.int64)
    table["depth_m"] = motions.between(next(u), cfg.depth_min_m, cfg.depth_max_m)
    table["speed_factor"] = motions.between(next(u), cfg.speed_factor_min, cfg.speed_factor_max)
    table["size_factor"] = motions.between(next(u), cfg.size_factor_min, cfg.size_factor_max)
    # Far away only small extents are possible for all classes alike: no circle is wider than its largest diameter.
    widest_px = (cfg.focal_px * 1.8 * cfg.circle_radius_max_m / table["depth_m"]).clip(upper=cfg.extent_max_px)
    extent_px = motions.between(next(u), cfg.extent_min_px, widest_px)
    table["extent_px"] = (extent_px * table["speed_factor"]).clip(upper=widest_px)
    table["place_x"], table["place_y"] = next(u), next(u)  # shares of the room that the path leaves
    table["brightness"] = motions.between(next(u), cfg.brightness_min, cfg.brightness_max)
    table["background"] = motions.between(next(u), cfg.background_min, cfg.background_max)
    table["noise"] = motions.between(next(u), cfg.noise_min, cfg.noise_max)
    table["occluder_place"], table["decoy_x"], table["decoy_y"] = next(u), next(u), next(u)
    return table.assign(**varied(cfg, seed, index_N)) if cfg.varied else table


def varied(cfg, seed, index_N):
    """{name: amount (N,)} of the optional nuisances, between 0 and the parameter: each clip has at most one."""
    offered = [name for name in OPTIONAL if getattr(cfg, name)]
    which_N, share_N = philox.uniforms(seed, index_N, VARIED_STREAM, 2).T
    chosen_N = np.floor(which_N * (len(offered) + 1)).astype(int)  # the last number is none of them
    amount = {name: np.where(chosen_N == k, share_N * getattr(cfg, name), 0.0) for k, name in enumerate(offered)}
    whole = {"decoy": np.ceil, "dropped_frames": np.rint}
    return {name: whole.get(name, np.asarray)(amount_N) for name, amount_N in amount.items()}


def accepted_attempts(cfg, seed, table):
    """Number (N,) of each clip's first attempt whose path fits its nuisances and shows its class."""
    attempt_N = np.full(len(table), -1)
    start, width = 0, 4
    while (attempt_N < 0).any():
        if start >= ATTEMPTS:
            missing, first = (attempt_N < 0).sum(), table[attempt_N < 0].iloc[0]
            raise ImpossibleWorld(
                f"no {first.motion} path of {first.extent_px:.1f} px at {first.depth_m:.2f} m in {start} attempts "
                f"({missing} clips): widen its ranges, or narrow extent_min_px to extent_max_px or class_margin_px"
            )
        for name, rows in by_motion(cfg, table, attempt_N < 0):
            repeated = table.iloc[np.repeat(rows, width)]
            tries = np.tile(np.arange(start, start + width), len(rows))
            good = accept(cfg, name, repeated, path(cfg, seed, name, repeated, tries)).reshape(len(rows), width)
            done = good.any(axis=1)
            attempt_N[rows[done]] = start + good[done].argmax(axis=1)
        start, width = start + width, min(2 * width, 64)
    return attempt_N


def by_motion(cfg, table, among_N):
    """(motion, row numbers) of the clips among these, a motion at a time."""
    for name in cfg.motions:
        rows = np.flatnonzero((table["motion"] == name).to_numpy() & among_N)
        if len(rows):
            yield name, rows


def path(cfg, seed, name, table, attempt_N):
    """Positions (N, F, 3) in metres in the camera's frame, of one motion's clips, with the given attempts' shapes."""
    index_N, stream_N = table["index"].to_numpy(), SHAPE_STREAM + 2 * np.asarray(attempt_N)
    u = philox.uniforms(seed, index_N, stream_N, motions.RANDOM_NUMBERS)
    normals = 3 * (cfg.frames + cfg.horizon) if name == "random" else 0
    g = philox.normals(seed, index_N, stream_N + 1, normals) if normals else None
    dt = table["speed_factor"].to_numpy() / cfg.frame_rate
    xyz_NFx3 = motions.MOTIONS[name](u, g, dt, cfg)
    xyz_NFx3 = xyz_NFx3 - xyz_NFx3[np.arange(len(u)), table["anchor_frame"].to_numpy()][:, None]
    xyz_NFx3[..., 2] += table["depth_m"].to_numpy()[:, None]
    shift_Nx2, fits_N = camera.place(xyz_NFx3[:, : cfg.frames], table[["place_x", "place_y"]].to_numpy(), cfg)
    xyz_NFx3[..., :2] += shift_Nx2[:, None]
    xyz_NFx3[~fits_N, :, 2] = 0.0  # marks a path that cannot be placed; `accept` refuses it
    return xyz_NFx3


def accept(cfg, name, table, xyz_NFx3):
    """Whether each path (N, F, 3) fits the picture and the extent drawn, and differs from every simpler family."""
    good_N = (xyz_NFx3[..., 2] >= DEPTH_NEAREST_M).all(axis=1)
    uv_NTx2 = camera.project(np.where(good_N[:, None, None], xyz_NFx3, 1.0)[:, : cfg.frames], cfg)
    extent_N = table["extent_px"].to_numpy()
    good_N &= np.abs(extent(uv_NTx2) - extent_N) <= EXTENT_TOLERANCE * extent_N
    for family in motions.SIMPLER[name]:
        rows = np.flatnonzero(good_N)
        good_N[rows] = families.FAMILIES[family](uv_NTx2[rows], cfg) >= cfg.class_margin_px
    return good_N


def extent(uv_NTx2):
    """Longer side (N,) of the box around each image path, in pixels."""
    return np.ptp(uv_NTx2, axis=1).max(axis=1)


def tracks(cfg, seed, table):
    """Positions (N, F, 3) in metres in the camera's frame of the clips in a recipe table, no search involved."""
    xyz_NFx3 = np.empty((len(table), cfg.frames + cfg.horizon, 3))
    for name, rows in by_motion(cfg, table, True):
        part = table.iloc[rows]
        xyz_NFx3[rows] = path(cfg, seed, name, part, part["attempt"].to_numpy())
    return xyz_NFx3
