"""What the checks look at: each clip is read once and leaves a few hundred numbers; the first clips are kept whole.

An object is whatever differs from its own background, the median of five frames: bright or dark, without a network and
without knowledge of a motion. Its centre and radius are measured as the pixel oracle measures them.

Shapes:   N clips (B of a batch)   T frames   H, W pixels   G cells a side   K frames of T
"""

import hashlib
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
from einops import reduce

from trajnb import ParameterError
from trajnb.audit.read import FRAMES, TRAIN
from trajnb.evaluation.trackers import measure
from trajnb.world import families

BATCH, KEPT = 64, 8  # clips processed at once; batches of them kept whole
FEWEST_SIDE, SIDE = 16, 64  # pixels: less shows nothing; from twice SIDE on, pixels are averaged
GRID, MOMENTS = 8, 8  # cells a side and frames of a fingerprint
SIGMAS, LEAST = 4.5, 2.0  # standard deviations of the noise, grey levels: less is no object
FEWEST_PIXELS = 3  # of an object
NUMBER = r"(\d{1,15})[^\d/]*\.\w+$"  # the last one of a file's name


@dataclass(frozen=True, eq=False)
class Features:
    """Numbers of N clips; grey levels are 0 to 255, positions in frame widths and heights.

    table has a row for each clip: path, label, split; number (in the name, or NaN); digest of the levels; rate (frames
    a second); lowest, background, highest and noise (grey levels); visible (share of frames with an object); repeated
    (share of frames like the one before); radius (median, pixels, or 0); speed (hundredths of the frame width a frame).
    """

    table: pd.DataFrame
    label_N: np.ndarray  # number of the class
    split_N: np.ndarray  # name of the split
    train_N: np.ndarray  # whether it is a training clip
    faults: dict  # {path: what is wrong with a clip that cannot be used}
    uv_NTx2: np.ndarray  # centre of the object, the middle where there is none
    cells_NKGG: np.ndarray  # the moving light in coarse cells, at MOMENTS frames
    whole_MTHW: np.ndarray  # uint8, the first M clips


def extract(dataset, rows):
    """Features of those clips of a data set (row numbers) that can be read and have the size of the first one.

    Raises ParameterError if there is none.
    """
    parts, tables, whole, faults = [], [], [], {}
    clips = readable(dataset, rows, faults)
    while batch := list(islice(clips, BATCH)):
        videos, infos = zip(*batch, strict=True)
        numbers, arrays = describe(np.stack(videos))
        tables.append(pd.DataFrame(infos).join(numbers))
        parts.append(arrays)
        whole += videos if len(parts) <= KEPT else ()
    if not parts:
        raise ParameterError("no clip can be read: " + " ".join(next(iter(faults.items()))))
    table = pd.concat(tables).set_index("row")
    table = dataset.table.loc[table.index].join(table).reset_index(drop=True)
    table["number"] = table["path"].str.extract(NUMBER, expand=False).astype(float)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    label_N = pd.Categorical(table["label"], categories=dataset.classes).codes
    split_N = table["split"].to_numpy(str)
    return Features(table, label_N, split_N, split_N == TRAIN, faults, whole_MTHW=np.stack(whole), **arrays)


