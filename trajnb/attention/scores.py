"""Scores of a map: does it point at the object.

Source:   pointing game, https://arxiv.org/abs/1608.00507; relevance mass, https://arxiv.org/abs/2003.07258.

Shapes:   N clips   T frames   S pixels a side   D voxels of a flat map
"""

import numpy as np

TOLERANCE_PX = 3.0  # from the disc's edge
SUM_ERROR = 1e-3  # of a sum over clips in single precision: differences below it count as equal
NOISE = 1e-6  # of a map's range: differences from the maximum below it count as equal


def pointing_game(map_NTSS, distance_NTSS):
    """1 where a clip's highest voxel lies within TOLERANCE_PX of the object, else 0 (N,); of equal ones, the share."""
    flat_ND, near_ND = (x.reshape(len(x), -1) for x in (map_NTSS, distance_NTSS <= TOLERANCE_PX))
    top_N1, low_N1 = flat_ND.max(axis=1, keepdims=True), flat_ND.min(axis=1, keepdims=True)
    highest_ND = flat_ND >= top_N1 - NOISE * (top_N1 - low_N1)
    return (highest_ND & near_ND).sum(axis=1) / highest_ND.sum(axis=1)


def relevance_mass(map_NTSS, distance_NTSS):
    """Share (N,) of a map's sum that lies on the object; a map of zeros counts as constant."""
    inside_NTSS, total_N = distance_NTSS <= 0, map_NTSS.sum(axis=(1, 2, 3))
    share_N = (map_NTSS * inside_NTSS).sum(axis=(1, 2, 3)) / np.maximum(total_N, 1e-30)
    return np.where(total_N > 0, share_N, inside_NTSS.mean(axis=(1, 2, 3)))


def sign_flip_p(difference_NC, flips, seed=0):
    """p (C,) of each column's mean being above 0: how often random signs of the clips reach it, doubled, at most 1.

    Doubled, so that 0.05 means what a 95 % interval means.
    Source: R. A. Fisher, The Design of Experiments, 1935, section 21.
    """
    coin = np.random.default_rng(seed).integers(2, size=(flips, len(difference_NC)), dtype=np.int8)
    sign = 2 * coin.astype(np.float32) - 1
    reached = sign @ difference_NC.astype(np.float32) >= difference_NC.sum(axis=0) - SUM_ERROR
    return np.minimum(2 * (1 + reached.sum(axis=0)) / (1 + flips), 1)
