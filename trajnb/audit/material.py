"""What is audited: a data folder of ours (recipes, rendered as a training does), or a user's folder of clips.

A user's folder holds <class>/<name>.npy or videos, and may hold
    splits.csv           path,label,split      one clip a row, paths within the folder; one split is called train
    positions.parquet    path, frame, u, v, target    frame from 0; target true where a network has to predict it
    stats.json           {"mean": .., "std": .., "fitted_on": "train"}    numbers or lists of 3, of full scale
    predictions.parquet  path, predicted; ade_px if known    the predicted class, the clip's mean position error
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
from pyarrow import ArrowException

from trajnb import files
from trajnb.audit import clipfile, tables
from trajnb.audit.findings import NOTE, SEVERE, AuditError
from trajnb.audit.tables import TRAIN, clip_name
from trajnb.config import Config
from trajnb.data import dataset, splits

SYSTEM = {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found"}  # folders that are no classes
MOST_NAMED = 3  # clips named in one sentence


class Material:
    """Clips by row number. table: path, label, split, number (in its name, or NaN), content (hash, "" if not known)."""

    def __init__(self, folder, table, classes):
        self.folder, self.table, self.classes = Path(folder), table.reset_index(drop=True), list(classes)
        self.name = clip_name(self.folder.resolve().name)
        self.files = [self.folder / path for path in self.table["path"]]
        self.has_splits = self.folders_are_classes = True
        self.identity = ""  # hash of all that makes our own data what they are
        self.shape = None  # (T, H, W): size of most of the first clips, and as many frames as all have or the fewest
        self.lengths = set()  # numbers of frames
        self.faults = {}  # path: what is wrong with the clip
        self.problems, self.problem_severity = [], NOTE  # of the whole folder: (what, mend)

    def clip(self, row):
        """The clipfile.Clip of one row; ClipError."""
        return clipfile.read(self.files[row])

    def clips(self, rows):
        """(row, Clip) of those rows that can be read."""
        for row in rows:
            try:
                yield row, self.clip(row)
            except clipfile.ClipError as error:
                self.faults[self.table["path"][row]] = str(error)

    def read(self, rows):
        """Row numbers (B,), videos (B, T, H, W) uint8, and B rows of digest, red, blue, kind, rate, even, sums, pixels.

        Of clips that differ in length these are the first frames.
        """
        pairs = list(self.clips(rows))
        if pairs and self.shape is None:
            most = Counter(clip.grey_THW.shape[1:] for _, clip in pairs).most_common(1)[0][0]
            self.shape = (len(pairs[0][1].grey_THW), *most)
        for row, clip in pairs:
            if clip.grey_THW.shape[1:] != self.shape[1:]:
                what, most = (" x ".join(map(str, shape)) for shape in (clip.grey_THW.shape[1:], self.shape[1:]))
                self.faults[self.table["path"][row]] = f"has frames of {what} pixels, most have {most}"
        pairs = [(row, clip) for row, clip in pairs if clip.grey_THW.shape[1:] == self.shape[1:]]
        self.lengths |= {len(clip.grey_THW) for _, clip in pairs}
        if len(self.lengths) > 1:
            self.shape = (clipfile.FEWEST_FRAMES, *self.shape[1:])
        shown = [clip.grey_THW[: self.shape[0]] for _, clip in pairs]
        video = np.stack(shown) if pairs else np.empty((0, *(self.shape or (0, 0, 0))))
        info = [{"red": c.tint[0], "blue": c.tint[1], **c._asdict()} for _, c in pairs]
        kept = ["digest", "red", "blue", "kind", "rate", "even", "sums", "pixels"]
        return np.array([row for row, _ in pairs], int), video, pd.DataFrame(info, columns=kept)

    def share(self, name_N):
        """Share (K,) of each class among labels that is expected in every split: that of all clips together."""
        return pd.Series(name_N).value_counts(normalize=True).reindex(self.classes, fill_value=0.0).to_numpy()

    def positions(self):
        """Table of positions (tables.COLUMNS), or None."""
        table = self.extra("positions.parquet")
        return None if table is None else tables.positions(table)

    def extra(self, name):
        """A table or object that stands beside the clips, or None where there is none; AuditError if it is broken."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            found = files.read_json(path) if path.suffix == ".json" else pd.read_parquet(path)
        except (OSError, ValueError, ArrowException, RecursionError):
            found = None
        if not isinstance(found, dict | pd.DataFrame):
            raise AuditError(f"{name} cannot be read: write it again as {path.suffix[1:]}")
        return found if path.suffix == ".json" else tables.with_columns(name, found)


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
            read = (clipfile.to_clip([video[..., None]])._replace(rate=rate) for video in videos)
            yield from zip(mine, read, strict=True)
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
    if is_ours(folder / "data"):
        folder = folder / "data"
    if not folder.is_dir():
        raise AuditError(f"{clip_name(str(path))} is not a folder: write the path of a data folder")
    if not is_ours(folder):
        return user_material(folder)
    try:
        return OwnMaterial(folder)
    except (OSError, KeyError, TypeError, ValueError):
        shown = clip_name(str(path))
        raise AuditError(f"{shown} holds a manifest.json without the data it belongs to: run 01_data again") from None


def is_ours(folder):
    """Whether 01_data made this folder: its manifest says so, or lies beside recipes; other programs write some too."""
    try:
        return (folder / "recipes.parquet").is_file() or "world_code" in files.read_json(folder / "manifest.json")
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def user_material(folder):
    """The Material of a user's folder, with splits.csv or all of it as `train`."""
    clips = sorted(path for path in folder.glob("*/*") if counts(path))
    there = {clip_name(path.relative_to(folder).as_posix()): path for path in clips}
    listed = (folder / "splits.csv").is_file()
    rows = tables.splits(folder) if listed else [(name, name.split("/")[0], TRAIN) for name in there]
    if not rows:
        raise AuditError(f"{clip_name(folder.name)} holds no clips: put them into <class>/<name>.npy or .mp4")
    name_N = [clip_name(path) if listed else path for path, _, _ in rows]
    table = pd.DataFrame([row[1:] for row in rows], columns=["label", "split"])
    table = table.assign(path=name_N, number=[number_in(name) for name in name_N], content="")
    material = Material(folder, table, sorted(set(table["label"])))
    material.files = [there.get(name, folder / path) for name, (path, _, _) in zip(name_N, rows, strict=True)]
    material.has_splits = listed
    left = len(set(there) - set(table["path"]))
    material.problems = [(f"{left} clips are not in splits.csv and were not audited", "add them.")] if left else []
    return material


def counts(path):
    """Whether a path <folder>/<class>/<name> is a clip: nothing hidden, no system's folder, no folder itself."""
    hidden = path.name.startswith(".") or path.parent.name.startswith(".") or path.parent.name in SYSTEM
    return clipfile.is_clip(path) and not hidden and not path.is_dir()


def number_in(path):
    """The last whole number in a file's name, or NaN."""
    digits = re.findall(r"\d+", Path(path).stem)
    return float(digits[-1][-15:]) if digits else np.nan
