"""What is audited: a data folder of ours (recipes, rendered as a training does), or a user's folder of clips.

A user's folder holds <class>/<name>.npy or .mp4, and may hold
    splits.csv           path,label,split      one clip a row, paths within the folder; one split is called train
    positions.parquet    path, frame, u, v, target    frame from 0; target true where a network has to predict it
    stats.json           {"mean": .., "std": .., "fitted_on": "train"}    numbers or lists of 3, of full scale
    predictions.parquet  path, predicted; ade_px if known    the class a network names, the clip's mean position error
    oracle.json          {"top1": .., "ade_px": ..}    what knowing the true positions permits
A folder of ours may hold the last three too; its clips are called recipes/<index> and test/<index>.

Shapes:   B clips   T frames   H, W pixels
"""

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from trajnb import files
from trajnb.config import Config
from trajnb.data import dataset, splits
from trajnb.data.audit import clipfile
from trajnb.data.audit.findings import NOTE, SEVERE, AuditError

TRAIN = "train"
COLUMNS = {
    "splits.csv": ["path", "label", "split"],
    "positions.parquet": ["path", "frame", "u", "v", "target"],
    "predictions.parquet": ["path", "predicted"],
}
MOST_NAMED = 3  # clips named in one sentence


class Material:
    """Clips by row number. table: path, label, split, number (in its name, or NaN), content (hash, "" if not known)."""

    def __init__(self, folder, table, classes):
        self.folder, self.table, self.classes = Path(folder), table.reset_index(drop=True), list(classes)
        self.name = self.folder.resolve().name
        self.has_splits = self.folders_are_classes = True
        self.identity = ""  # hash of all that makes our own data what they are
        self.shape = None  # (T, H, W) that most of the first clips have
        self.faults = {}  # path: what is wrong with the clip
        self.problems, self.problem_severity = [], NOTE  # of the whole folder: (what, mend)

    def clip(self, row):
        """The clipfile.Clip of one row; ClipError."""
        return clipfile.read(self.folder / self.table["path"][row])

    def clips(self, rows):
        """(row, Clip) of those rows that can be read."""
        for row in rows:
            try:
                yield row, self.clip(row)
            except clipfile.ClipError as error:
                self.faults[self.table["path"][row]] = str(error)

    def read(self, rows):
        """Row numbers (B,), videos (B, T, H, W) uint8, and B rows of digest, red, blue, kind, rate, sums, pixels."""
        pairs = list(self.clips(rows))
        if pairs and self.shape is None:
            self.shape = Counter(clip.grey_THW.shape for _, clip in pairs).most_common(1)[0][0]
        for row, clip in pairs:
            if clip.grey_THW.shape != self.shape:
                self.faults[self.table["path"][row]] = f"is {size(clip.grey_THW.shape)}, most are {size(self.shape)}"
        pairs = [(row, clip) for row, clip in pairs if clip.grey_THW.shape == self.shape]
        video = np.stack([clip.grey_THW for _, clip in pairs]) if pairs else np.empty((0, *(self.shape or (0, 0, 0))))
        info = [{"red": c.tint[0], "blue": c.tint[1], **c._asdict()} for _, c in pairs]
        kept = ["digest", "red", "blue", "kind", "rate", "sums", "pixels"]
        return np.array([row for row, _ in pairs], int), video, pd.DataFrame(info, columns=kept)

    def share(self, name_N):
        """Share (K,) of each class among labels that is expected in every split: that of all clips together."""
        return pd.Series(name_N).value_counts(normalize=True).reindex(self.classes, fill_value=0.0).to_numpy()

    def positions(self):
        """Table of positions (COLUMNS), or None."""
        table = self.extra("positions.parquet")
        if table is not None and [table[c].dtype.kind in "iuf" for c in ("frame", "u", "v")] != [True] * 3:
            raise AuditError("positions.parquet holds text where numbers belong: write frame, u and v as numbers")
        if table is not None and table["target"].dtype != bool:
            raise AuditError("positions.parquet has targets that are not true or false: write booleans")
        return table

    def extra(self, name):
        """A table or object that stands beside the clips, or None where there is none; AuditError if it is broken."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            found = files.read_json(path) if path.suffix == ".json" else pd.read_parquet(path)
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict | pd.DataFrame):
            raise AuditError(f"{name} cannot be read: write it again as {path.suffix[1:]}")
        return found if path.suffix == ".json" else with_columns(name, found)


class OwnMaterial(Material):
    """A data folder of ours: everything follows from recipes and manifest."""

    def __init__(self, folder):
        folder, self.sets = Path(folder), []
        manifest = files.read_json(folder / "manifest.json")
        self.cfg = Config(**manifest["world"], target=manifest.get("target", "future"), batch_size=1)
        for name, seed in (("recipes", manifest["seed"]), ("test", manifest["test_seed"])):
            with np.errstate(divide="ignore", invalid="ignore"):
                clips = dataset.ClipSet(self.cfg, seed, pd.read_parquet(folder / f"{name}.parquet"))
            if not np.isfinite(clips.track_NFx3).all():
                raise ValueError(f"the recipes of {name}.parquet are not of the manifest's seed")
            self.sets.append((name, clips))
        super().__init__(folder, pd.concat([own_table(*part) for part in self.sets]), self.cfg.motions)
        self.folders_are_classes, self.identity = False, identity(folder)
        self.problems, self.problem_severity = list(manifest_problems(folder, manifest)), SEVERE

    def clips(self, rows):
        """(row, Clip) of all rows, rendered together."""
        rows, first = np.asarray(rows), 0
        for _, clips in self.sets:
            mine = rows[(rows >= first) & (rows < first + len(clips))]
            videos = clips.render(mine - first) if len(mine) else []
            rate = float(self.cfg.frame_rate)
            yield from ((row, clipfile.to_clip(v[..., None], rate=rate)) for row, v in zip(mine, videos, strict=True))
            first += len(clips)

    def share(self, name_N):
        """Classes are drawn equally often."""
        return np.full(len(self.classes), 1 / len(self.classes))

    def positions(self):
        """Positions in pixels that the recipes have: the seen frames, and the targets after them."""
        track_NFx3 = np.concatenate([clips.track_NFx3 for _, clips in self.sets])
        count, frames = track_NFx3.shape[:2]
        uv_Mx2 = track_NFx3[..., :2].reshape(-1, 2).astype(float) * self.cfg.size
        frame_M = np.tile(np.arange(frames), count)
        path_M = self.table["path"].to_numpy().repeat(frames)
        columns = {"path": path_M, "frame": frame_M, "u": uv_Mx2[:, 0], "v": uv_Mx2[:, 1]}
        return pd.DataFrame({**columns, "target": frame_M >= self.cfg.frames})


def identity(folder):
    """What an audit of our own data rests on: hashes of the manifest and of the audit's own source."""
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    return f"{files.sha256(folder / 'manifest.json')}, audit {code.hexdigest()[:16]}"


