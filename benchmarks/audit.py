"""What the audit catches, and its false alarms: bugs planted in several strengths, and clean data sets.

python benchmarks/audit.py [SEEDS] [SIZES] [CLEAN] [FIRST SEED] [FOREIGN]     without any, 3 400,2000 100 0 100: an hour

A clean set is our own world, filmed, split at random 70/15/15, with true positions. A bug changes one thing in it. It
is caught when its own check reports more than info.
A foreign set is a clean one as people keep it: class folders with files of several names, extensions and lengths, and a
splits.csv in the order of a directory listing, or any other; findings of level info are no false alarms.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd

from trajnb.audit import CHECKS, audit, examine
from trajnb.audit.read import Dataset, extract, read
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.world import recipes

WORLDS = ({}, {"decoy": True}, {"noise_min": 0.02, "noise_max": 0.05}, {"texture": 0.2}, {"extent_max_px": 30.0})
SPLITS, SHARES = ["train", "val", "test"], [0.70, 0.15, 0.15]


@dataclass
class Planted:
    """A data set in memory. A change of `clips` before `film`, or of anything else after it, plants a bug.

    uv_NFx2: positions in pixels in observed and future frames.
    """

    rng: np.random.Generator
    clips: ClipSet
    split_N: np.ndarray
    video_NTHW: np.ndarray = None
    table: pd.DataFrame = None
    rate_N: np.ndarray = None
    uv_NFx2: np.ndarray = None

    def film(self):
        """Render the clips, and write down labels, names and positions."""
        cfg, n = self.clips.cfg, len(self.clips)
        self.video_NTHW, self.rate_N = self.clips.render(np.arange(n)), np.full(n, cfg.frame_rate)
        label_N, number_N = self.clips.table["motion"].to_numpy(object), self.rng.permutation(n)
        path_N = [f"{label}/clip_{number:06d}.npy" for label, number in zip(label_N, number_N, strict=True)]
        self.table = pd.DataFrame({"path": path_N, "label": label_N, "split": self.split_N, "number": number_N})
        self.uv_NFx2 = cfg.size * self.clips.track_NFx3[..., :2].astype(float)
        return self

    def rows(self, split, share=1.0):
        """Numbers of a share of a split's clips, at least one, drawn at random."""
        found = self.rng.permutation(np.flatnonzero(self.table["split"] == split))
        return found[: max(1, round(share * len(found)))]

    def codes(self):
        """Class numbers (N,)."""
        return pd.factorize(self.table["label"], sort=True)[0]

    def positions(self):
        """The content of positions.parquet."""
        count, frames = self.uv_NFx2.shape[:2]
        frame_M, uv_Mx2 = np.tile(np.arange(frames), count), self.uv_NFx2.reshape(-1, 2)
        table = {"path": self.table["path"].repeat(frames), "frame": frame_M, "u": uv_Mx2[:, 0], "v": uv_Mx2[:, 1]}
        return pd.DataFrame(table | {"target": frame_M >= self.clips.cfg.frames})

    def dataset(self):
        """The set as the audit reads it, in one folder: else permuted labels would differ from their folders."""
        clips = list(zip(self.video_NTHW, self.rate_N, strict=True))
        table = self.table.assign(path="clips/" + self.table["path"])
        return Dataset("planted", table, clips.__getitem__, np.split(self.uv_NFx2, [self.clips.cfg.frames], axis=1))


def clean(seed, clips, **world):
    """A Planted set without a bug, not yet filmed."""
    rng, cfg = np.random.default_rng(seed), Config(batch_size=1, **world)
    made = ClipSet(cfg, 1000 + seed, recipes.draw(cfg, 1000 + seed, np.arange(clips)))
    return Planted(rng, made, rng.choice(SPLITS, clips, p=SHARES))


# ---- the bugs: each changes a set and takes a strength; those in BEFORE work on recipes, before anything is filmed


