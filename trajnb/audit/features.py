"""What the checks look at: each clip is read once and leaves a few hundred numbers; a few clips stay as they are.

An object is whatever differs from its own background, the median of five frames: no network, no knowledge of a motion.

Shapes:   N clips   T frames   H, W pixels   G cells a side   K frames kept of T   P pixels a side of a patch
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter

from trajnb.audit.findings import AuditError

CHUNK = 64  # clips worked on at once
GRID = 8  # cells a side of a coarse frame
MOMENTS = 8  # frames of a fingerprint
REACH = 4  # pixels to each side of an object that a patch holds
SIGMAS = 4.5  # noise that is no object
LEAST = 2.0  # grey levels that are no object, where there is no noise
LEAST_CHANGE = 0.1  # grey levels of a cell that are no change, where there is no noise
FEWEST_PIXELS = 3  # that are an object
KEPT_BYTES = 128 * 2**20  # of clips that stay as they are
KEPT = 2000


@dataclass(frozen=True, eq=False)
class Seen:
    """Numbers of N clips; grey levels are 0 to 255, places in frame widths and heights."""

    row_N: np.ndarray  # place in the material's table
    label_N: np.ndarray  # number in material.classes
    split_N: np.ndarray  # names
    info: pd.DataFrame  # (N rows) what only the reader knows: Material.read
    light: pd.DataFrame  # (N rows) brightness: median, low, high, object, noise; red and blue against green
    uv_NTx2: np.ndarray  # centre of the object, the middle where there is none
    area_NT: np.ndarray  # its share of the frame
    alive_N: np.ndarray  # share of frames with an object
    change_N: np.ndarray  # most that a coarse cell changes, in standard errors of its noise
    repeated_N: np.ndarray  # share of frames that are the one before, bit for bit
    cells_NKGG: np.ndarray  # the moving light in coarse cells, at MOMENTS frames
    stills_N3D: np.ndarray  # what first, middle and last frame show, each by itself
    kept_MTHW: np.ndarray  # uint8, the first M clips as they are, as far as the memory goes

    def __len__(self):
        return len(self.row_N)


def look(material, rows):
    """`Seen` of those of the material's clips `rows` (numpy integers) that can be read and have the common size.

    What is wrong with the others goes into material.faults; AuditError where no clip is left.
    """
    parts, kept, size = [], [], 0
    for start in range(0, len(rows), CHUNK):
        shape = material.shape
        found, video_BTHW, info = material.read(rows[start : start + CHUNK])
        if parts and material.shape != shape:  # several lengths: once more, with the first frames of all clips alone
            return look(material, rows)
        if not len(found):
            continue
        parts.append({"row_N": found, "info": info, **describe(video_BTHW, info)})
        if size < KEPT_BYTES and sum(map(len, kept)) < KEPT:
            kept, size = [*kept, video_BTHW], size + video_BTHW.nbytes
    if not parts:
        raise AuditError("no clip can be read: " + next(f"{path} {why}" for path, why in material.faults.items()))
    whole = {name: [part[name] for part in parts] for name in parts[0]}
    tables = {name: pd.concat(whole.pop(name), ignore_index=True) for name in ("info", "light")}
    arrays = {name: np.concatenate(values) for name, values in whole.items()}
    rows = material.table.iloc[arrays["row_N"]]
    label_N = pd.Categorical(rows["label"], categories=material.classes).codes.astype(int)
    split_N = rows["split"].to_numpy(str)
    return Seen(label_N=label_N, split_N=split_N, kept_MTHW=np.concatenate(kept), **tables, **arrays)


def describe(video_BTHW, info):
    """The numbers of a few clips (B, T, H, W) uint8; `info` (B rows) holds what only the reader knows."""
    moving_BTHW, spread_B = foreground(video_BTHW)
    area_BT, uv_BTx2, object_B = place(video_BTHW, moving_BTHW)
    frame_T = np.linspace(0, video_BTHW.shape[1] - 1, MOMENTS).round().astype(int)
    levels = histogram(video_BTHW)
    stills = [still(video_BTHW[:, t].astype(np.float32)) for t in (0, video_BTHW.shape[1] // 2, -1)]
    pixels = video_BTHW[0, 0].size
    error_B = np.maximum(spread_B * GRID / pixels**0.5, LEAST_CHANGE)
    return {
        "light": pd.DataFrame({**levels, "object": object_B, "noise": spread_B}).join(info[["red", "blue"]]),
        "uv_NTx2": uv_BTx2,
        "area_NT": area_BT,
        "alive_N": (area_BT * pixels >= FEWEST_PIXELS).mean(axis=1),
        "change_N": np.ptp(coarse(video_BTHW[:, frame_T]), axis=1).max(axis=(1, 2)) / error_B,
        "repeated_N": (video_BTHW[:, 1:] == video_BTHW[:, :-1]).all(axis=(2, 3)).mean(axis=1),
        "cells_NKGG": coarse(moving_BTHW[:, frame_T]),
        "stills_N3D": np.stack(stills, axis=1),
    }


def foreground(video_BTHW):
    """Difference to the background where it is an object's, else 0 (int16), and the noise (B,) in grey levels."""
    sample_T = np.linspace(0, video_BTHW.shape[1] - 1, 5).round().astype(int)
    back_B1HW = np.sort(video_BTHW[:, sample_T], axis=1)[:, 2:3]
    moving_BTHW = video_BTHW.astype(np.int16) - back_B1HW
    size_BTHW = np.abs(moving_BTHW)
    spread_B = 1.3 * size_BTHW[:, 1::4, ::2, ::2].mean(axis=(1, 2, 3))  # of a normal: 1.25, and the median's own error
    peak_B = size_BTHW.max(axis=(2, 3)).mean(axis=1)
    limit_B = np.maximum(np.maximum(peak_B / 2, SIGMAS * spread_B), LEAST)
    moving_BTHW[size_BTHW <= limit_B[:, None, None, None]] = 0
    return moving_BTHW, spread_B