def own_table(name, clips):
    """The rows of one of our recipe tables; clips of the test table were numbered by another seed."""
    number = clips.table["index"] if name == "recipes" else np.nan
    again = clips.table.groupby("index").cumcount()  # a recipe that stands there twice is two clips
    path = name + "/" + clips.table["index"].astype(str) + again.map(lambda times: f" again {times}" if times else "")
    parts = {"path": path, "label": clips.table["motion"], "split": clips.table["split"], "number": number}
    return pd.DataFrame({**parts, "content": splits.recipe_hashes(clips)})


def manifest_problems(folder, manifest):
    """(what, mend) wherever a data folder of ours is not what its manifest says."""
    if manifest["world_code"] != dataset.code_version():
        yield (
            "the recipes were made by another version of trajnb.world, and show other pixels now",
            "run 01_data again.",
        )
    for name, digest in manifest["sha256"].items():
        if files.sha256(folder / name) != digest:
            yield f"{name} is not what manifest.json says", "run 01_data again."


def read(path):
    """The Material in a folder: ours, a run's, or a user's. AuditError where there is none."""
    folder = Path(path)
    if (folder / "data" / "manifest.json").is_file():
        folder = folder / "data"
    if not folder.is_dir():
        raise AuditError(f"{path} is no folder: write the path of a data folder")
    if not (folder / "manifest.json").is_file():
        return user_material(folder)
    try:
        return OwnMaterial(folder)
    except (OSError, KeyError, TypeError, ValueError):
        raise AuditError(f"{path} holds a manifest.json without the data it stands for: run 01_data again") from None


def user_material(folder):
    """The Material of a user's folder, with splits.csv or all of it as `train`."""
    clips = [p for p in folder.glob("*/*") if p.suffix in clipfile.KINDS and not p.name.startswith(".")]
    there = sorted(p.relative_to(folder).as_posix() for p in clips)
    listed = (folder / "splits.csv").is_file()
    table = read_splits(folder) if listed else pd.DataFrame({"path": there, "split": TRAIN})
    if table.empty:
        raise AuditError(f"{folder.name} holds no clips: put them into <class>/<name>.npy or .mp4")
    if not listed:
        table["label"] = table["path"].str.split("/").str[0]
    classes = sorted(set(table["label"]))
    table["number"] = [number_in(path) for path in table["path"]]
    material = Material(folder, table.assign(content=""), classes)
    material.has_splits = listed
    left = len(set(there) - set(table["path"]))
    material.problems = [(f"{left} clips are not in splits.csv and were not audited", "add them.")] if left else []
    return material


def read_splits(folder):
    """splits.csv as text columns; AuditError where it is no such table, or names a path outside the folder."""
    try:
        table = pd.read_csv(folder / "splits.csv", dtype=str, keep_default_na=False)
    except (OSError, ValueError):  # also where it is empty or no UTF-8
        raise AuditError("splits.csv cannot be read: write lines of path,label,split in UTF-8") from None
    table = with_columns("splits.csv", table)[COLUMNS["splits.csv"]]
    for path in table["path"]:
        if Path(path).is_absolute() or ".." in Path(path).parts or Path(path).suffix not in clipfile.KINDS:
            raise AuditError(f"splits.csv names {path!r:.80}: write paths within the folder that end in .npy or .mp4")
    if (table == "").any(axis=None) or TRAIN not in set(table["split"]):
        raise AuditError("splits.csv has an empty cell or no split called train: write path,label,split in every line")
    return table


def with_columns(name, table):
    """The table, if it has the columns it must have; AuditError."""
    missing = [column for column in COLUMNS[name] if column not in table.columns]
    if missing:
        raise AuditError(f"{name} has no column {missing[0]}: write the columns {', '.join(COLUMNS[name])}")
    return table


def number_in(path):
    """The last whole number in a file's name, or NaN."""
    digits = re.findall(r"\d+", Path(path).stem)
    return float(digits[-1][-15:]) if digits else np.nan


def size(shape):
    """A shape in words."""
    return f"{shape[0]} frames of {shape[1]} x {shape[2]} pixels"
