"""Four training runs at once against one after another: time, memory, and how late the machine responds.

python benchmarks/together.py [CLIPS]     700 clips, one epoch of each extractor, three ways: about three minutes
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from trajnb import models
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.training import fit
from trajnb.world import recipes

INTERVAL_S, MB = 0.2, 2**20


def train(model, clips, threads, folder):
    """One training run, in this process."""
    cfg = Config(run_name="together", model=model, epochs=1, threads=int(threads), clips=2 * int(clips))
    parts = (ClipSet(cfg, 51, recipes.draw(cfg, 51, np.arange(n))) for n in (int(clips), 60))
    fit(models.build(cfg), *parts, cfg, folder)


def start(model, clips, threads, folder):
    """The same in a process of its own."""
    command = [sys.executable, __file__, "train", model, str(clips), str(threads), str(Path(folder) / model)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def watched(groups, clips, threads):
    """(seconds, most memory in MB, longest delay in s) of groups of training runs, a group at a time."""
    begin, most, longest = time.monotonic(), 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for group in groups:
            running = [start(model, clips, threads, folder) for model in group]
            while any(process.poll() is None for process in running):
                before = time.monotonic()
                time.sleep(INTERVAL_S)
                longest = max(longest, time.monotonic() - before - INTERVAL_S)  # how late this process gets its turn
                most = max(most, sum(memory(process.pid) for process in running))
            assert not any(process.returncode for process in running)
    return time.monotonic() - begin, most / MB, longest


def memory(pid):
    """Bytes of a process's resident memory; 0 once it has ended."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def main(clips="700"):
    one_by_one, at_once = [[model] for model in models.EXTRACTORS], [list(models.EXTRACTORS)]
    ways = {"one after another, all cores": (one_by_one, 0), "at once, all cores each": (at_once, 0)}
    ways["at once, one thread each"] = (at_once, 1)
    first = None
    for name, (groups, threads) in ways.items():
        seconds, most, longest = watched(groups, clips, threads)
        first = first or seconds
        print(f"{name:30s} {seconds:6.1f} s ({seconds / first:.2f}), most memory {most:6,.0f} MB, ", end="")
        print(f"longest delay {longest:.2f} s", flush=True)


if __name__ == "__main__":
    train(*sys.argv[2:]) if sys.argv[1:2] == ["train"] else main(*sys.argv[1:])
