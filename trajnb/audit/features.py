"""What the checks look at: each clip is read once and leaves a few hundred numbers; the first clips are kept whole.

An object is whatever differs from its own background, the median of five frames: bright or dark, of any size, without a
network and without knowledge of a motion.

Shapes:   N clips (B of a batch)   T frames   H, W pixels   G cells a side   K frames of T
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from trajnb.audit.clips import averaged
from trajnb.audit.report import TRAIN, AuditError
from trajnb.evaluation.trackers import window

BATCH = 64  # clips processed at once
GRID, MOMENTS = 8, 8  # cells a side and frames of a fingerprint
SIGMAS = 4.5  # noise that is no object
LEAST, LEAST_CHANGE = 2.0, 0.1  # grey levels that are no object, and no change of a cell, where there is no noise
FEWEST_PIXELS = 3  # of an object
KEPT_BYTES = 32 * 2**20  # of clips kept whole


@dataclass(frozen=True, eq=False)
class Features:
    """Numbers of N clips; grey levels are 0 to 255, positions in frame widths and heights.

    info has a row for each clip: that of clips.read; median, low, high, object and noise (grey levels); visible (share
    of frames with an object); change (largest of a coarse cell, in standard errors of its noise); repeated (share of
    frames that equal the one before).
    """

    row_N: np.ndarray  # row in the data set's table
    label_N: np.ndarray  # number in the data set's classes
    split_N: np.ndarray  # names
    info: pd.DataFrame
    uv_NTx2: np.ndarray  # centre of the object, the middle where there is none
    area_NT: np.ndarray  # its share of the frame
    cells_NKGG: np.ndarray  # the moving light in coarse cells, at MOMENTS frames
    still_N3D: np.ndarray  # what the first, middle and last frame show, each by itself
    whole_MTHW: np.ndarray  # uint8, the first M clips

    def __len__(self):
        return len(self.row_N)

    @property
    def training(self):
        """Numbers of the training clips."""
        return np.flatnonzero(self.split_N == TRAIN)


def extract(dataset, rows):
    """Features of those clips of the data set (row numbers) that can be read and have the common size.

    What is wrong with the others goes into dataset.faults; AuditError if no clip is left.
    """
    parts, infos, whole = [], [], []
    for start in range(0, len(rows), BATCH):
        frames = dataset.frames
        row_B, video_BTHW, info = dataset.videos(rows[start : start + BATCH])
        if parts and dataset.frames != frames:  # several lengths: once more, with the first frames of all clips alone
            return extract(dataset, rows)
        if len(row_B):
            numbers, arrays = describe(video_BTHW)
            parts.append({"row_N": row_B} | arrays)
            infos.append(info.join(numbers))
            if sum(video.nbytes for video in whole) < KEPT_BYTES:
                whole.append(video_BTHW)
    if not parts:
        raise AuditError("no clip can be read: " + " ".join(next(iter(dataset.faults.items()))))
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    table, info = dataset.table.iloc[arrays["row_N"]], pd.concat(infos, ignore_index=True)
    label_N = pd.Categorical(table["label"], categories=dataset.classes).codes.astype(int)
    return Features(
        label_N=label_N, split_N=table["split"].to_numpy(str), info=info, whole_MTHW=np.concatenate(whole), **arrays
    )


def describe(video_BTHW):
    """(table of numbers, {name: array}) of Features of a few clips (B, T, H, W) uint8."""
    moving_BTHW, noise_B = foreground(video_BTHW)
    area_BT, uv_BTx2, object_B = position(video_BTHW, moving_BTHW)
    low_B, median_B, high_B = np.percentile(video_BTHW.reshape(len(video_BTHW), -1), [0.1, 50, 99.9], axis=1)
    frame_K = np.linspace(0, video_BTHW.shape[1] - 1, MOMENTS).round().astype(int)
    pixels = video_BTHW[0, 0].size
    error_B = np.maximum(noise_B * GRID / pixels**0.5, LEAST_CHANGE)
    numbers = {"median": median_B, "low": low_B, "high": high_B, "object": object_B, "noise": noise_B}
    numbers["visible"] = (area_BT * pixels >= FEWEST_PIXELS).mean(axis=1)
    numbers["change"] = np.ptp(coarse(video_BTHW[:, frame_K]), axis=1).max(axis=(1, 2)) / error_B
    numbers["repeated"] = (video_BTHW[:, 1:] == video_BTHW[:, :-1]).all(axis=(2, 3)).mean(axis=1)
    arrays = {"uv_NTx2": uv_BTx2, "area_NT": area_BT, "cells_NKGG": coarse(moving_BTHW[:, frame_K])}
    arrays["still_N3D"] = stills(video_BTHW[:, [0, video_BTHW.shape[1] // 2, -1]])
    return pd.DataFrame(numbers), arrays


def foreground(video_BTHW):
    """Difference to the background where it is an object's, else 0 (int16), and the noise (B,) in grey levels."""
    sample_T = np.linspace(0, video_BTHW.shape[1] - 1, 5).round().astype(int)
    moving_BTHW = video_BTHW.astype(np.int16) - np.sort(video_BTHW[:, sample_T], axis=1)[:, 2:3]
    size_BTHW = np.abs(moving_BTHW)
    noise_B = 1.3 * size_BTHW[:, 1::4, ::2, ::2].mean(axis=(1, 2, 3))  # of a normal: 1.25, and the median's own error
    peak_B = size_BTHW.max(axis=(2, 3)).mean(axis=1)
    limit_B = np.maximum(np.maximum(peak_B / 2, SIGMAS * noise_B), LEAST)
    moving_BTHW[size_BTHW <= limit_B[:, None, None, None]] = 0
    return moving_BTHW, noise_B


