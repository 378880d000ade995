"""Data sets of clips: a small table of recipes on disk, pixels made when they are asked for.

A run's data folder holds recipes.parquet (training and validation), test.parquet (further clips of another seed range)
and manifest.json (seeds, world, code version, hashes). Rendering is faster than reading, so no pictures are stored.

Shapes:   N clips   B clips of a batch   F frames (seen and future)   T seen frames   S pixels a side
"""

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from trajnb import files
from trajnb.data import splits
from trajnb.world import camera, recipes, renderer

TEST_SEEDS = 2**32  # test clips come from seed data_seed + TEST_SEEDS: no training seed ever reaches it
WORLD_CODE = Path(recipes.__file__).parent


class Batch(NamedTuple):
    video: torch.Tensor  # (B, 1, T, S, S) uint8
    label: torch.Tensor  # (B,) int64, number in cfg.motions
    track: torch.Tensor  # (B, F, 3) float32: u and v in frame widths, z in metres; the first T frames are the seen ones


class ClipSet:
    """Clips of one recipe table: positions held in memory (a quarter of a kilobyte each), pixels made on demand."""

    ROWS = ("xyz_NFx3", "label_N", "track_NFx3")  # arrays with a row for each clip

    def __init__(self, cfg, seed, table, xyz_NFx3=None):
        """`xyz_NFx3`: positions in metres to use instead of those that the recipes have."""
        self.cfg, self.seed, self.table = cfg, seed, table.reset_index(drop=True)
        self.xyz_NFx3 = recipes.tracks(cfg, seed, self.table) if xyz_NFx3 is None else xyz_NFx3
        self.label_N = pd.Categorical(self.table["motion"], categories=cfg.motions).codes.astype(np.int64)
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

    def for_epoch(self, epoch):
        """The clips of one epoch (from 0): always these."""
        return self

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
    """Clips whose frames stand in another order: `shuffled`, each clip in its own way, always the same, `reversed`, or
    `held`: of the last `seen` frames the first one stands in for all before it, as if the object had waited there.

    Labels and tracks stay as they were: only what the pixels tell changes.
    """

    ROWS = (*ClipSet.ROWS, "order_NT")

    def __init__(self, clips, how, seen=None):
        super().__init__(clips.cfg, clips.seed, clips.table, clips.xyz_NFx3)
        index_N, frame_T = self.table["index"], np.arange(self.cfg.frames)
        if how == "shuffled":
            own = (np.random.default_rng((self.seed, index)).permutation(frame_T[::-1]) for index in index_N)
            self.order_NT = np.stack(list(own))
        else:
            order_T = frame_T[::-1] if how == "reversed" else np.maximum(frame_T, self.cfg.frames - seen)
            self.order_NT = np.tile(order_T, (len(self), 1))

    def render(self, rows):
        return np.take_along_axis(super().render(rows), self.order_NT[rows][:, :, None, None], axis=1)


class Stream(ClipSet):
    """Ever-new clips: every epoch as many as the table has, of indices never used before."""

    def for_epoch(self, epoch):
        first = self.cfg.clips + epoch * len(self)
        return ClipSet(self.cfg, self.seed, recipes.draw(self.cfg, self.seed, np.arange(first, first + len(self))))


def make(cfg, folder):
    """Draw a run's clips, split them and write the data folder; returns the manifest.

    Whether they are sound is for the audit to say (trajnb.audit).
    """
    folder = Path(folder)
    table = hashed(cfg, cfg.data_seed, cfg.clips)
    files.write_parquet(folder / "recipes.parquet", splits.divide(table, cfg))
    files.write_parquet(folder / "test.parquet", hashed(cfg, cfg.data_seed + TEST_SEEDS, cfg.test_clips, split="test"))
    files.write_json(folder / "manifest.json", manifest(cfg, folder))
    return files.read_json(folder / "manifest.json")


def hashed(cfg, seed, count, **more):
    """The first recipes of a seed with their hashes: what is asked of networks is no part of a recipe."""
    table = recipes.draw(cfg, seed, np.arange(count))
    return table.assign(recipe_hash=splits.recipe_hashes(ClipSet(cfg.replace(target="future"), seed, table)), **more)


def manifest(cfg, folder):
    """What a data folder is made of."""
    return {
        "seed": cfg.data_seed,
        "test_seed": cfg.data_seed + TEST_SEEDS,
        "clips": cfg.clips,
        "test_clips": cfg.test_clips,
        "split": cfg.split,
        "target": cfg.target,
        "world": cfg.world(),
        "world_code": code_version(),
        "sha256": {name: files.sha256(folder / name) for name in ("recipes.parquet", "test.parquet")},
    }


def code_version():
    """Hash of the source that turns recipes into clips: data of another version is not the same data."""
    return files.hash_of(WORLD_CODE.glob("*.py"))


def load(cfg, which, folder=None):
    """The `train`, `val` or `test` clips of a run; ValueError when the folder holds other data than asked for."""
    folder = Path(folder or cfg.stage_dir("data"))
    if not (folder / "manifest.json").is_file():
        raise FileNotFoundError(f"{folder.name}/manifest.json is missing in run '{cfg.run_name}': run 01_data first")
    found, name = files.read_json(folder / "manifest.json"), "test.parquet" if which == "test" else "recipes.parquet"
    check_manifest(cfg, found, folder, name)
    table = pd.read_parquet(folder / name)
    seed = found["test_seed" if which == "test" else "seed"]
    kind = Stream if cfg.stream and which == "train" else ClipSet
    return controlled(kind(cfg, seed, table[table["split"] == which]), which)


def controlled(clips, which):
    """The clips as the run's control wants them: frames shuffled in all splits, or labels permuted in training."""
    if clips.cfg.control == "shuffled":
        return Reordered(clips, "shuffled")
    if clips.cfg.control == "permuted" and which == "train":
        clips.label_N = np.random.default_rng(clips.seed).permutation(clips.label_N)
    return clips


def check_manifest(cfg, found, folder, name):
    """Raise ValueError unless the folder's data are those that the parameters ask for, byte for byte."""
    asked = {"seed": cfg.data_seed, **{name: getattr(cfg, name) for name in ("clips", "test_clips", "split", "target")}}
    made, asked = {**found, **found["world"]}, asked | cfg.world()
    other = [key for key, value in asked.items() if made.get(key) != value]
    if other:
        raise ValueError(f"the data of run '{cfg.run_name}' differ in {', '.join(other)}: run 01_data again")
    if found["world_code"] != code_version():
        raise ValueError(
            f"the data of run '{cfg.run_name}' were made by another version of trajnb.world: run 01_data again"
        )
    if files.sha256(folder / name) != found["sha256"][name]:
        raise ValueError(f"{name} of run '{cfg.run_name}' is not what its manifest says: run 01_data again")
