"""What is audited: the data of a run, or a user's folder of clips.

A user's folder holds <class>/<name>.npy or videos, and may hold
    splits.csv           path,label,split      one clip a row, paths within the folder; one split is called train
    positions.parquet    path, frame, u, v, target    frame from 0; target true where a network has to predict it
    stats.json           {"mean": .., "std": .., "fitted_on": "train"}    numbers or lists of 3, of full scale
    predictions.parquet  path, predicted; ade_px if known    the predicted class, the clip's mean position error
    oracle.json          {"top1": .., "ade_px": ..}    the best that knowing the true positions permits
A run's data folder may hold the last three too; its clips are called <split>/<index>.

Shapes:   B clips   T frames   H, W pixels
"""

import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from pyarrow import ArrowException

from trajnb import data, files
from trajnb.audit import clips
from trajnb.audit.report import TRAIN, AuditError, NotChecked
from trajnb.config import Config

ALIASES = {"training": TRAIN, "valid": "val", "validation": "val", "testing": "test"}
NO_CLASS = re.compile(r"\.|(__MACOSX|@eaDir|#recycle|\$RECYCLE.BIN|lost\+found)$")  # hidden and system folders
COLUMNS = {
    "splits.csv": ["path", "label", "split"],
    "positions.parquet": ["path", "frame", "u", "v", "target"],
    "predictions.parquet": ["path", "predicted"],
}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
WRITE = "write the line path,label,split and one clip a line, separated by commas"


