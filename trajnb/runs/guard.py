"""Whether a stage fits this machine: asked before it starts, and watched while it runs.

A machine that runs out of memory freezes, or kills whatever it likes; a disk that is full takes the record with it.
So a stage is stopped before that, while it can still keep what it has.
"""

import shutil
from pathlib import Path

import psutil

from trajnb.config import ParameterError

MB = 2**20
CGROUP = Path("/sys/fs/cgroup")  # version 2: a container's own limit, below what the machine has
PARAMETERS = {"nano": 1e6, "base": 12e6, "paper": 130e6}  # of the largest network; a test holds it
CLIP_MB = {"nano": 15, "base": 300, "paper": 3000}  # a training step keeps for each clip of 16 x 64 x 64 (measured)
START_MB = 450  # papermill, a kernel, torch, and a network that does nothing (measured)
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
    free, needed = shutil.disk_usage(existing(cfg.run_dir)).free, sum(disk_mb(stage, cfg) for stage in stages)
    if stages and free < (needed + cfg.disk_reserve_mb) * MB:
        raise ParameterError(
            f"disk: {free / MB:,.0f} MB are free, the run writes about {needed:,.0f} MB and leaves "
            f"{cfg.disk_reserve_mb} MB alone: make room, or lower checkpoints_kept or disk_reserve_mb."
        )
    for stage in stages:
        have, takes = memory_limit_mb(cfg), memory_mb(stage, cfg)
        if takes > have:
            raise ParameterError(
                f"memory: {stage.name} takes about {takes:,.0f} MB, {have:,.0f} MB are there for it: lower batch_size "
                "or clips, take a smaller preset, or raise memory_limit_mb."
            )


def existing(path):
    """The path, or the nearest folder above it that exists."""
    return path if path.exists() else existing(path.parent)


def disk_mb(stage, cfg):
    """About how much a stage writes."""
    clips = cfg.clips + cfg.test_clips
    if stage.kind == "train":
        return 5 + PARAMETERS[cfg.preset] * (STATE_BYTES * (cfg.checkpoints_kept + 2) + 4) / MB
    return 10 + clips * 300 / MB if stage.kind == "data" else 10 + clips * 5000 / MB


def memory_mb(stage, cfg):
    """About how much memory a stage takes at most; that of a training on a GPU lies there."""
    held = START_MB + (cfg.clips + cfg.test_clips) * TRACK_BYTES / MB
    if stage.kind != "train" or cfg.device == "cuda":
        return held
    share = cfg.frames * cfg.size**2 / (16 * 64**2)
    return held + PARAMETERS[cfg.preset] * STATE_BYTES / MB + cfg.batch_size * CLIP_MB[cfg.preset] * share


def memory_limit_mb(cfg):
    """Most memory a stage may take: memory_limit_mb, or what is available now."""
    return cfg.memory_limit_mb or available_bytes() / MB


def available_bytes():
    """Memory that can be had without swapping, in the machine and in the container."""
    return min([psutil.virtual_memory().available, *container()])


def container():
    """[bytes left below the container's own limit]; nothing where there is none."""
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return [int(limit) - int(used)] if limit != "max" else []
    except (OSError, ValueError):
        return []


def taken_bytes(pid):
    """Real memory of a process and all that it has started; 0 where it has ended."""
    total = 0
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.Error:
        return total
    return total


def watch(cfg, pid):
    """Raise OverLimit where a running stage takes too much memory, or the machine has too little left."""
    taken, left = taken_bytes(pid), available_bytes()
    if cfg.memory_limit_mb and taken > cfg.memory_limit_mb * MB:
        raise OverLimit(
            f"took {taken / MB:,.0f} MB of memory, memory_limit_mb is {cfg.memory_limit_mb}: lower batch_size or "
            "clips, or raise the limit"
        )
    if left < FREE_SHARE * psutil.virtual_memory().total:
        raise OverLimit(
            f"took {taken / MB:,.0f} MB of memory and the machine has only {left / MB:,.0f} MB left: lower "
            "batch_size or clips, or end what else runs"
        )
    free = shutil.disk_usage(cfg.run_dir).free
    if free < cfg.disk_reserve_mb * MB:
        raise OverLimit(
            f"left {free / MB:,.0f} MB of free disk, disk_reserve_mb is {cfg.disk_reserve_mb}: make room, or lower it"
        )
