"""What is audited: a folder of clips, <class>/<name>.npy or videos. Beside them may lie

    splits.csv           path,label,split      one clip a row, paths within the folder; one split is called train
    positions.parquet    path, frame, u, v, target    frame from 0; target true where a network has to predict it

Shapes:   T frames   H, W pixels
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from pyarrow import ArrowException

from trajnb import ParameterError, video

TRAIN = "train"  # the split that networks are trained on
SUFFIXES = (".npy", *video.SUFFIXES)
FRAMES = 16  # the first ones of a clip are examined
ALIASES = {"training": TRAIN, "valid": "val", "validation": "val", "testing": "test"}
POSITIONS = {"path": str, "frame": int, "u": float, "v": float, "target": "boolean"}


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


def read(folder):
    """The Dataset of a folder, divided as splits.csv says, without one all of it as `train`.

    Raises ParameterError, one sentence, if there are no clips or a table beside them cannot be read.
    """
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
    """Observed positions (M, T, 2) and targets (M, H, 2) of the clips in positions.parquet, None if there is none.

    Raises ParameterError if it cannot be read, has two rows for one frame of a clip, or no targets.
    """
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
