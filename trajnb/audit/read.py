"""What is audited: the data of a run, or a user's folder of clips.

A user's folder holds <class>/<name>.npy or videos, and may hold
    splits.csv           path,label,split      one clip a row, paths within the folder; one split is called train
    positions.parquet    path, frame, u, v, target    frame from 0; target true where a network has to predict it
    stats.json           {"mean": .., "std": ..}    numbers or lists of 3, of full scale
    predictions.parquet  path, predicted; ade_px if known    the predicted class, the clip's mean position error
    oracle.json          {"top1": .., "ade_px": ..}    the best that knowing the true positions permits
A run's data folder may hold the last three too; its clips are called <split>/<index>.

Shapes:   B clips   T frames   H, W pixels
"""

import io
import re
import unicodedata
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
    "stats.json": ["mean", "std"],
    "oracle.json": [],
}
WRITE = "write the line path,label,split, then one clip a line, in UTF-8"
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}


class Dataset:
    """Clips by row number. table: path, label, split and number (the one in the name, or NaN)."""

    def __init__(self, folder, table, paths=(), unlisted=0):
        self.folder, self.table, self.paths = Path(folder), table.reset_index(drop=True), list(paths)
        self.name, self.classes = shown(self.folder.resolve().name), sorted(set(self.table["label"]))
        self.features = None  # features.Features, set by the audit
        self.size = None  # (H, W) of most of the first clips
        self.lengths = set()  # numbers of frames
        self.faults = {}  # {path: what is wrong with the clip}
        self.unlisted = unlisted  # clips in the folder that splits.csv does not name

    @property
    def frames(self):
        """Frames that are examined: all, but the fewest that are permitted where clips differ in length."""
        return clips.FEWEST_FRAMES if len(self.lengths) > 1 else min(self.lengths, default=0)

    def clip(self, row):
        """(grey frames, info) of one row, see clips.read; ClipError."""
        return clips.read(self.paths[row])

    def videos(self, rows):
        """(row numbers (B,), videos (B, T, H, W), table of info) of the rows that can be read and have one size."""
        found = {}
        for row in rows:
            try:
                found[row] = self.clip(row)
            except clips.ClipError as error:
                self.faults[self.table["path"][row]] = str(error)
        sizes = {row: video_THW.shape[1:] for row, (video_THW, _) in found.items()}
        self.size = self.size or max(sizes.values(), key=list(sizes.values()).count, default=None)
        for row in [row for row in sizes if sizes[row] != self.size]:
            size, common = (" x ".join(map(str, size)) for size in (sizes[row], self.size))
            self.faults[self.table["path"][row]] = f"has frames of {size} pixels, most have {common}"
            del found[row]
        self.lengths |= {len(video_THW) for video_THW, _ in found.values()}
        video_BTHW = np.array([video_THW[: self.frames] for video_THW, _ in found.values()])
        return np.array(list(found), int), video_BTHW, pd.DataFrame([info for _, info in found.values()])

    def extra(self, name):
        """The table or dict beside the clips; NotChecked if there is none, AuditError if it is broken."""
        path, kind = self.folder / name, dict if name.endswith("json") else pd.DataFrame
        if not path.is_file():
            raise NotChecked(f"{name} is missing")
        try:
            content = files.read_json(path) if kind is dict else pd.read_parquet(path)
        except (OSError, ValueError, ArrowException, RecursionError):
            content = None
        if not isinstance(content, kind) or not set(COLUMNS[name]) <= set(content):
            raise AuditError(f"{name} cannot be read: write it again, with {', '.join(COLUMNS[name])}")
        return content if kind is dict else content.assign(path=content["path"].astype(str).map(shown))

    def positions(self):
        """Table of positions with COLUMNS; NotChecked, AuditError. An unknown position may be NaN."""
        name = "positions.parquet"
        table = self.extra(name)
        if table["target"].isna().any() or not pd.api.types.is_bool_dtype(table["target"]):
            raise AuditError(f"{name} has values in target that are not true or false: write booleans")
        if table.duplicated(["path", "frame"]).any():
            raise AuditError(f"{name} has two rows for one frame of one clip: write one")
        values = {
            column: numbers(name, column, table[column], gaps=column != "frame") for column in ("frame", "u", "v")
        }
        return table.assign(target=table["target"].astype(bool), **values)

    def predictions(self):
        """Table of predictions with label, split and whether they are correct; NotChecked, AuditError."""
        name = "predictions.parquet"
        table = self.extra(name).merge(self.table, on="path")
        if table.empty:
            raise AuditError(f"{name} names no clip of the folder: write <class>/<name> in the column path")
        table["predicted"] = table["predicted"].astype("string").fillna("")
        for other in table["predicted"][~table["predicted"].isin(self.classes)]:
            raise AuditError(f"{name} predicts {other!r:.40}, no class: write one of {', '.join(self.classes[:5])}")
        if "ade_px" in table:
            table["ade_px"] = numbers(name, "ade_px", table["ade_px"])
        return table.assign(correct=table["predicted"] == table["label"])