def readable(dataset, rows, faults):
    """Yield (first frames (T, H, W), averaged where they are large, info) of each clip that can be used."""
    common = None
    for row in rows:
        try:
            video_THW, rate = dataset.clip(row)
            size = video_THW.shape[1:]
            if len(video_THW) < FRAMES or min(size) < FEWEST_SIDE:
                raise ValueError("is too short or too small: write at least 16 frames of 16 x 16 pixels")
            if size != (common := common or size):
                raise ValueError(f"has frames of {size} pixels, the first clip examined has {common}")
        except ValueError as error:
            faults[dataset.table["path"][row]] = str(error)
        else:
            first_THW = np.ascontiguousarray(video_THW[:FRAMES])
            info = {"row": row, "rate": rate, "digest": hashlib.sha256(first_THW).hexdigest()}
            factor = max(1, min(size) // SIDE)
            yield blocks(first_THW, factor, factor).round().astype(np.uint8), info


def describe(video_BTHW):
    """(table of numbers, {name: array}) of Features of a few clips (B, T, H, W) uint8."""
    moving_BTHW, noise_B = foreground(video_BTHW)
    centre_BTx2, radius_BT = measure(moving_BTHW)
    visible_BT = (moving_BTHW > 0).sum(axis=(2, 3)) >= FEWEST_PIXELS
    level_3xB = np.percentile(video_BTHW.reshape(len(video_BTHW), -1), [0.1, 50, 99.9], axis=1)
    numbers = dict(zip(("lowest", "background", "highest"), level_3xB, strict=True)) | {"noise": noise_B}
    numbers["visible"] = visible_BT.mean(axis=1)
    numbers["repeated"] = (video_BTHW[:, 1:] == video_BTHW[:, :-1]).all(axis=(2, 3)).mean(axis=1)
    numbers["radius"] = np.ma.median(np.ma.masked_array(radius_BT, ~visible_BT), axis=1).filled(0)
    uv_BTx2 = np.where(visible_BT[..., None], centre_BTx2 / video_BTHW.shape[:1:-1], 0.5)
    numbers["speed"] = 100 * np.linalg.norm(np.diff(uv_BTx2, axis=1), axis=2).mean(axis=1)
    frame_K = np.linspace(0, FRAMES - 1, MOMENTS).round().astype(int)
    cells_BKGG = blocks(moving_BTHW[:, frame_K], *(side // GRID for side in video_BTHW.shape[2:]))
    return pd.DataFrame(numbers), {"uv_NTx2": uv_BTx2, "cells_NKGG": cells_BKGG}


def foreground(video_BTHW):
    """Size of the difference to the background where it is an object's, else 0 (uint8), and the noise (B,)."""
    sample_T = np.linspace(0, FRAMES - 1, 5).round().astype(int)
    back_B1HW = np.sort(video_BTHW[:, sample_T], axis=1)[:, 2:3]
    size_BTHW = np.maximum(video_BTHW, back_B1HW) - np.minimum(video_BTHW, back_B1HW)
    noise_B = 1.3 * size_BTHW[:, 1::4, ::2, ::2].mean(axis=(1, 2, 3))  # of a normal: 1.25, and the median's own error
    peak_B = size_BTHW.max(axis=(2, 3)).mean(axis=1)
    limit_B = np.maximum(np.maximum(peak_B / 2, SIGMAS * noise_B), LEAST)
    return size_BTHW * (size_BTHW > limit_B[:, None, None, None]), noise_B


def blocks(video, height, width):
    """Means of blocks of height x width pixels of (..., H, W); what is left over at two borders does not count."""
    rows, columns = video.shape[-2] // height * height, video.shape[-1] // width * width
    whole = video[..., :rows, :columns].astype(np.float32)
    return reduce(whole, "... (h a) (w b) -> ... h w", "mean", a=height, b=width)


def path_features(uv_NTx2, cfg):
    """Features (N, 11) of image paths in pixels: misfits of line, quadratic, ellipse; speed, acceleration, turning."""
    step_NTx2 = np.diff(uv_NTx2, axis=1)
    change_NTx2, speed_NT = np.diff(step_NTx2, axis=1), np.linalg.norm(step_NTx2, axis=2)
    turn_NT = np.diff(np.unwrap(np.arctan2(step_NTx2[..., 1], step_NTx2[..., 0]), axis=1), axis=1)
    misfits = [family(uv_NTx2, cfg) for family in families.FAMILIES.values()]
    moments = [speed_NT.mean(axis=1), speed_NT.std(axis=1), *change_NTx2.mean(axis=1).T, *change_NTx2.std(axis=1).T]
    return np.column_stack([*misfits, *moments, turn_NT.sum(axis=1), turn_NT.std(axis=1)])