class Dataset:
    """Clips by row number. table: path, label, split and number (the one in the name, or NaN)."""

    def __init__(self, folder, table, paths=(), listed=True):
        self.folder, self.table, self.paths, self.listed = (
            Path(folder),
            table.reset_index(drop=True),
            list(paths),
            listed,
        )
        self.name, self.classes = shown(self.folder.resolve().name), sorted(set(self.table["label"]))
        self.features = None  # features.Features, set by the audit
        self.shape = None  # (T, H, W): size of most of the first clips, and as many frames as all have or the fewest
        self.lengths = set()  # numbers of frames
        self.faults = {}  # {path: what is wrong with the clip}
        self.unlisted = 0  # clips in the folder that splits.csv does not name

    def clip(self, row):
        """(grey frames, info) of one row, see clips.read; ClipError."""
        return clips.read(self.paths[row])

    def videos(self, rows):
        """(row numbers (B,), videos (B, T, H, W), table of info) of the rows that can be read; of several lengths the
        first frames."""
        found = []
        for row in rows:
            try:
                found.append((row, *self.clip(row)))
            except clips.ClipError as error:
                self.faults[self.table["path"][row]] = str(error)
        if found and self.shape is None:
            common = Counter(video_THW.shape[1:] for _, video_THW, _ in found).most_common(1)[0][0]
            self.shape = (len(found[0][1]), *common)
        for row, video_THW, _ in found:
            if video_THW.shape[1:] != self.shape[1:]:
                size, common = (" x ".join(map(str, shape[-2:])) for shape in (video_THW.shape, self.shape))
                self.faults[self.table["path"][row]] = f"has frames of {size} pixels, most have {common}"
        found = [one for one in found if one[1].shape[1:] == self.shape[1:]]
        self.lengths |= {len(video_THW) for _, video_THW, _ in found}
        if len(self.lengths) > 1:
            self.shape = (clips.FEWEST_FRAMES, *self.shape[1:])
        row_B, videos, infos = zip(*found, strict=True) if found else ((), (), ())
        return np.array(row_B, int), np.array([v[: self.shape[0]] for v in videos]), pd.DataFrame(list(infos))

    def extra(self, name):
        """The table or dict beside the clips, None if there is none; AuditError if it is broken."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            content = files.read_json(path) if path.suffix == ".json" else pd.read_parquet(path)
        except (OSError, ValueError, ArrowException, RecursionError):
            content = None
        if not isinstance(content, dict if path.suffix == ".json" else pd.DataFrame):
            raise AuditError(f"{name} cannot be read: write it again as {path.suffix[1:]}")
        missing = [column for column in COLUMNS.get(name, ()) if column not in content]
        if missing:
            raise AuditError(f"{name} has no column {missing[0]}: write the columns {', '.join(COLUMNS[name])}")
        return content if path.suffix == ".json" else content.assign(path=content["path"].astype(str).map(shown))

    def required(self, name):
        """`extra`, and NotChecked if there is none."""
        content = self.extra(name)
        if content is None:
            raise NotChecked(f"{name} is missing")
        return content

    def positions(self):
        """Table of positions with COLUMNS; NotChecked, AuditError. An unknown position may be NaN."""
        table = self.required("positions.parquet")
        if table["target"].isna().any() or not pd.api.types.is_bool_dtype(table["target"]):
            raise AuditError("positions.parquet has values in target that are not true or false: write booleans")
        if table.duplicated(["path", "frame"]).any():
            raise AuditError("positions.parquet has two rows for one frame of one clip: write one")
        values = {
            column: numbers("positions.parquet", table[column], column != "frame") for column in ("frame", "u", "v")
        }
        return table.assign(target=table["target"].astype(bool), **values)

    def predictions(self):
        """Table of predictions with row, label, split and whether they are correct; NotChecked, AuditError."""
        table = self.required("predictions.parquet")
        table["predicted"] = table["predicted"].astype("string").fillna("")
        other = sorted(set(table["predicted"]) - set(self.classes))
        if other:
            some = ", ".join(self.classes[:5])
            raise AuditError(f"predictions.parquet predicts {other[0]!r:.40}, which is no class: write one of {some}")
        if "ade_px" in table:
            table["ade_px"] = numbers("predictions.parquet", table["ade_px"])
        table = table.merge(self.table.reset_index(names="row"), on="path")
        if table.empty:
            raise AuditError("predictions.parquet names no clip of the folder: write <class>/<name> in the column path")
        return table.assign(correct=table["predicted"] == table["label"])


class RunData(Dataset):
    """The data of a run: everything follows from recipes and manifest."""

    def __init__(self, folder):
        manifest = files.read_json(folder / "manifest.json")
        fields = {name: manifest[name] for name in ("clips", "test_clips", "split", "target")} | manifest["world"]
        self.cfg = Config(**fields, data_seed=manifest["seed"], batch_size=1)
        self.sets = [data.load(self.cfg, name, folder) for name in (TRAIN, "val", "test")]
        table = pd.concat([clip_set.table for clip_set in self.sets]).rename(columns={"motion": "label"})
        number = table["index"].where(table["split"] != "test")  # test clips are numbered by another seed
        super().__init__(folder, table.assign(path=table["split"] + "/" + table["index"].astype(str), number=number))
        self.first = np.cumsum([0, *map(len, self.sets)])

    def clip(self, row):
        """(grey frames, info) of one row, rendered."""
        number = int(np.searchsorted(self.first, row, side="right")) - 1
        (video_THW,) = self.sets[number].render(np.array([row - self.first[number]]))
        grey_THW, info = clips.frames([video_THW[..., None]])
        return grey_THW, info | {"rate": float(self.cfg.frame_rate)}

    def positions(self):
        """Positions in pixels that the recipes have: the observed frames, and the targets after them."""
        track_NFx3 = np.concatenate([clip_set.track_NFx3 for clip_set in self.sets])
        u_M, v_M = (self.cfg.size * track_NFx3[..., k].ravel().astype(float) for k in (0, 1))
        frame_M = np.tile(np.arange(track_NFx3.shape[1]), len(track_NFx3))
        path_M = self.table["path"].to_numpy().repeat(track_NFx3.shape[1])
        return pd.DataFrame(
            {"path": path_M, "frame": frame_M, "u": u_M, "v": v_M, "target": frame_M >= self.cfg.frames}
        )


def read(path):
    """The Dataset of a folder: a run's, its data's, or a user's. AuditError if there is none."""
    folder = Path(path) / "data" if (Path(path) / "data" / "recipes.parquet").is_file() else Path(path)
    if not folder.is_dir():
        raise AuditError(f"{shown(str(path))} is not a folder: write the path of a data folder")
    if not (folder / "recipes.parquet").is_file():
        return user_dataset(folder)
    try:
        return RunData(folder)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise AuditError(f"{shown(str(path))} holds data that cannot be used ({error}): run 01_data again") from None


