"""Damaged checkpoints: detected / injected for each network; what hashing and saving one cost.

python benchmarks/damage.py [TIMES]     1,000: a minute
"""

import contextlib
import hashlib
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from trajnb import models
from trajnb.config import Config
from trajnb.training import checkpoints, optimizers

KINDS = ("bit", "byte", "cut", "empty", "zeros", "grown", "swapped blocks", "removed")
BLOCK = 4096  # bytes that a disk loses together
ROUNDS = 15


def damaged(content, kind, rng):
    """The bytes of a file after one kind of damage; None for a file that is gone."""
    harmed, at = bytearray(content), int(rng.integers(len(content)))
    if kind == "bit":
        harmed[at] ^= 1 << int(rng.integers(8))
    elif kind == "byte":
        harmed[at] = (harmed[at] + int(rng.integers(1, 256))) % 256
    elif kind == "cut":
        del harmed[at:]
    elif kind == "empty":
        harmed.clear()
    elif kind == "zeros":
        harmed[at : at + BLOCK] = bytes(len(harmed[at : at + BLOCK]))
    elif kind == "grown":
        harmed += rng.bytes(int(rng.integers(1, 100)))
    elif kind == "swapped blocks":
        size = min(BLOCK, len(content) // 2)
        harmed[:size], harmed[-size:] = content[-size:], content[:size]
    return None if kind == "removed" else bytes(harmed)


def inject(path, notices, times, rng):
    """(noticed, injected) of `times` damages to a file, each undone again; those that change nothing do not count."""
    content, noticed, injected = path.read_bytes(), 0, 0
    while injected < times:
        harmed = damaged(content, KINDS[injected % len(KINDS)], rng)
        if harmed == content:
            continue
        path.unlink() if harmed is None else path.write_bytes(harmed)
        noticed, injected = noticed + bool(notices()), injected + 1
        path.write_bytes(content)
    assert not notices(), f"{path.name} is whole, and called damaged"
    return noticed, injected


def states(times, rng):
    """Damage the newest of two checkpoints; the older one must be used."""
    with tempfile.TemporaryDirectory() as folder:
        for model in models.EXTRACTORS:
            keeper = keeper_of(model, Path(folder) / model)
            keeper.save(checkpoints.TrainState([{"step": 1, "val_loss": 1.0}]))
            path = keeper.save(checkpoints.TrainState([{"step": 2, "val_loss": 2.0}]))

            def notices(keeper=keeper):
                with contextlib.redirect_stdout(io.StringIO()):  # it names every damaged file
                    return checkpoints.newest(keeper.folder)["state"]["history"][-1]["step"] == 1

            noticed, injected = inject(path, notices, times // len(models.EXTRACTORS), rng)
            print(f"checkpoint, {model:12s} detected {noticed:5,d} of {injected:,d}", flush=True)


def keeper_of(model, folder):
    """The Checkpoints of a network whose optimizer holds all it will hold."""
    cfg = Config(model=model)
    net = models.build(cfg)
    optimizer = optimizers.build(net, cfg.lr, cfg.weight_decay)
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    return checkpoints.Checkpoints(folder, net, optimizer, cfg, {})


def costs():
    """Print what a checkpoint costs: milliseconds, the share of hashing, the share of a minute."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for model in models.EXTRACTORS:
            keeper, saved, hashed = keeper_of(model, Path(folder) / model), [], []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                path = keeper.save(checkpoints.TrainState())
                saved.append(time.perf_counter() - start)
                content = path.read_bytes()
                start = time.perf_counter()
                hashlib.sha256(content).hexdigest()
                hashed.append(time.perf_counter() - start)
                path.unlink()
            save, often = np.median(saved), keeper.cfg.checkpoint_seconds
            print(f"{model:12s} {len(content) / 1e6:5.1f} MB  {save * 1e3:6.1f} ms a save (median of {ROUNDS}", end="")
            print(f", most {max(saved) * 1e3:.0f}), hashing {np.median(hashed) / save:.1%} of it", end="")
            print(f"; {save / often:.3%} of {often:g} s")


if __name__ == "__main__":
    costs()
    states(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, np.random.default_rng(0))
