"""Data sets of clips: a small table of recipes on disk, pixels made when they are needed.

A run's data folder holds recipes.parquet (training and validation), test.parquet (further clips of another seed range)
and manifest.json (seeds, world, code version, hashes). Rendering is faster than reading, so no pictures are stored.

Shapes:   N clips   B clips of a batch   F frames (observed and future)   T observed frames   S pixels a side
"""

import copy
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import psutil
import torch
from pyarrow import compute, parquet

from trajnb import ParameterError, config, files
from trajnb.data import splits
from trajnb.world import camera, recipes, renderer

BLOCK = 20_000  # recipes drawn at once: a search takes some 10 kB for each
TEST_SEEDS = 2**32  # test clips come from seed data_seed + TEST_SEEDS: no training seed ever reaches it


class Batch(NamedTuple):
    video: torch.Tensor  # (B, 1, T, S, S) uint8
    label: torch.Tensor  # (B,) int64, number in cfg.motions
    track: torch.Tensor  # (B, F, 3) float32: u and v in frame widths, z in metres; the first T frames are observed


class ClipSet:
    """Clips of one recipe table: positions held in memory (a quarter of a kilobyte each), pixels made on demand."""

    ROWS = ("xyz_NFx3", "label_N", "track_NFx3")  # arrays with a row for each clip

    def __init__(self, cfg, seed, table, xyz_NFx3=None):
        """`xyz_NFx3`: positions in metres to use instead of those that the recipes have."""
        self.cfg, self.seed, self.table = cfg, seed, table.reset_index(drop=True)
        self.xyz_NFx3 = recipes.tracks(cfg, seed, self.table) if xyz_NFx3 is None else xyz_NFx3
        self.label_N = labels(cfg, self.table)
        uv_NFx2 = camera.project(self.xyz_NFx3, cfg) / cfg.size
        self.track_NFx3 = np.concatenate([uv_NFx2, self.xyz_NFx3[..., 2:]], axis=2).astype(np.float32)
        if cfg.target == "last_seen":
            self.track_NFx3[:, cfg.frames :] = self.track_NFx3[:, cfg.frames - 1, None]

    def __len__(self):
        return len(self.table)

    def render(self, rows):
        """Clips (B, T, S, S) uint8 of the given row numbers."""
        return renderer.render(self.cfg, self.seed, self.table.iloc[rows], self.xyz_NFx3[rows])

    def batch(self, rows):
        """What a training step needs of the given row numbers (numpy integers)."""
        video = torch.from_numpy(self.render(rows))[:, None]
        return Batch(video, torch.from_numpy(self.label_N[rows]), torch.from_numpy(self.track_NFx3[rows]))

    def take(self, rows):
        """Some clips of this set, by row number or slice, as it shows them."""
        part = copy.copy(self)
        for name in self.ROWS:
            setattr(part, name, getattr(self, name)[rows])
        part.table = self.table.iloc[rows].reset_index(drop=True)
        return part

    def spread(self, count):
        """So many clips of this set, or all of fewer, evenly spread over it."""
        return self.take(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))


class Reordered(ClipSet):
    """Clips with their frames `shuffled`, each clip in its own way, always the same, `reversed`, or `held`: the first
    of the last `seen` frames stands in for all before it. Labels and tracks stay as they were."""

    ROWS = (*ClipSet.ROWS, "order_NT")

    def __init__(self, clips, how, seen=None):
        super().__init__(clips.cfg, clips.seed, clips.table, clips.xyz_NFx3)
        frame_T = np.arange(self.cfg.frames)
        if how == "shuffled":
            generators = (np.random.default_rng((self.seed, index)) for index in self.table["index"])
            self.order_NT = np.stack([generator.permutation(frame_T[::-1]) for generator in generators])
        else:
            order_T = frame_T[::-1] if how == "reversed" else np.maximum(frame_T, self.cfg.frames - seen)
            self.order_NT = np.tile(order_T, (len(self), 1))

    def render(self, rows):
        return np.take_along_axis(super().render(rows), self.order_NT[rows][:, :, None, None], axis=1)


