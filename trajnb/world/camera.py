"""The pinhole camera: metres in its frame (x right, y down, z forward; OpenCV's convention) to pixels and back.

Shapes:   N clips   F frames   last axis: x, y, z in metres, or u, v in pixels (the frame spans [0, size])
"""

import numpy as np


def project(xyz_NFx3, cfg):
    """Pixels (N, F, 2) of points (N, F, 3) in metres; z must be positive."""
    return cfg.focal_px * xyz_NFx3[..., :2] / xyz_NFx3[..., 2:] + cfg.size / 2


def unproject(uv_NFx2, z_NF, cfg):
    """Metres (N, F, 3) of pixels (N, F, 2) at depths z (N, F) in metres: the inverse of `project`."""
    xy_NFx2 = (uv_NFx2 - cfg.size / 2) * z_NF[..., None] / cfg.focal_px
    return np.concatenate([xy_NFx2, z_NF[..., None]], axis=-1)


def place(xyz_NFx3, share_Nx2, cfg):
    """Sideways shift in metres (N, 2) that puts every frame given inside the picture; whether the path fits (N,) bool.

    share_Nx2 in (0, 1) picks the place between the outermost ones possible.
    """
    reach_NF1 = (cfg.size / 2 - cfg.frame_margin_px) * xyz_NFx3[..., 2:] / cfg.focal_px
    low_Nx2 = (-reach_NF1 - xyz_NFx3[..., :2]).max(axis=1)
    high_Nx2 = (reach_NF1 - xyz_NFx3[..., :2]).min(axis=1)
    return low_Nx2 + share_Nx2 * (high_Nx2 - low_Nx2), (low_Nx2 < high_Nx2).all(axis=1)
