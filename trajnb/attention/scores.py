"""Scores of a map: does it point at the object, and does the prediction depend on what it points at.

Source:   pointing game, https://arxiv.org/abs/1608.00507; relevance mass, https://arxiv.org/abs/2003.07258; insertion
          and deletion, https://arxiv.org/abs/1806.07421.
Differs:  deleted tubelets become the clip's own background with its noise, and insertion begins there: every network
          divides a clip by its deviation, which makes a blurred object bright again.

Shapes:   N clips   T frames   S pixels a side   L shares   D voxels of a flat map
"""

import numpy as np
import torch
from einops import reduce, repeat

from trajnb.attention.clips import baseline
from trajnb.attention.maps import TUBELET

TOLERANCE_PX = 3.0  # from the disc's edge
SHARES = (0, 1 / 256, 1 / 64, 1 / 16, 1 / 4, 1)  # of a clip's tubelets
BATCH = 64  # clips in a forward pass: more leave the cache
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


def tubelet_ranks(map_NTSS, seed=0):
    """Rank (N, T', S', S') of each tubelet's sum, 0 for the most relevant; equal ones in random order."""
    k, p, q = TUBELET
    sums = reduce(map_NTSS.astype(np.float64), "n (t k) (h p) (w q) -> n t h w", "sum", k=k, p=p, q=q)
    flat_NU = sums.reshape(len(sums), -1)
    shuffled_NU = np.random.default_rng(seed).random(flat_NU.shape)
    return np.lexsort((shuffled_NU, -flat_NU), axis=1).argsort(axis=1).reshape(sums.shape)


def deletion_and_insertion(explained, video_NCTHW, map_NTSS, target_N, ends):
    """Mean probability (N,) of the target class as tubelets are deleted, and as they are inserted, most relevant first.

    ends: probability (N,) for the whole clips and for their `baseline`. Each step between two SHARES weighs the same.
    """
    rank_NU, (whole_N, empty_N), (k, p, q) = tubelet_ranks(map_NTSS), ends, TUBELET
    share_NU = torch.from_numpy((rank_NU + 1) / rank_NU[0].size).float().to(video_NCTHW.device)
    share_N1TSS = repeat(share_NU, "n t h w -> n 1 (t k) (h p) (w q)", k=k, p=p, q=q)
    empty_NCTHW, deleted, inserted = baseline(video_NCTHW), [whole_N], [empty_N]
    for share in SHARES[1:-1]:
        chosen = share_N1TSS <= share
        deleted.append(probability(explained, torch.where(chosen, empty_NCTHW, video_NCTHW), target_N))
        inserted.append(probability(explained, torch.where(chosen, video_NCTHW, empty_NCTHW), target_N))
    both_NL = (np.stack(curve, axis=1) for curve in ([*deleted, empty_N], [*inserted, whole_N]))
    return tuple((curve_NL[:, 1:] + curve_NL[:, :-1]).mean(axis=1) / 2 for curve_NL in both_NL)


@torch.no_grad()
def probability(explained, video_NCTHW, target_N):
    """Probability (N,) of each clip's target class."""
    logits_NK = torch.cat([explained(part) for part in video_NCTHW.split(BATCH)])
    return logits_NK.softmax(dim=1).gather(1, target_N[:, None])[:, 0].cpu().numpy()


def sign_flip_p(difference_NC, flips, seed=0):
    """p (C,) of each column's mean being above 0: how often random signs of the clips reach it, doubled, at most 1.

    Doubled, so that 0.05 means what a 95 % interval means.
    Source: R. A. Fisher, The Design of Experiments, 1935, section 21.
    """
    coin = np.random.default_rng(seed).integers(2, size=(flips, len(difference_NC)), dtype=np.int8)
    sign = 2 * coin.astype(np.float32) - 1
    reached = sign @ difference_NC.astype(np.float32) >= difference_NC.sum(axis=0) - SUM_ERROR
    return np.minimum(2 * (1 + reached.sum(axis=0)) / (1 + flips), 1)