def position(video_BTHW, moving_BTHW):
    """Area (B, T) as a share of the frame, centre (B, T, 2) in frame widths and heights, mean level (B,) of the object.

    Not evaluation.measure: that looks for a disc of up to 7 px, and other people's objects are of any size.
    """
    weight_BTHW, mask_BTHW = np.abs(moving_BTHW).astype(np.float32), moving_BTHW != 0
    height, width = video_BTHW.shape[2:]
    count_BT, total_BT = mask_BTHW.sum(axis=(2, 3)), np.maximum(weight_BTHW.sum(axis=(2, 3)), 1e-6)
    u_BT = weight_BTHW.sum(axis=2) @ ((np.arange(width, dtype=np.float32) + 0.5) / width)
    v_BT = weight_BTHW.sum(axis=3) @ ((np.arange(height, dtype=np.float32) + 0.5) / height)
    uv_BTx2 = np.where(count_BT[..., None] > 0, np.stack([u_BT, v_BT], axis=2) / total_BT[..., None], 0.5)
    level_B = (video_BTHW * mask_BTHW).sum(axis=(1, 2, 3)) / np.maximum(count_BT.sum(axis=1), 1)
    return count_BT / (height * width), uv_BTx2, level_B


def stills(image_B3HW):
    """What each of three frames shows (B, 3, D): coarse cells, the place of the strongest spot, the patch around it."""
    light_B3HW = image_B3HW - np.median(image_B3HW[..., ::2, ::2], axis=(2, 3), keepdims=True).astype(np.float32)
    patch_B3PP, corner_B3x2 = window(np.abs(light_B3HW))
    parts = coarse(light_B3HW), corner_B3x2, patch_B3PP
    return np.concatenate([part.reshape(*image_B3HW.shape[:2], -1) for part in parts], axis=2)


def coarse(video_BTHW):
    """Means (B, T, G, G) of GRID x GRID cells."""
    return averaged(video_BTHW, *(side // GRID for side in video_BTHW.shape[2:]))[..., :GRID, :GRID]
