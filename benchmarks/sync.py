"""Pushing a run through a bad network, to a dead remote, and through kills: nothing wrong may arrive without a word.

python benchmarks/sync.py [TRANSFERS] [ROUNDS] [KILLS]     1000, 6, 30: about fifteen minutes, one core

1. Against an S3 server (moto, on loopback) behind a proxy that breaks one request in ten: errors, resets, halved
   uploads and downloads, uploads that are only said to be done, bodies of another object of the same size. Files that
   change but keep their size are pushed, pushes are broken off and gone on with; what is pulled is compared.
2. Training clips/s while a pusher cannot reach its remote, as a ratio to the same training alone, in turns.
3. A process that writes checkpoints and the pusher beside it, killed (SIGKILL): one, the other, or both.
"""

import contextlib
import io
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import tenacity

from trajnb import ROOT, files
from trajnb.config import Config
from trajnb.runs import provenance, remote, status, sync

sys.path.insert(0, str(ROOT / "tests"))
import s3

RUN = "bench"
SIZES = [("run.json", 500), ("a/history.csv", 900), ("a/p.parquet", 30_000), ("a/checkpoints/last.pt", 60_000)]
SIZES += [("b/history.csv", 900), ("b/final.safetensors", 20_000)]


def change(folder, rng):
    """Give a run's files new contents of the same size, some of them each time."""
    for name, size in SIZES:
        if not (folder / name).exists() or rng.random() < 0.5:
            files.write_bytes(folder / name, b"[" + rng.randbytes(size // 2).hex().encode()[: size - 2] + b"]")


def contents(folder):
    """{path: bytes} of a run's files."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in provenance.every(folder)}


def transfers(wanted, rate=0.1, seed=0):
    """Push and pull through a proxy with faults; Counter of what passed, what was broken, and what came out wrong."""
    for call in (remote.Remote.put, remote.Remote.get, remote.Remote.index, remote.Remote.sweep):
        call.retry.wait = tenacity.wait_none()  # the proxy is as bad a moment later
    rng, found = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as folder, s3.server() as port:
        proxy = s3.Proxy(port, rate, seed)
        os.environ |= s3.environment(proxy.url)
        url, here = f"s3://{s3.BUCKET}/{RUN}", Path(folder) / "here" / RUN
        while proxy.seen["transfers"] < wanted:
            change(here, rng)
            os.environ["TRAJNB_OUTPUTS"] = str(Path(folder) / "there")
            cut = rng.random() < 0.3
            push(sync.Mirror(url, here), proxy, rng, cut, found)
            fetch(url, contents(here), found, cut)
        proxy.shutdown()
        return found + proxy.seen


def push(mirror, proxy, rng, cut, found):
    """Push until it says that all is there; broken off once on the way if `cut`, and gone on with by another."""
    if cut:
        found["pushes broken off"] += 1
        proxy.dies_after = proxy.seen["transfers"] + rng.randrange(1, 8)
    for _ in range(50):
        try:
            with contextlib.ExitStack() as held:
                mirror.look(held, last=True)
            found["pushes said to be whole"] += 1
            return
        except OSError:
            found["pushes that said they failed"] += 1
            proxy.dies_after = None
            mirror = sync.Mirror(mirror.url, mirror.run_dir)
    raise AssertionError("a push failed 50 times")


def fetch(url, expected, found, cut):
    """Pull; count the files that are not what was pushed although the pull said that all went well."""
    for _ in range(50):
        try:
            run_dir, *_ = remote.pull(url)
        except OSError:
            found["pulls that said they failed"] += 1
            continue
        got = contents(run_dir)
        found["pulls said to be whole"] += 1
        found["files compared"] += len(expected)
        found["wrong and undetected"] += sum(got.get(name) != content for name, content in expected.items())
        if cut:
            shutil.rmtree(run_dir)  # the next one fetches all again
        return
    raise AssertionError("a pull failed 50 times")


def trainer():
    """Trains I3D nano in a folder for about half a minute, as a run would: trainer()(folder) are its clips/s."""
    from trajnb import models
    from trajnb.data import ClipSet
    from trajnb.training import fit
    from trajnb.world import recipes

    cfg = Config(run_name=RUN, model="i3d", epochs=2, checkpoint_seconds=1.0)
    train, val = (ClipSet(cfg, seed, recipes.draw(cfg, seed, np.arange(n))) for seed, n in ((41, 2048), (42, 64)))

    def speed(folder):
        with contextlib.redirect_stdout(io.StringIO()):
            history = fit(models.build(cfg), train, val, cfg, folder / "train-i3d")
        return statistics.mean(row["clips_per_second"] for row in history)

    return speed


def dead_remote(rounds):
    """Ratios of training clips/s beside a pusher whose remote is dead to those alone, in turns, one ratio a round.

    Both are timed once the pusher has found out, so its start (about a second of one core a run) is not in them.
    """
    os.environ |= s3.environment(f"http://127.0.0.1:{s3.free_port()}")
    speed, ratios = trainer(), []
    for number in range(rounds):
        found = {}
        for beside in (number % 2 == 0, number % 2 == 1):
            with tempfile.TemporaryDirectory() as folder:
                run_dir = files.write_text(Path(folder) / RUN / "run.json", "{}").parent
                pusher = sync.start(f"s3://{s3.BUCKET}/{RUN}", run_dir) if beside else None
                while pusher and status_of(run_dir) != "behind":
                    time.sleep(0.1)
                found[beside] = speed(run_dir)
                if pusher:
                    assert status_of(run_dir) == "behind" and pusher.poll() is None
                    pusher.kill()
                    pusher.wait()
        ratios.append(found[True] / found[False])
        print(f"clips/s beside a dead remote {found[True]:.1f}, alone {found[False]:.1f}", flush=True)
    return ratios


def status_of(run_dir):
    """What the pusher says of itself; "" before it has said anything."""
    path = run_dir / status.SYNC
    return files.read_json(path)["state"] if path.is_file() else ""


WRITE = """
import itertools, sys, time
from pathlib import Path
from trajnb import files
folder = Path(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    files.write_bytes(folder / "train" / "checkpoints" / "last.pt", b"%08d" % number * 20_000)
    files.write_text(folder / "run.json", '{"stages": {}, "number": %d}' % number)
    time.sleep(2.5)
"""
PUSH = "import sys; from trajnb.runs import sync; sync.BETWEEN_LOOKS_S = 0.05; sync.main(*sys.argv[1:])"


def kills(wanted, seed=0):
    """Counter of what had arrived when a writer, its pusher or both were killed: newest, one before, older, broken."""
    rng, found, number = random.Random(seed), Counter(), 1
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder) / "here" / RUN, Path(folder) / "remote" / RUN
        os.environ["TRAJNB_OUTPUTS"] = str(Path(folder) / "pulled")
        for turn in range(wanted):
            who = ("trainer", "pusher", "both")[turn % 3]
            writer = subprocess.Popen([sys.executable, "-c", WRITE, str(here), str(number)], cwd=ROOT)
            pusher = subprocess.Popen(
                [sys.executable, "-c", PUSH, there.as_uri(), str(here)], cwd=ROOT, stdin=subprocess.PIPE
            )
            first = latest_index(there)
            while latest_index(there) == first:  # until this pusher has begun
                time.sleep(0.05)
            time.sleep(6 * rng.random())
            for process in {"trainer": [writer], "pusher": [pusher], "both": [pusher, writer]}[who]:
                process.send_signal(signal.SIGKILL)
                process.wait()
            newest = latest(here)
            if who == "trainer":  # the runner has gone with it, and with it the pusher's standard input
                pusher.stdin.close()
                pusher.wait(60)
            found[f"{who}: {arrived(there, newest)}"] += 1
            for process in (writer, pusher):
                process.kill()
                process.wait()
            number = latest(here) + 1
    return found


def latest_index(there):
    """The index that lies at a folder, as text; "" where there is none."""
    path = there / "index.json"
    return path.read_text() if path.is_file() else ""


def latest(folder):
    return int((folder / "train" / "checkpoints" / "last.pt").read_bytes()[:8])


def arrived(there, newest):
    """How the pulled checkpoint stands to the newest that there was."""
    try:
        run_dir, *_ = remote.pull(there.as_uri())
        content = (run_dir / "train" / "checkpoints" / "last.pt").read_bytes()
    except OSError:
        return "broken"
    if content != content[:8] * 20_000:
        return "broken"
    return {0: "newest", 1: "newest but one"}.get(newest - int(content[:8]), "older")


def main(wanted="1000", rounds="6", killed="30"):
    found = transfers(int(wanted))
    for name, count in found.items():
        print(f"{name}: {count}")
    print(f"wrong and undetected / transfers: {found['wrong and undetected']} / {found['transfers']}", flush=True)
    ratios = dead_remote(int(rounds))
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}" if ratios else ""
    middle = statistics.median(ratios) if ratios else float("nan")
    print(f"training clips/s, dead remote to none: median {middle:.3f} ({spread}, {len(ratios)} rounds)", flush=True)
    ends = kills(int(killed))
    for name, count in sorted(ends.items()):
        print(f"killed {name}: {count}")
    return found["wrong and undetected"] + sum(n for name, n in ends.items() if name.endswith(("broken", "older")))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