def rare(s, share):
    """1: a class loses a share of its clips in val."""
    chosen = (s.table["split"] == "val") & (s.table["label"] == "circular") & (s.rng.random(len(s.table)) < share)
    keep(s, ~chosen.to_numpy())


def keep(s, rows_N):
    s.table, s.video_NTHW, s.rate_N = s.table[rows_N].reset_index(drop=True), s.video_NTHW[rows_N], s.rate_N[rows_N]


def by_class(s, share):
    """2: a share of the clips goes to train, val, test by its place in a list ordered by class."""
    rank = s.table["label"].rank(method="first").to_numpy() / len(s.table)
    some = s.rng.random(len(s.table)) < share
    s.table.loc[some, "split"] = np.array(SPLITS)[np.searchsorted([0.7, 0.85], rank[some])]


def by_index(s, share):
    """2: a share of the clips goes to train, val, test by the number in its name."""
    rank = s.table["number"].rank().to_numpy() / len(s.table)
    some = s.rng.random(len(s.table)) < share
    s.table.loc[some, "split"] = np.array(SPLITS)[np.searchsorted([0.7, 0.85], rank[some])]


def copied(s, count, change=lambda video, rng: video, split="val"):
    """3: that many clips of a split (below 1: this share) become training clips, label and all."""
    to = s.rows(split)
    to = to[: round(count * len(to))] if count < 1 else to[:count]
    free = np.setdiff1d(s.rows("train"), to)
    source = s.rng.choice(free, len(to), replace=len(to) > len(free))
    s.video_NTHW[to] = change(s.video_NTHW[source], s.rng)
    s.table.loc[to, "label"] = s.table["label"].to_numpy()[source]
    return to


def noisy(s, sd):
    """4: five clips of val are training clips with more noise."""
    copied(s, 5, lambda video, rng: np.clip(video + rng.normal(0, sd, video.shape), 0, 255).astype(np.uint8))


def dimmed(s, factor):
    """4: five clips of val are training clips at another brightness."""
    copied(s, 5, lambda video, rng: (video * factor).astype(np.uint8))


def mirrored(s, count):
    """4: clips of val are training clips mirrored."""
    copied(s, count, lambda video, rng: video[..., ::-1])


def two_labels(s, count):
    """5: training clips stand under a second label too."""
    to = copied(s, count, split="train")
    s.table.loc[to, "label"] = turned(s, to)


def turned(s, rows, classes=4):
    """Labels of the rows, each of the first `classes` exchanged for the next."""
    names = sorted(set(s.table["label"]))
    to = dict(zip(names[:classes], np.roll(names[:classes], 1), strict=True))
    return [to.get(label, label) for label in s.table["label"].to_numpy()[rows]]


def permuted(s, classes):
    """6: in val that many classes exchange their labels."""
    rows = s.rows("val")
    s.table.loc[rows, "label"] = turned(s, rows, classes)


def partly(s, share):
    """6: in val this share of the labels is turned by one class."""
    rows = s.rows("val", share)
    s.table.loc[rows, "label"] = turned(s, rows)


def named(s, share):
    """7: a share of the clips is numbered in order of class."""
    some = s.rng.random(len(s.table)) < share
    order = np.argsort(s.codes()[some], kind="stable")
    number = s.table["number"].to_numpy().copy()
    number[np.flatnonzero(some)[order]] = np.sort(number[some])
    renumber(s, number)


def round_robin(s, share):
    """7: a share of the clips has numbers that are its class modulo 4."""
    some, number = s.rng.random(len(s.table)) < share, s.table["number"].to_numpy().copy()
    number[some] = number[some] // 4 * 4 + s.codes()[some]
    renumber(s, number)


def renumber(s, number):
    s.table["number"] = number
    s.table["path"] = [f"{a}/clip_{int(b):06d}.npy" for a, b in zip(s.table["label"], number, strict=True)]


def brighter(s, levels):
    """8: each class is that many grey levels brighter than the one before."""
    add_N = np.rint(levels * s.codes())[:, None, None, None].astype(np.int16)
    for part in np.array_split(np.arange(len(s.table)), 20):
        s.video_NTHW[part] = np.clip(s.video_NTHW[part] + add_N[part], 0, 255)