def user_dataset(folder):
    """The Dataset of a user's folder, with splits.csv or all of it as `train`."""
    paths = [path for path in sorted(folder.glob("*/*")) if clips.is_clip(path) and not path.is_dir()]
    paths = [path for path in paths if not NO_CLASS.match(path.name) and not NO_CLASS.match(path.parent.name)]
    present, listed = {shown(str(path.relative_to(folder))): path for path in paths}, (folder / "splits.csv").is_file()
    rows = split_table(folder / "splits.csv") if listed else [(name, name.split("/")[0], TRAIN) for name in present]
    if not rows:
        raise AuditError(f"{shown(folder.name)} holds no clips: put them into <class>/<name>.npy or .mp4")
    table = pd.DataFrame(rows, columns=COLUMNS["splits.csv"])
    digits = table["path"].map(lambda path: re.findall(r"\d+", Path(path).stem))
    table["number"] = [float(found[-1][-15:]) if found else np.nan for found in digits]
    dataset = Dataset(folder, table, [present.get(name, folder / name) for name in table["path"]], listed)
    dataset.unlisted = len(set(present) - set(table["path"]))
    return dataset


def shown(path):
    """A path as reports show it and tables are joined by it: forward slashes, composed, nothing unprintable.

    Control characters and bytes that are not UTF-8 become escapes such as \\x1b and \\xe9.
    """
    text = PurePosixPath(unicodedata.normalize("NFC", path).replace("\\", "/")).as_posix()
    return "".join(c if c.isprintable() else ascii(c)[1:-1].replace("\\udc", "\\x") for c in text)


def split_table(path):
    """[(path, label, split)] of splits.csv, separated by whatever separator its first line holds most of.

    Refused, naming separator, column or value: another encoding than UTF-8 and UTF-16, a first line without path, label
    and split, an empty cell, a cell too many, a path of no clip or outside the folder, no split called train.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8").lstrip("\ufeff")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("#", "sep="))] or ["-"]
        separator, wanted = max(SEPARATORS, key=lines[0].count), COLUMNS["splits.csv"]
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise AuditError(f"splits.csv cannot be read ({error}): write it in UTF-8, one clip a line") from None
    rows = [[cell.strip() for cell in row] for row in rows]
    if len(rows[0]) == 3 and clips.is_clip(rows[0][0]):  # a table without a heading
        rows = [wanted, *rows]
    columns = [name.casefold() for name in rows[0]]
    missing = [name for name in wanted if name not in columns]
    if missing:
        line = f"'{shown(lines[0].strip())[:60]}' (separated by {SEPARATORS[separator]})"
        raise AuditError(f"splits.csv has no column {missing[0]} in its first line {line}: {WRITE}")
    table = [split_row(row, columns, number) for number, row in enumerate(rows[1:], 1)]
    splits = sorted({split for _, _, split in table})
    if table and TRAIN not in splits:
        some = ", ".join(splits[:5])
        raise AuditError(f"splits.csv has no split called train, only {some}: write train for one of them")
    return table


def split_row(row, columns, number):
    """(path, label, split) of one row of splits.csv; AuditError."""
    cells = dict(zip(columns, row, strict=False))
    empty = [name for name in COLUMNS["splits.csv"] if not cells.get(name)]
    if empty or any(row[len(columns) :]):
        problem = f"an empty cell in column {empty[0]}" if empty else "more cells than columns"
        raise AuditError(f"splits.csv has {problem} in row {number}: write path,label,split in every line")
    path, label, split = (shown(cells[name]) for name in COLUMNS["splits.csv"])
    if re.match("/|[A-Za-z]:", path) or ".." in path.split("/") or not clips.is_clip(path):
        raise AuditError(f"splits.csv names '{path[:80]}': write paths within the folder that end in .npy or .mp4")
    return path, label, ALIASES.get(split.casefold(), split.casefold())


def numbers(name, value_N, gaps=False):
    """A column of table `name` as float64; AuditError if a value is text or infinite or, unless `gaps`, missing."""
    if not pd.api.types.is_numeric_dtype(value_N) or pd.api.types.is_bool_dtype(value_N):
        raise AuditError(f"{name} holds {value_N.iloc[0]!r:.40} in the column {value_N.name}: write numbers, not text")
    number_N = value_N.to_numpy("float64", na_value=np.nan)
    wrong_N = number_N[np.isinf(number_N) | (np.isnan(number_N) & (not gaps))]
    if len(wrong_N):
        raise AuditError(f"{name} holds {wrong_N[0]} in the column {value_N.name}: write finite numbers")
    return number_N
