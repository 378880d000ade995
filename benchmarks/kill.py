"""Training runs killed at random instants, again and again, against the same ones left alone: every bit must agree.

python benchmarks/kill.py [KILLS] [NETWORK...]     200, shared by the four extractors: about ten minutes, one core

A training runs in a process of its own, forked from this one. Half of the kills (SIGKILL) come after a random time,
half are aimed at a moment: in the saving of a file, in an evaluation, in a resume. The same command starts it again,
until it ends by itself; then weights, history without times, and predictions are compared byte for byte.
"""

import mmap
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.torch
import torch

from trajnb import files, models
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.models.head import Head
from trajnb.models.transformer import Transformer
from trajnb.training import checkpoints, fit, predict
from trajnb.world import recipes

MOMENTS = ("step", "save", "evaluation", "resume")
SMALL_WORLD = {"frames": 8, "horizon": 2, "size": 32, "frame_rate": 15.0, "extent_min_px": 6.0, "extent_max_px": 16.0}
SMALL_WORLD |= {"focal_px": 32.0}
TINY = {"width": 24, "depth": 1, "heads": 2, "mlp_ratio": 2}
TIMES = ["seconds", "clips_per_second"]
SMALL = {"epochs": 3, "batch_size": 8, "threads": 1, "checkpoint_seconds": 0.1}


class Training:
    """One training that can be started, watched and killed."""

    def __init__(self, cfg, train, val, build):
        self.cfg, self.train, self.val, self.build = cfg, train, val, build
        self.moment = mmap.mmap(-1, 1)  # shared with the process that trains: where it is, of MOMENTS

    def start(self, folder):
        """Fork a process that trains in `folder`; returns its id."""
        self.moment[0] = 0
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            self.watch()
            fit(self.build(self.cfg), self.train, self.val, self.cfg, folder)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def watch(self):
        """Make the parts of a training say where they are."""
        loop = sys.modules["trajnb.training.fit"]
        for where, name, moment in ((files, "write_bytes", 1), (loop, "validate", 2), (checkpoints, "newest", 3)):
            setattr(where, name, self.marked(getattr(where, name), moment))

    def marked(self, work, moment):
        def inside(*arguments):
            before, self.moment[0] = self.moment[0], moment
            try:
                return work(*arguments)
            finally:
                self.moment[0] = before

        return inside

    def whole(self, folder):
        """Train without disturbance; seconds."""
        start = time.monotonic()
        assert os.waitpid(self.start(folder), 0)[1] == 0, "the undisturbed training failed"
        return time.monotonic() - start

    def result(self, folder):
        """Everything that must agree: bytes of weights, history without times, predictions."""
        history = pd.read_csv(folder / "history.csv").drop(columns=TIMES).to_csv(index=False)
        net = self.build(self.cfg)
        net.load_state_dict(safetensors.torch.load_file(folder / "final.safetensors"))
        arrays = {name: array.tobytes() for name, array in predict(net, self.val, self.cfg).items()}
        return (folder / "final.safetensors").read_bytes(), history, arrays


def disturbed(training, folder, seconds, kills, rng):
    """Kill a training about `kills` times until it ends; the moments at which it was killed."""
    moments = []
    while True:
        child = training.start(folder)
        aim = int(rng.integers(1, len(MOMENTS))) if rng.random() < 0.5 else None
        struck = len(moments) < kills and strike(training, child, aim, seconds * rng.random() / kills, rng)
        if struck:
            moment = MOMENTS[training.moment[0]]
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if status == 0:  # it may have ended just before
            return moments
        assert struck and os.WIFSIGNALED(status), f"a training ended by itself with status {status} after {moments}"
        moments.append(moment)


def strike(training, child, aim, wait, rng):
    """Wait for the instant of a kill: a time, then the moment that is aimed at. False if the training has ended."""
    end = time.monotonic() + (0 if aim == MOMENTS.index("resume") else wait)
    while time.monotonic() < end or (aim is not None and training.moment[0] != aim):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        time.sleep(0.0002)
    time.sleep(0.001 * rng.random() if aim else 0)
    return not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def survive(training, kills, each=6, seed=0):
    """(kills survived, kills, Counter of moments, training runs) with `each` kills a run, until there are `kills`."""
    rng, moments, survived, trainings = np.random.default_rng(seed), Counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        seconds = training.whole(Path(folder) / "whole")
        expected = training.result(Path(folder) / "whole")
        while sum(moments.values()) < kills:
            cut = Path(folder) / "cut"
            hit = disturbed(training, cut, seconds, min(each, kills - sum(moments.values())), rng)
            survived += len(hit) * (training.result(cut) == expected)
            moments.update(hit)
            trainings += 1
            shutil.rmtree(cut)
    return survived, sum(moments.values()), moments, trainings


def tiny(cfg):
    """A network of one small block, for a quick look."""
    torch.manual_seed(cfg.seed)
    extractor = Transformer(frames=cfg.frames, size=cfg.size, tubelet=(2, 8, 8), **TINY)
    head = Head(features=24, classes=4, frames=cfg.frames, horizon=cfg.horizon, width=24, depth=1, heads=2)
    return models.TrajectoryNet(extractor, head)


def main(kills="200", *names):
    torch.set_num_threads(1)
    names, short = names or tuple(models.EXTRACTORS), 0
    for number, name in enumerate(names):
        changes = SMALL_WORLD if name == "tiny" else {"model": name}
        cfg = Config(run_name="kill", clips=96, test_clips=40, **SMALL | changes)
        train, val = (ClipSet(cfg, seed, recipes.draw(cfg, seed, np.arange(n))) for seed, n in ((41, 64), (42, 24)))
        training, start = Training(cfg, train, val, tiny if name == "tiny" else models.build), time.monotonic()
        survived, done, moments, trainings = survive(training, int(kills) // len(names), seed=number)
        short += done - survived
        where = ", ".join(f"{moments[moment]} in {moment}" for moment in MOMENTS)
        print(f"{name:12s} survived {survived} of {done} kills in {trainings} training runs ({where})", end="")
        print(f"; {time.monotonic() - start:.0f} s", flush=True)
    return short


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
