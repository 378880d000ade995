"""What is audited: a folder of clips, <class>/<name>.npy or videos. Beside them may lie

    splits.csv           path,label,split      one clip a row, paths within the folder; one split is called train
    positions.parquet    path, frame, u, v, target    frame from 0; target true where a network has to predict it

Each clip is read once and leaves a few hundred numbers, which the checks look at; the first clips are kept whole. An
object is whatever differs from its own background, the median of five frames: bright or dark, without a network and
without knowledge of a motion. Its centre and radius are measured as the pixel oracle measures them.

Shapes:   N clips (B of a batch)   T frames   H, W pixels   G cells a side   K frames of T
"""

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from einops import reduce
from pyarrow import ArrowException

from trajnb import ParameterError, video
from trajnb.evaluation.trackers import measure

TRAIN = "train"  # the split that networks are trained on
SUFFIXES = (".npy", *video.SUFFIXES)
FRAMES = 16  # the first ones of a clip are examined
ALIASES = {"training": TRAIN, "valid": "val", "validation": "val", "testing": "test"}
POSITIONS = {"path": str, "frame": int, "u": float, "v": float, "target": "boolean"}
BATCH, KEPT = 64, 8  # clips processed at once; batches of them kept whole
FEWEST_SIDE, SIDE = 16, 64  # pixels: less shows nothing; from twice SIDE on, pixels are averaged
GRID, MOMENTS = 8, 8  # cells a side and frames of a fingerprint
SIGMAS, LEAST = 4.5, 2.0  # standard deviations of the noise, grey levels: less is no object
FEWEST_PIXELS = 3  # of an object
NUMBER = r"(\d{1,15})[^\d/]*\.\w+$"  # the last one of a file's name


@dataclass(frozen=True)
class Dataset:
    """Clips by row number of a table with path, label and split."""

    name: str
    table: pd.DataFrame
    clip: Callable  # row -> (frames (T, H, W) uint8, frames a second or None); ValueError says what is wrong with it
    positions: tuple | None = None  # of observed frames (M, T, 2) and targets (M, H, 2), in one unit, of some clips

    @property
    def classes(self):
        return sorted(set(self.table["label"]))


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


def read(folder):
    """The Dataset of a folder, divided as splits.csv says, without one all of it as `train`; ParameterError, one
    sentence, if there are no clips or a table beside them cannot be read."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ParameterError(f"{folder} is not a folder: write the path of a folder of clips")
    if (folder / "splits.csv").is_file():
        table = split_table(folder / "splits.csv")
        paths = [folder / name for name in table["path"]]
    else:
        paths = sorted(p for p in folder.glob("[!.]*/[!.]*") if p.suffix.lower() in SUFFIXES and p.is_file())
        names = [path.relative_to(folder).as_posix().encode(errors="backslashreplace").decode() for path in paths]
        table = pd.DataFrame({"path": names, "label": [name.split("/")[0] for name in names], "split": TRAIN})
    if table.empty:
        raise ParameterError(f"{folder.name} holds no clips: put them into <class>/<name>.npy or .mp4")
    return Dataset(folder.resolve().name, table, lambda row: load(paths[row]), positions(folder / "positions.parquet"))


def of_run(cfg, folder):
    """The training and validation clips in a run's data folder, with true positions, as if they were anybody's."""
    from trajnb import data  # here: torch, which the audit of a folder does without

    clips = {which: data.load(cfg, which, folder) for which in (TRAIN, "val")}
    table = pd.concat(part.table for part in clips.values()).rename(columns={"motion": "label"})
    table["path"] = [f"{label}/{k:06d}.npy" for label, k in zip(table["label"], table["index"], strict=True)]
    uv_NFx2 = np.concatenate([part.track_NFx3[..., :2] for part in clips.values()]).astype(float)
    video_NTSS = np.concatenate([part.render(np.arange(len(part))) for part in clips.values()])
    table = table[["path", "label", "split"]].reset_index(drop=True)
    read = [(video_TSS, cfg.frame_rate) for video_TSS in video_NTSS].__getitem__
    return Dataset(folder.name, table, read, np.split(uv_NFx2, [cfg.frames], 1))


def split_table(path):
    """splits.csv, separated by commas, semicolons or tabs, as a table of path, label and split; ParameterError."""
    fix = "write the line path,label,split, then one clip a line, in UTF-8, one split called train"
    options = {"sep": None, "engine": "python", "skipinitialspace": True, "encoding": "utf-8-sig"}
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, **options)
        table = table.rename(columns=str.lower)[["path", "label", "split"]].fillna("")
    except (ValueError, KeyError, csv.Error) as error:
        raise ParameterError(f"splits.csv cannot be read ({str(error).splitlines()[0]}): {fix}") from None
    table["path"] = [PurePosixPath(name.replace("\\", "/")).as_posix() for name in table["path"]]
    table["split"] = table["split"].str.lower().replace(ALIASES)
    for row in table[(table == "").any(axis=1)].to_numpy().tolist():
        raise ParameterError(f"splits.csv has the row {','.join(row)[:80]!r}: {fix}")
    if TRAIN not in set(table["split"]):
        raise ParameterError(f"splits.csv has the splits {', '.join(sorted(set(table['split']))[:5])}: {fix}")
    return table


def positions(path):
    """Observed positions (M, T, 2) and targets (M, H, 2) of the clips in positions.parquet, None if there is none;
    ParameterError if it cannot be read, has two rows for one frame of a clip, or no targets."""
    if not path.is_file():
        return None
    try:
        table = pd.read_parquet(path)[list(POSITIONS)].astype(POSITIONS).astype({"target": bool})
        wide = table.pivot(index="path", columns=["target", "frame"], values=["u", "v"]).sort_index(axis=1)
        return tuple(np.stack([wide[name][target] for name in "uv"], axis=2) for target in (False, True))
    except (OSError, ValueError, KeyError, TypeError, ArrowException):
        fix = f"write {', '.join(POSITIONS)} again, one row for each frame of a clip, or remove it"
        raise ParameterError(f"{path.name} cannot be used: {fix}") from None


def load(path):
    """(first frames (T, H, W) uint8, frames a second or None) of a .npy or video file; ValueError."""
    if not path.is_file():
        raise ValueError("is missing: restore it, or remove its line from splits.csv")
    if path.suffix.lower() != ".npy":
        return video.read(path, FRAMES)
    return video.array(path, FRAMES), None


def extract(dataset, rows):
    """Features of the clips (row numbers) that can be read and have the first one's size; ParameterError if none."""
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
    sample_T = np.linspace(0, FRAMES - 1, 5).round().astype(int)
    back_B1HW = np.sort(video_BTHW[:, sample_T], axis=1)[:, 2:3]
    size_BTHW = np.maximum(video_BTHW, back_B1HW) - np.minimum(video_BTHW, back_B1HW)
    noise_B = 1.3 * size_BTHW[:, 1::4, ::2, ::2].mean(axis=(1, 2, 3))  # of a normal: 1.25, and the median's own error
    peak_B = size_BTHW.max(axis=(2, 3)).mean(axis=1)
    limit_B = np.maximum(np.maximum(peak_B / 2, SIGMAS * noise_B), LEAST)
    moving_BTHW = size_BTHW * (size_BTHW > limit_B[:, None, None, None])
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


def blocks(video, height, width):
    """Means of blocks of height x width pixels of (..., H, W); what is left over at two borders does not count."""
    rows, columns = video.shape[-2] // height * height, video.shape[-1] // width * width
    whole = video[..., :rows, :columns].astype(np.float32)
    return reduce(whole, "... (h a) (w b) -> ... h w", "mean", a=height, b=width)