def place(video_BTHW, moving_BTHW):
    """Area (B, T) as a share of the frame, centre (B, T, 2) in frame widths, and the mean level (B,) of the object."""
    weight_BTHW = np.abs(moving_BTHW).astype(np.float32)
    height, width = video_BTHW.shape[2:]
    total_BT = np.maximum(weight_BTHW.sum(axis=(2, 3)), 1e-6)
    u_BT = weight_BTHW.sum(axis=2) @ ((np.arange(width, dtype=np.float32) + 0.5) / width)
    v_BT = weight_BTHW.sum(axis=3) @ ((np.arange(height, dtype=np.float32) + 0.5) / height)
    there_BTHW = moving_BTHW != 0
    count_BT = there_BTHW.sum(axis=(2, 3))
    level_B = (video_BTHW * there_BTHW).sum(axis=(1, 2, 3)) / np.maximum(count_BT.sum(axis=1), 1)
    uv_BTx2 = np.where(count_BT[..., None] > 0, np.stack([u_BT, v_BT], axis=2) / total_BT[..., None], 0.5)
    return count_BT / (height * width), uv_BTx2, level_B


def histogram(video_BTHW):
    """Median, low and high (1 in 1,000) grey level of each clip."""
    count_Bx256 = np.stack([np.bincount(clip.ravel(), minlength=256) for clip in video_BTHW])
    share_Bx256 = count_Bx256.cumsum(axis=1) / video_BTHW[0].size
    return {name: (share_Bx256 < q).sum(axis=1) for name, q in (("median", 0.5), ("low", 0.001), ("high", 0.999))}


def coarse(image_BTHW):
    """Means (B, T, G, G) float32 of GRID x GRID cells; a few pixels that are left over at two borders do not count."""
    h, w = (side // GRID for side in image_BTHW.shape[2:])
    whole = image_BTHW[..., : GRID * h, : GRID * w]
    return whole.reshape(*image_BTHW.shape[:2], GRID, h, GRID, w).mean(axis=(3, 5), dtype=np.float32)


def still(image_BHW):
    """What one frame shows (B, G G + 2 + P P): coarse cells, where the strongest spot is, and the patch around it."""
    image_BHW = image_BHW - np.median(image_BHW[:, ::2, ::2], axis=(1, 2), keepdims=True).astype(np.float32)
    spot_BHW = np.abs(uniform_filter(image_BHW, size=(0, 3, 3), mode="constant"))
    row_B, column_B = np.divmod(spot_BHW.reshape(len(spot_BHW), -1).argmax(axis=1), spot_BHW.shape[2])
    padded = np.pad(image_BHW, ((0, 0), (REACH, REACH), (REACH, REACH)))
    step = np.arange(2 * REACH + 1)
    rows, columns = row_B[:, None, None] + step[:, None], column_B[:, None, None] + step
    patch_BPP = padded[np.arange(len(padded))[:, None, None], rows, columns]
    cells_BD, patch_BD = (part.reshape(len(padded), -1) for part in (coarse(image_BHW[:, None]), patch_BPP))
    return np.column_stack([cells_BD, column_B, row_B, patch_BD])