class RunData(Dataset):
    """The data of a run: everything follows from recipes and manifest."""

    def __init__(self, folder):
        manifest = files.read_json(folder / "manifest.json")
        fields = {name: manifest[name] for name in ("clips", "test_clips", "split", "target")} | manifest["world"]
        self.cfg = Config(**fields, data_seed=manifest["seed"], batch_size=1)
        self.sets = [data.load(self.cfg, name, folder) for name in (TRAIN, "val", "test")]
        self.places = [(clip_set, k) for clip_set in self.sets for k in range(len(clip_set))]
        table = pd.concat([clip_set.table for clip_set in self.sets]).rename(columns={"motion": "label"})
        number = table["index"].where(table["split"] != "test")  # test clips are numbered by another seed
        super().__init__(folder, table.assign(path=table["split"] + "/" + table["index"].astype(str), number=number))

    def clip(self, row):
        """(grey frames, info) of one row, rendered."""
        clip_set, k = self.places[row]
        grey_THW, info = clips.frames([clip_set.render(np.array([k]))[0][..., None]])
        return grey_THW, info | {"rate": float(self.cfg.frame_rate)}

    def positions(self):
        """Positions in pixels that the recipes have: the observed frames, and the targets after them."""
        track_NFx3 = np.concatenate([clip_set.track_NFx3 for clip_set in self.sets])
        frame_M = np.tile(np.arange(track_NFx3.shape[1]), len(track_NFx3))
        table = {"path": self.table["path"].to_numpy().repeat(track_NFx3.shape[1]), "frame": frame_M}
        table |= {name: self.cfg.size * track_NFx3[..., k].ravel().astype(float) for k, name in enumerate("uv")}
        return pd.DataFrame(table | {"target": frame_M >= self.cfg.frames})


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
    present = {shown(str(path.relative_to(folder))): path for path in paths}
    present = {name: path for name, path in present.items() if not any(map(NO_CLASS.match, name.split("/")))}
    table = pd.DataFrame([(name, name.split("/")[0], TRAIN) for name in present], columns=COLUMNS["splits.csv"])
    if (folder / "splits.csv").is_file():
        table = split_table(folder / "splits.csv")
    if table.empty:
        raise AuditError(f"{shown(folder.name)} holds no clips: put them into <class>/<name>.npy or .mp4")
    digits = table["path"].map(lambda path: re.findall(r"\d+", Path(path).stem))
    table["number"] = [float(found[-1][-15:]) if found else np.nan for found in digits]
    paths = [present.get(name, folder / name) for name in table["path"]]
    return Dataset(folder, table, paths, len(set(present) - set(table["path"])))


def shown(path):
    """A path as reports show it and tables are joined by it: forward slashes, composed, nothing unprintable.

    Control characters and bytes that are not UTF-8 become escapes such as \\x1b and \\xe9.
    """
    text = PurePosixPath(unicodedata.normalize("NFC", path).replace("\\", "/")).as_posix()
    return "".join(c if c.isprintable() else ascii(c)[1:-1].replace("\\udc", "\\x") for c in text)


def split_table(path):
    """splits.csv in UTF-8 or UTF-16 as a table, separated by whatever separator its first line holds most of.

    Raises AuditError, naming separator, column or value, where it cannot be read or does not say what it must.
    """
    content, wanted = path.read_bytes(), COLUMNS["splits.csv"]
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8").lstrip("\ufeff")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("#", "sep="))] or ["-"]
        separator = max(SEPARATORS, key=lines[0].count)
        options = {"sep": separator, "dtype": str, "index_col": False, "keep_default_na": False}
        table = pd.read_csv(io.StringIO("\n".join(lines)), skipinitialspace=True, **options)
    except ValueError as error:  # also one that pandas or a decoder raises
        raise AuditError(f"splits.csv cannot be read ({str(error).splitlines()[0]}): {WRITE}") from None
    table = table.rename(columns=lambda name: name.strip().casefold())
    for name in [name for name in wanted if name not in table]:
        line = f"'{shown(lines[0].strip())[:60]}' (separated by {SEPARATORS[separator]})"
        raise AuditError(f"splits.csv has no column {name} in its first line {line}: {WRITE}")
    table = table[wanted].fillna("").map(str.strip).map(lambda cell: shown(cell) if cell else "")
    table["split"] = table["split"].str.casefold().replace(ALIASES)
    for row in table[(table == "").any(axis=1) | ~table["path"].map(is_inside)].to_numpy().tolist():
        raise AuditError(f"splits.csv has the row {','.join(row)[:80]!r}: {WRITE}, with a path within the folder")
    if len(table) and TRAIN not in set(table["split"]):
        some = ", ".join(sorted(set(table["split"]))[:5])
        raise AuditError(f"splits.csv has no split called train, only {some}: write train for one of them")
    return table


def is_inside(path):
    """Whether a path in a table is that of a clip within the folder."""
    return clips.is_clip(path) and not re.match("/|[A-Za-z]:", path) and ".." not in path.split("/")


def numbers(name, column, value, least=-1e9, most=1e9, gaps=False):
    """Numbers (M,) of a column of a table or a value in JSON as float64.

    Raises AuditError if one is text, out of range or, unless `gaps`, missing.
    """
    value_M = pd.Series(value)
    numeric = pd.api.types.is_numeric_dtype(value_M) and not pd.api.types.is_bool_dtype(value_M)
    number_M = value_M.to_numpy("float64", na_value=np.nan) if numeric else np.full(len(value_M), np.inf)
    wrong_M = ~((number_M >= least) & (number_M <= most) | (gaps & np.isnan(number_M)))
    if wrong_M.any():
        wrong = value_M[wrong_M].tolist()[0]
        raise AuditError(f"{name} holds {wrong!r:.40} in {column}: write numbers from {least:,.0f} to {most:,.0f}")
    return number_M