class Drawn(ClipSet):
    """A set too large for memory: of each clip only what finds it is held, all else is drawn anew when it is needed.

    The same clips as those of a ClipSet: 24 bytes each instead of a kilobyte, and no time to begin.
    """

    ROWS = ("index_N", "attempt_N", "label_N")

    def __init__(self, cfg, seed, table):
        self.cfg, self.seed = cfg, seed
        self.index_N, self.attempt_N = table["index"].to_numpy(), table["attempt"].to_numpy()
        self.label_N = labels(cfg, table)

    def __len__(self):
        return len(self.index_N)

    def __getattr__(self, name):
        """The table and positions of all clips, for what needs them at once."""
        if name not in ("table", "xyz_NFx3", "track_NFx3"):
            raise AttributeError(name)
        return getattr(self.take(slice(None)), name)

    def render(self, rows):
        part = self.take(rows)
        return part.render(np.arange(len(part)))

    def batch(self, rows):
        part = self.take(rows)
        return part.batch(np.arange(len(part)))

    def take(self, rows):
        """Some clips of this set, as a ClipSet."""
        index_N = self.index_N[rows]
        table = recipes.nuisances(self.cfg, self.seed, index_N).assign(attempt=self.attempt_N[rows])
        motion_N = np.array(self.cfg.motions)[recipes.labels(self.cfg, self.seed, index_N)]
        part = ClipSet(self.cfg, self.seed, table.assign(motion=motion_N))
        part.label_N = self.label_N[rows]  # a control may have permuted them
        return part


class Rendered(ClipSet):
    """The same clips, rendered once and held on a device: for training, and for what looks at them several times."""

    def __init__(self, clips, device="cpu"):
        vars(self).update(vars(clips.take(slice(None))))
        self.whole = Batch(*(part.to(device) for part in clips.batch(np.arange(len(clips)))))

    def render(self, rows):
        return self.whole.video[rows, 0].cpu().numpy()

    def batch(self, rows):
        """As of any set, on the device; `rows` may be a tensor there."""
        return Batch(*(part[rows] for part in self.whole))

    def take(self, rows):
        part = super().take(rows)
        part.whole = self.batch(rows)
        return part


def labels(cfg, table):
    """Class numbers (N,) of a recipe table."""
    return pd.Categorical(table["motion"], categories=cfg.motions).codes.astype(np.int64)


def make(cfg, folder):
    """Draw a run's clips, split them and write the data folder; returns the manifest."""
    folder = Path(folder)
    table = hashed(cfg, cfg.data_seed, cfg.clips)
    files.write_parquet(folder / "recipes.parquet", splits.divide(table, cfg))
    files.write_parquet(folder / "test.parquet", hashed(cfg, cfg.data_seed + TEST_SEEDS, cfg.test_clips, split="test"))
    hashes = {name: files.sha256(folder / name) for name in ("recipes.parquet", "test.parquet")}
    files.write_json(folder / "manifest.json", description(cfg) | {"sha256": hashes})
    return files.read_json(folder / "manifest.json")


def hashed(cfg, seed, count, **more):
    """The first recipes of a seed with their hashes; the target is no part of a recipe."""
    tables = []
    for start in range(0, count, BLOCK):
        table = recipes.draw(cfg, seed, np.arange(start, min(start + BLOCK, count)))
        clips = ClipSet(cfg.replace(target="future"), seed, table)
        tables.append(table.assign(recipe_hash=splits.recipe_hashes(clips), **more))
    return pd.concat(tables, ignore_index=True)


def description(cfg):
    """What a data folder depends on: seeds, parameters, and the code that makes clips."""
    about = {"seed": cfg.data_seed, "test_seed": cfg.data_seed + TEST_SEEDS}
    about |= {name: getattr(cfg, name) for name in ("clips", "test_clips", "split", "target")}
    return about | {"world": cfg.world(), "world_code": config.code_hash(["world"], None)}


