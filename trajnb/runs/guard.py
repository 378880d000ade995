"""Whether a stage fits this machine: asked before it starts, and watched while it runs.

A machine that runs out of memory freezes, or kills whatever it likes; a disk that is full takes the record with it.
So a stage is stopped before that, while it can still keep what it has.
"""

import contextlib
import math
import shutil
from pathlib import Path

import psutil

from trajnb.config import Config, ParameterError

MB = 2**20
CGROUP = Path("/sys/fs/cgroup")  # version 2: a container's own limit, below what the machine has
PARAMETERS = {"nano": 1e6, "base": 12e6, "paper": 130e6}  # of the largest network; a test holds it
CLIP_MB = {"nano": 15, "base": 300}  # that a training step keeps for each clip of 16 x 64 x 64 (measured)
PAPER_MB = 3000  # for a clip of the paper's size: a guess, ten times base
START_MB = 450  # papermill, a kernel, torch, and a network that does nothing (measured)
MAPS_MB = 900  # that maps of 64 clips and their scores take beside it (measured: 1,300 MB in all)
MAPS_CLIP_MB = 7.1  # for each further clip (measured: at most 4,385 MB in all for 500 clips and all methods)
STATE_BYTES = 16  # a parameter: weight, two moments, moving average
TRACK_BYTES = 1600  # a clip in memory: positions, recipe, copies while they are made
FREE_SHARE = 0.03  # of the machine's memory that must stay available


class OverLimit(RuntimeError):
    """A stage that the machine cannot carry on; the message says what ran short."""


def preflight(cfg, stages):
    """Raise ParameterError, with numbers and the mend, where a stage cannot fit this machine."""
    cores = psutil.cpu_count() or 1
    if cfg.threads > cores:
        raise ParameterError(f"threads: {cfg.threads} is above the {cores} cores here: write at most {cores}, or 0.")
    own = {stage.name: own_parameters(stage, cfg) for stage in stages}
    free, needed = shutil.disk_usage(existing(cfg.run_dir)).free, sum(disk_mb(one, own[one.name]) for one in stages)
    if stages and free < (needed + cfg.disk_reserve_mb) * MB:
        raise ParameterError(
            f"disk: {free / MB:,.0f} MB are free, the run writes about {needed:,.0f} MB and leaves "
            f"{cfg.disk_reserve_mb} MB alone: make room, or lower checkpoints_kept or disk_reserve_mb."
        )
    for stage in stages:
        have, takes = memory_limit_mb(cfg), memory_mb(stage, own[stage.name])
        if takes > have:
            raise ParameterError(
                f"memory: {stage.name} takes about {takes:,.0f} MB, {have:,.0f} MB are there for it: lower batch_size "
                "or clips, take a smaller preset, or make room (memory_limit_mb, if it is set)."
            )


def own_parameters(stage, cfg):
    """The run's parameters with those that the stage has else, from its model's file for instance."""
    return cfg.replace(**{name: value for name, value in stage.parameters.items() if name in Config.model_fields})


def existing(path):
    """The path, or the nearest folder above it that exists."""
    return path if path.exists() else existing(path.parent)


def disk_mb(stage, cfg):
    """About how much a stage writes."""
    clips = cfg.clips + cfg.test_clips
    if stage.kind == "train":
        return 5 + PARAMETERS[cfg.preset] * (STATE_BYTES * (cfg.checkpoints_kept + 2) + 4) / MB
    return 10 + clips * 300 / MB if stage.kind == "data" else 10 + cfg.test_clips * 10_000 / MB


def memory_mb(stage, cfg):
    """About how much memory a stage takes at most; what a training takes on a GPU lies there."""
    held = START_MB + (cfg.clips + cfg.test_clips) * TRACK_BYTES / MB
    on_gpu = cfg.device == "cuda" or (cfg.device == "auto" and shutil.which("nvidia-smi"))
    if stage.kind == "attention":
        return held + MAPS_MB + max(0, cfg.attention_clips - 64) * MAPS_CLIP_MB
    if stage.kind not in ("train", "postmortem") or on_gpu:
        return held
    share = cfg.frames * cfg.size**2 / (16 * 64**2)
    each = PAPER_MB if cfg.preset == "paper" else CLIP_MB[cfg.preset] * share
    return held + PARAMETERS[cfg.preset] * STATE_BYTES / MB + cfg.batch_size * each


def memory_limit_mb(cfg):
    """Most memory a stage may take: what is available now, and no more than memory_limit_mb where that is not 0."""
    return min(available_bytes() / MB, cfg.memory_limit_mb or math.inf)


def available_bytes():
    """Memory that can be had without swapping, in the machine and in the container."""
    return min([psutil.virtual_memory().available, *(left for _, left in container())])


def total_bytes():
    """Memory of the machine, or of the container if that has less."""
    return min([psutil.virtual_memory().total, *(limit for limit, _ in container())])


def container():
    """[(the container's own limit, bytes left below it)]; nothing where there is none.

    What the kernel holds of files that nobody uses counts as left: it gives that back when it is needed.
    """
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return [(int(limit), int(limit) - int(used) + int(stat["inactive_file"]))] if limit != "max" else []
    except (OSError, ValueError, KeyError):
        return []


def taken_bytes(pid):
    """Real memory of a process and all that it has started; 0 where it has ended."""
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):  # one may end while the others are asked
            total += process.memory_info().rss
    return total


def watch(cfg, taken):
    """Raise OverLimit where a running stage has taken too many bytes, or the machine has too few left."""
    left = available_bytes()
    if cfg.memory_limit_mb and taken > cfg.memory_limit_mb * MB:
        raise OverLimit(
            f"took {taken / MB:,.0f} MB of memory, memory_limit_mb is {cfg.memory_limit_mb}: lower batch_size or "
            "clips, or raise the limit"
        )
    if left < FREE_SHARE * total_bytes():
        raise OverLimit(
            f"took {taken / MB:,.0f} MB of memory and the machine has only {left / MB:,.0f} MB left: lower "
            "batch_size or clips, or end what else runs"
        )
    free = shutil.disk_usage(cfg.run_dir).free
    if free < cfg.disk_reserve_mb * MB:
        raise OverLimit(
            f"left {free / MB:,.0f} MB of free disk, disk_reserve_mb is {cfg.disk_reserve_mb}: make room, or lower it"
        )
