"""What a training costs to begin, to hold and to step when its set of clips grows: ratios to 10,000 clips.

python benchmarks/scale.py FOLDER [REPEATS] [MODEL]     5, i3d: a quarter of an hour on one core, a third of it drawing

Each training is a process of its own and holds no rendered clips, as where they do not fit into memory; `held` is the
usual training on 10,000 clips, which does. In every repeat the processes start one after another, then take their steps
in turns. Start-up is from the command to the end of the first step, imports included (`without imports`: from
data.load on); memory is what is resident after the last step. FOLDER keeps the tables of recipes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

STEPS, WARM_UP = 30, 3
COLUMNS = ["start-up", "without imports", "memory", "step"]
KINDS = {  # clips, first index, whether rendered clips are held
    "10,000": (10_000, 0, False),
    "100,000": (100_000, 0, False),
    "1,000,000": (1_000_000, 0, False),
    "10,000 from index 10^12": (10_000, 10**12, False),
    "10,000, held": (10_000, 0, True),
}


def main(folder, repeats=5, model="i3d"):
    for count, first, held in KINDS.values():
        if not held and not (Path(folder) / f"{count}-{first}" / "manifest.json").is_file():
            subprocess.run([sys.executable, __file__, "draw", folder, str(count), str(first)], check=True)
    rows = []
    for repeat in range(int(repeats)):
        rows += [row | {"repeat": repeat} for row in measure(folder, model, repeat)]
        report(pd.DataFrame(rows))


def measure(folder, model, repeat):
    """Start all trainings, in another order each time, let them step in turns; a row for each."""
    running, rows, kinds = {}, {}, [*KINDS.items()]
    for kind, (count, first, held) in kinds[repeat % len(kinds) :] + kinds[: repeat % len(kinds)]:
        begin = time.perf_counter()
        command = [sys.executable, __file__, "train", folder, str(count), str(first), str(int(held)), model]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        one = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
        running[kind] = subprocess.Popen(command, env=os.environ | one, **pipes)
        loading, _ = step(running[kind])
        rows[kind] = {"kind": kind, "start-up": time.perf_counter() - begin, "without imports": loading}
    seconds = pd.DataFrame([{kind: step(process)[1] for kind, process in running.items()} for _ in range(STEPS)])
    for kind, process in running.items():
        rows[kind]["memory"] = psutil.Process(process.pid).memory_info().rss
        rows[kind]["step"] = seconds[kind][WARM_UP:].median()
        process.kill()
        process.communicate()
    return rows.values()


def step(process):
    """Let a training take one step: seconds since it began to load, seconds of the step."""
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def train(folder, count, first, held, model):
    """A training that takes a step for every line it reads."""
    from trajnb import config, data, models
    from trajnb.config import Config
    from trajnb.training import fit

    loop, begin, answers = sys.modules["trajnb.training.fit"], time.perf_counter(), sys.stdout
    planned, sys.stdout = loop.planned, sys.stderr  # where progress goes

    def in_turns(*arguments):
        steps = planned(*arguments)
        while sys.stdin.readline():
            start = time.perf_counter()
            yield next(steps)
            print(json.dumps([time.perf_counter() - begin, time.perf_counter() - start]), file=answers, flush=True)
        raise SystemExit

    loop.planned, config.HELD = in_turns, config.HELD * int(held)
    cfg = Config(run_name="scale", clips=int(count), test_clips=40, epochs=1, model=model, device="cpu", threads=1)
    train_set, val_set = (data.load(cfg, which, Path(folder) / f"{count}-{first}") for which in ("train", "val"))
    with tempfile.TemporaryDirectory() as place:
        fit(models.build(cfg), train_set, val_set, cfg, place)


def draw(folder, count, first):
    """Draw the recipes of clips from index `first` on."""
    from trajnb import data
    from trajnb.config import Config
    from trajnb.world import recipes

    plain, start = recipes.draw, time.perf_counter()
    recipes.draw = lambda cfg, seed, index_N: plain(cfg, seed, index_N + int(first))
    data.make(Config(run_name="scale", clips=int(count), test_clips=40), Path(folder) / f"{count}-{first}")
    seconds, peak = time.perf_counter() - start, psutil.Process().memory_info().rss / 1e6
    print(
        f"{count} recipes from {first} on: {int(count) / seconds:,.0f} a second, {peak:,.0f} MB at the end", flush=True
    )


def report(table):
    """Ratios to 10,000 clips of the same repeat: median, lowest to highest."""
    base = table[table["kind"] == "10,000"].set_index("repeat")[COLUMNS]
    ratio = table.set_index("kind")[COLUMNS] / base.loc[table["repeat"]].to_numpy()
    print(f"\n{len(base)} repeats; {base['memory'].median() / 1e6:,.0f} MB resident with 10,000 clips")
    for kind, part in ratio.groupby("kind", sort=False):
        words = (f"{name} {one.median():.3f} ({one.min():.3f} to {one.max():.3f})" for name, one in part.items())
        print(f"{kind:24s} {', '.join(words)}", flush=True)


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    {"draw": draw, "train": train}.get(name, lambda *more: main(name, *more))(*words)