def load(cfg, which, folder=None):
    """The `train`, `val` or `test` clips of a run, as its control wants them.

    Raises FileNotFoundError where there are none, ValueError when the folder holds other data than cfg describes.
    """
    folder = Path(folder or cfg.stage_dir("data"))
    if not (folder / "manifest.json").is_file():
        raise FileNotFoundError(f"{folder.name}/manifest.json is missing in run '{cfg.run_name}': run 01_data first")
    test = which == "test"
    name, seed = ("test.parquet", cfg.data_seed + TEST_SEEDS) if test else ("recipes.parquet", cfg.data_seed)
    refuse_others(cfg, files.read_json(folder / "manifest.json"), folder / name)
    clips = read(cfg, seed, folder / name, which)
    if cfg.control == "shuffled":
        return Reordered(clips, "shuffled")
    if cfg.control == "permuted" and which == "train":
        clips.label_N = np.random.default_rng(seed).permutation(clips.label_N)
    return clips


def read(cfg, seed, path, which):
    """A split's clips: a ClipSet where the pictures of the table would fit into memory, else only what finds them."""
    with parquet.ParquetFile(path, read_dictionary=["motion", "split"]) as file:
        if file.metadata.num_rows * cfg.frames * cfg.size**2 > config.HELD * psutil.virtual_memory().available:
            few = file.read(["index", "motion", "attempt", "split"], use_threads=False)  # threads cost more than that
            return Drawn(cfg, seed, few.filter(compute.field("split") == which).to_pandas())
    return ClipSet(cfg, seed, pd.read_parquet(path, filters=[("split", "==", which)]))


def refuse_others(cfg, manifest, path):
    """Raise ValueError unless a folder's data are those that the parameters describe, byte for byte."""
    wanted, made = description(cfg) | cfg.world(), manifest | manifest["world"]
    if path.name != "test.parquet":
        del wanted["test_clips"]  # which a training run may not know
    differ = [name for name, value in wanted.items() if made.get(name) != value and name != "world"]
    if differ:
        names = ", ".join(differ).replace("world_code", "the code of trajnb.world")
        raise ValueError(f"the data of run '{cfg.run_name}' differ in {names}: run 01_data again")
    about = path.stat()
    if sha256(path, about.st_size, about.st_mtime_ns) != manifest["sha256"][path.name]:
        raise ValueError(f"{path.name} of run '{cfg.run_name}' is not what its manifest says: run 01_data again")


@functools.lru_cache
def sha256(path, size, changed_ns):
    """A file's hash, computed once for as long as the file stays as it is: a training reads its table twice."""
    return files.sha256(path)


def check(cfg, folder=None):
    """Raise ParameterError unless the target is a future one, every split holds every class, no recipe is in two."""
    if cfg.target == "last_seen":
        raise ParameterError("target: last_seen is a position that the network has observed: write future.")
    folder = Path(folder or cfg.stage_dir("data"))
    table = pd.concat([pd.read_parquet(folder / name) for name in ("recipes.parquet", "test.parquet")])
    count = pd.crosstab(table["split"], table["motion"]).reindex(["train", "val", "test"], columns=cfg.motions)
    for split, motion in count.fillna(0).stack().loc[lambda clips: clips < 1].index:
        fix = "write recipe" if cfg.split != "recipe" else "write more clips"
        name = "test_clips" if split == "test" else "split" if cfg.split != "recipe" else "clips"
        value = getattr(cfg, name)
        raise ParameterError(f"{name}: {value} leaves {split} with 0 {motion} clips, at least 1 needed: {fix}.")
    twice = table.groupby("recipe_hash")["split"].nunique().loc[lambda splits: splits > 1]
    if len(twice):
        raise ParameterError(f"data_seed: {cfg.data_seed} puts {len(twice)} recipes into two splits: write another.")