def larger(s, share):
    """9: the object of each class is that share larger than the one before's."""
    s.clips.table["size_factor"] *= 1 + share * s.clips.label_N


def placed(s, share):
    """10: every class has a corner of its own, this share of the way."""
    corner_Nx2 = np.array([(0.05, 0.05), (0.95, 0.05), (0.05, 0.95), (0.95, 0.95)])[s.clips.label_N]
    for k, name in enumerate(("place_x", "place_y")):
        s.clips.table[name] = (1 - share) * s.clips.table[name] + share * corner_Nx2[:, k]
    s.clips = ClipSet(s.clips.cfg, s.clips.seed, s.clips.table)


def stamped(s, levels, share=1.0, frames=slice(None), side=2):
    """11: four pixels in a corner get that many grey levels more with each class."""
    some = s.rng.random(len(s.table)) < share
    corner = s.video_NTHW[some, frames, 1 : 1 + side, 1 : 1 + side].astype(int)
    corner += np.rint(levels * s.codes()[some]).astype(int).reshape(-1, *[1] * (corner.ndim - 1))
    s.video_NTHW[some, frames, 1 : 1 + side, 1 : 1 + side] = np.clip(corner, 0, 255)


def stamped_share(s, share):
    """11: this share of the clips has a stamp of 30 levels a class."""
    stamped(s, 30, share)


def stamped_frame(s, levels):
    """11: the stamp stands in frame 5 alone."""
    stamped(s, levels, frames=slice(5, 6))


