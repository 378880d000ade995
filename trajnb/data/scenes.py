"""One clip from numbers that a person chose, to play with: nothing is refused, only reported.

A data set tries shapes until one fits the picture and shows its class. Here the shape stays, whatever is changed:
`number` picks one that fits at the starting values, and gravity, speed, depth and noise then act on it alone.

Shapes:   N attempts   F frames (observed and future)   T observed frames   last axis: x, y, z or u, v
"""

from typing import NamedTuple

import numpy as np

from trajnb.data.dataset import ClipSet
from trajnb.world import camera, families, motions, recipes

ATTEMPTS = 256  # shapes tried for one number
WIDE = 512  # pixels a side of a frame in which any path finds room, so that none is refused


class Scene(NamedTuple):
    """What can be changed, with the starting values; their bounds are SPANS."""

    motion: str = "parabolic"
    number: int = 0  # which shape
    gravity: float = 1.0  # of the world's gravity; acts on parabolic motion only
    speed: float = 3.0  # m/s; of random motion the typical one
    depth_m: float = 3.0  # of the object's middle
    noise: float = 0.02  # standard deviation, of full scale


SPANS = {"number": (0, 99), "gravity": (0.0, 2.5), "speed": (0.5, 4.0), "depth_m": (2.0, 4.0), "noise": (0.0, 0.25)}


def first(cfg):
    """The scene to begin with: falling where the world knows that motion, else its first one."""
    return Scene() if Scene().motion in cfg.motions else Scene(cfg.motions[0])


def clip(cfg, scene):
    """The ClipSet that holds the scene's one clip, its path in the middle of the picture; cfg.data_seed draws it."""
    xyz_1Fx3 = paths(cfg, scene, [shape(cfg, scene.motion, scene.number)])
    return ClipSet(one_speed(cfg, scene), cfg.data_seed, row(cfg, scene), xyz_1Fx3)


def paths(cfg, scene, attempt_N):
    """Paths (N, F, 3) in metres of the scene with the shapes of these attempts, each in the middle of the picture."""
    table, wide = row(cfg, scene).loc[[0] * len(attempt_N)], one_speed(cfg, scene).replace(size=WIDE)
    xyz_NFx3 = recipes.path(wide, cfg.data_seed, scene.motion, table, attempt_N)
    shift_Nx2, _ = camera.place(xyz_NFx3[:, : cfg.frames], np.full((len(xyz_NFx3), 2), 0.5), cfg)
    xyz_NFx3[..., :2] += shift_Nx2[:, None]
    return xyz_NFx3


def one_speed(cfg, scene):
    """The world in which every motion has the scene's gravity and speed; circles get the middle of the radii drawn."""
    radius_m = (cfg.circle_radius_min_m + cfg.circle_radius_max_m) / 2
    sweep_deg = float(np.degrees(scene.speed * (cfg.frames - 1) / cfg.frame_rate / radius_m))
    fixed = {}
    for end in ("min", "max"):
        fixed |= {f"speed_{end}": scene.speed, f"ou_speed_{end}": scene.speed}
        fixed |= {f"circle_radius_{end}_m": radius_m, f"sweep_{end}_deg": sweep_deg}
    return cfg.replace(gravity=cfg.gravity * scene.gravity, **fixed)


def row(cfg, scene):
    """The scene's recipe (pandas, one row): the nuisances of clip `number` but for what the scene sets."""
    table = recipes.nuisances(cfg, cfg.data_seed, np.array([scene.number]))
    table.insert(1, "motion", scene.motion)
    middle = {"anchor_frame": cfg.frames // 2, "place_x": 0.5, "place_y": 0.5, "speed_factor": 1.0}
    return table.assign(**middle, depth_m=scene.depth_m, noise=scene.noise)


def shape(cfg, motion, number):
    """The attempt that `number` stands for: the first that never comes too close to the camera, whatever is changed,
    and that a data set could take at the starting values; where none does both, the first that does the former."""
    start = Scene(motion, number)
    extreme = start._replace(speed=SPANS["speed"][1], depth_m=SPANS["depth_m"][0])
    far_N = (paths(cfg, extreme, range(ATTEMPTS))[..., 2] >= recipes.DEPTH_NEAREST_M).all(axis=1)
    fits_N = np.all([holds_N for _, _, holds_N in checks(cfg, motion, paths(cfg, start, range(ATTEMPTS)))], axis=0)
    return int((2 * far_N + fits_N).argmax())


def checks(cfg, motion, xyz_NFx3):
    """What a data set requires of paths (N, F, 3) in metres: [(what, measured (N,), whether it holds (N,) bool)]."""
    uv_NTx2 = camera.project(xyz_NFx3[:, : cfg.frames], cfg)
    margin_N = np.minimum(uv_NTx2, cfg.size - uv_NTx2).min(axis=(1, 2))
    extent_N = recipes.extent(uv_NTx2)
    inside = f"{cfg.frame_margin_px:g} px from the border"
    long = f"path {cfg.extent_min_px:g} to {cfg.extent_max_px:g} px long"
    rows = [(inside, margin_N, margin_N >= cfg.frame_margin_px)]
    rows.append((long, extent_N, (extent_N >= cfg.extent_min_px) & (extent_N <= cfg.extent_max_px)))
    for family in motions.SIMPLER[motion]:
        off_N = families.FAMILIES[family](uv_NTx2, cfg)
        rows.append((f"{cfg.class_margin_px:g} px off any {family}", off_N, off_N >= cfg.class_margin_px))
    return rows