def patterned(s, levels):
    """11: each class has a background pattern of its own, of that many grey levels, over all the frame."""
    pattern_KHW = np.random.default_rng(7).choice([-1.0, 1.0], (4, 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
    for part in np.array_split(np.arange(len(s.table)), 20):
        add = np.rint(levels * pattern_KHW[s.codes()[part]])[:, None]
        s.video_NTHW[part] = np.clip(s.video_NTHW[part] + add, 0, 255)


def frozen(s, share):
    """12: this share of train shows its first frame only."""
    rows = s.rows("train", share)
    s.video_NTHW[rows] = s.video_NTHW[rows, :1]


def empty(s, share):
    """12: this share of train shows noise only."""
    rows = s.rows("train", share)
    s.video_NTHW[rows] = np.clip(s.rng.normal(40, 6, s.video_NTHW[rows].shape), 0, 255)


def rated(s, rate):
    """13: val's files say another frame rate."""
    s.rate_N[s.rows("val")] = rate


def slowed(s, factor):
    """13: val was filmed at another rate, and no file says so: its objects move this many times as far in a frame."""
    s.clips.table["speed_factor"] = np.where(s.split_N == "val", factor, 1.0)
    s.clips = ClipSet(s.clips.cfg, s.clips.seed, s.clips.table)


def doubled(s, share):
    """13: this share of the clips repeats every other frame."""
    rows = s.rng.permutation(len(s.table))[: round(share * len(s.table))]
    s.video_NTHW[rows, 1::2] = s.video_NTHW[rows, ::2]


def ranged(s, factor):
    """13: val's levels are this share of the others'."""
    rows = s.rows("val")
    s.video_NTHW[rows] = s.video_NTHW[rows] * factor


def shifted(s, frames, share=1.0, noise_px=0.0):
    """14: targets are that many frames too early."""
    uv_NFx2, seen = s.uv_NFx2.copy(), s.clips.cfg.frames
    some = s.rng.random(len(s.clips)) < share
    before, after = int(np.floor(frames)), int(np.ceil(frames))
    mixed = uv_NFx2[:, seen - before : uv_NFx2.shape[1] - before].copy()
    if after > before:
        mixed += (frames - before) * (uv_NFx2[:, seen - after : uv_NFx2.shape[1] - after] - mixed)
    s.uv_NFx2[some, seen:] = mixed[some] + s.rng.normal(0, noise_px, mixed[some].shape)


def shifted_share(s, share):
    """14: in this share of the clips the targets are a frame too early."""
    shifted(s, 1, share)


def shifted_noise(s, noise_px):
    """14: targets are a frame too early, and were measured with this error."""
    shifted(s, 1, noise_px=noise_px)


BEFORE = (larger, placed, slowed)
BUGS = [  # check, bug, strengths from weak to strong
    (1, rare, (0.4, 0.7, 1.0)),
    (2, by_class, (0.3, 0.6, 1.0)),
    (2, by_index, (0.3, 0.7, 1.0)),
    (3, copied, (1, 5, 0.3)),
    (4, noisy, (15.0, 8.0, 4.0)),
    (4, dimmed, (0.4, 0.6, 0.9)),
    (4, mirrored, (1, 5)),
    (5, two_labels, (1, 5)),
    (6, permuted, (2, 3, 4)),
    (6, partly, (0.1, 0.3, 0.6)),
    (7, named, (0.1, 0.3, 0.6, 1.0)),
    (7, round_robin, (0.1, 0.3, 1.0)),
    (8, brighter, (2, 6, 12, 25)),
    (9, larger, (0.02, 0.06, 0.12, 0.25)),
    (10, placed, (0.2, 0.4, 0.6, 0.9)),
    (11, stamped, (0.34, 1, 4, 30)),
    (11, stamped_share, (0.1, 0.3, 0.6)),
    (11, stamped_frame, (4, 10, 40)),
    (11, patterned, (1, 3, 10)),
    (12, frozen, (0.001, 0.05)),
    (12, empty, (0.001, 0.05)),
    (13, rated, (29.97, 25.0)),
    (13, slowed, (0.9, 0.75, 0.5)),
    (13, doubled, (0.005, 0.02, 0.2)),
    (13, ranged, (0.95, 0.8, 0.5)),
    (14, shifted, (0.5, 1, 1.5, 5)),
    (14, shifted_share, (0.1, 0.3, 0.6)),
    (14, shifted_noise, (1.0, 0.5, 0.1)),
]


def plant(bug, strength, seed, clips):
    """A filmed set with one bug."""
    s = clean(seed, clips)
    if bug in BEFORE:
        bug(s, strength)
        return s.film()
    bug(s.film(), strength)
    return s


def caught(check, bug, strength, seed, clips):
    """Whether the bug's own check finds it in a whole audit, and the seconds."""
    dataset, start = plant(bug, strength, seed, clips).dataset(), time.perf_counter()
    report = examine(dataset)
    return any(f.check == check and f.level != "info" for f in report.findings), time.perf_counter() - start


def planted_table(seeds, sizes, first):
    """Print caught/planted for every bug, strength and size, as they are known."""
    print(f"{'check':5s}  {'bug':14s}  {'strength':>14s}  " + "  ".join(f"{n:>6,d} clips" for n in sizes), flush=True)
    for check, bug, strengths in BUGS:
        for strength in strengths:
            found = [[caught(check, bug, strength, seed, n) for seed in range(first, first + seeds)] for n in sizes]
            cells = "  ".join(f"{sum(hit for hit, _ in row):>6d} / {seeds}  " for row in found)
            print(f"{check:5d}  {bug.__name__:14s}  {strength!s:>14s}  {cells}", flush=True)


def clean_table(count, first):
    """Print the findings on clean sets of 400 to 10,000 clips in several worlds, and the seconds by size."""
    alarms, seconds = [], {}
    for seed in range(count):
        clips = 10_000 if seed % 50 == 49 else 4000 if seed % 10 == 9 else (400, 700, 1000)[seed % 3]
        s = clean(500 + first + seed, clips, **WORLDS[seed % len(WORLDS)]).film()
        start = time.perf_counter()
        report = examine(s.dataset())
        seconds.setdefault(clips, []).append(time.perf_counter() - start)
        found = [f"set {seed}, {clips} clips: {f.level}, {f.check}, {f.evidence}" for f in report.findings]
        alarms += found
        print(f"clean set {seed + 1} of {count}, {clips} clips", *found, sep="\n  ", flush=True)
    print(f"false alarms on {count} clean sets: {len(alarms)}", *alarms, sep="\n", flush=True)
    for clips, taken in sorted(seconds.items()):
        print(f"{clips:6,d} clips: median {statistics.median(taken):.1f} s, most {max(taken):.1f} s, {len(taken)} sets")


# ---- clean sets as people keep them


def foreign(seed, clips, folder):
    """Write a clean set as files without splits.csv; returns its table."""
    s = clean(9000 + seed, clips, **WORLDS[seed % len(WORLDS)]).film()
    longer = np.concatenate([s.video_NTHW, s.video_NTHW[:, -2:0:-1]], axis=1)  # and back again
    length_N = s.rng.integers(16, 31, clips) if seed % 3 == 0 else np.full(clips, 16)
    suffixes = ((".npy",), (".npy", ".NPY"), (".mp4", ".MP4"), (".avi", ".Avi", ".mov"))[seed % 4]
    place_N = s.table.groupby("label").cumcount() + 1
    names = (
        place_N.map("{:04d}".format),
        s.table["label"] + place_N.map("_{}".format),
        s.table["number"].map(scattered),
    )
    s.table["path"] = s.table["label"] + "/" + names[seed % 3] + s.rng.choice(suffixes, clips)
    for path, video, length in zip(s.table["path"], longer, length_N, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_clip(folder / path, video[:length], s.rng.uniform(29.6, 30.1))
    return s.table[["path", "label", "split"]]


def scattered(number):
    """A name without an order."""
    return f"{int(number) * 2654435761 % 2**32:08x}"


def write_clip(path, clip_THW, rate):
    """One .npy, or a video with about this frame rate."""
    if path.suffix.lower() == ".npy":
        with open(path, "wb") as file:  # numpy would append a second extension to .NPY
            return np.save(file, clip_THW)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=round(rate))
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *clip_THW.shape[1:], "yuv420p", 4_000_000
        for image in clip_THW:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())


def in_order(table, rng):
    """The rows of a table in one of the orders that people's tables have."""
    keys = ([], ["path"], ["label"], ["split"], ["split", "label"], ["label", "split"], ["split", "path"])
    shuffled = table.sample(frac=1, random_state=rng)
    chosen = keys[rng.integers(len(keys))]
    return shuffled.sort_values(chosen, kind="stable", ascending=rng.random() < 0.8) if chosen else shuffled


def foreign_table(count, first):
    """Print false alarms on foreign sets: whole audits of sorted lists, and check 2 of every set in 10 other orders."""
    alarms, of_order = [], 0
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            rng, where = np.random.default_rng(seed), Path(folder)
            table = foreign(seed, (60, 120, 200, 400)[seed % 4], where).sort_values("path")
            table.to_csv(where / "splits.csv", index=False, sep=",;\t"[seed % 3])
            found = [
                f"set {seed}: {f.level}, {f.check}, {f.evidence}" for f in audit(where).findings if f.level != "info"
            ]
            alarms += found
            features = extract(read(where), range(len(table)))
            for _ in range(10):
                in_order(table, rng).to_csv(where / "splits.csv", index=False)
                of_order += any(result.found for result in CHECKS[2][0](read(where), features))
        print(f"foreign set {seed - first + 1} of {count}", *found, sep="\n  ", flush=True)
    print(f"false alarms on {count} foreign sets in listing order: {len(alarms)}", *alarms, sep="\n", flush=True)
    print(f"check 2 on {10 * count} tables in any order: {of_order} false alarms", flush=True)


def main(seeds="3", sizes="400,2000", count="100", first="0", foreigners="100"):
    foreign_table(int(foreigners), int(first))
    clean_table(int(count), int(first))
    print()
    planted_table(int(seeds), [int(n) for n in sizes.split(",")], int(first))


if __name__ == "__main__":
    main(*sys.argv[1:])
