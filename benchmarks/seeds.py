"""What a spread over seeds is worth: how far training runs differ, and whether interval and rule keep their promise.

Commands  python benchmarks/seeds.py train MODEL FOLDER [WAY...]   about 6 x 4 minutes for the Transformer on two cores
          python benchmarks/seeds.py rule [EXPERIMENTS] [SEED_SD] [CLIPS]     1000 0.01 10000: 5 minutes on one core

train   Trains one network of the quick run, in float32, on one seed in ways that differ in rounding alone, and on
        further seeds; prints test top-1 and ADE of each, and both spreads. A way is SEED:DEVICE:THREADS, as in
        0:cuda:1. Each is a process of its own, as many at a time as there are cores; what FOLDER has already is not
        trained again.
rule    Trains nothing: it draws what training runs would predict. A clip has a difficulty, the same for all; a training
        run has a skill, normal around that of its architecture, so that top-1 has a standard deviation of SEED_SD. For
        3, 5 and 10 seeds of four architectures: how often the 95 % interval holds the true mean; how often any of four
        equal ones is called better, in top-1 or ADE, by the rule of trajnb.evaluation.statistics; and how often a true
        difference is found (a fifth as many experiments).
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from tqdm import tqdm

from trajnb import ROOT, data, files, models
from trajnb.config import Config
from trajnb.evaluation import metrics, predictions, statistics
from trajnb.training import fit, predict

WAYS = ("0:cpu:1", "0:cpu:2", "0:cpu:4", "1:cpu:1", "2:cpu:1", "3:cpu:1")  # SEED:DEVICE:THREADS
QUICK = Config.from_files([ROOT / "params" / "quick.yaml"], {"precision": "float32"})
EASE, SPREAD = 4.0, 2.5  # of the clips' difficulty, in logits: a mean top-1 of about 0.91
ARCHITECTURES = ("a", "b", "c", "d")
GAINS = (0.0, 0.005, 0.01, 0.02, 0.04)  # in top-1, of the first architecture over the three others
SAMPLE = 1_000_000  # clips over which true means are taken


def slope():
    """Change of mean top-1 for a change of skill of one logit."""
    ease_N = np.random.default_rng(0).normal(EASE, SPREAD, SAMPLE)
    return float((expit(ease_N + 0.05) - expit(ease_N - 0.05)).mean() / 0.1)


def experiment(rng, count, skills, sd, clips):
    """{architecture: SeedScores} of `count` seeds of each with these mean skills."""
    ease_N, architectures = rng.normal(EASE, SPREAD, clips), {}
    for name, skill in zip(ARCHITECTURES, skills, strict=True):
        skill_S1 = skill + sd * rng.normal(size=(count, 1))
        correct_SN = (rng.uniform(size=(count, clips)) < expit(ease_N + skill_S1)).astype(float)
        ade_SN = np.exp(rng.normal(1.2, 0.6, clips) - skill_S1 / 2) * rng.gamma(9, 1 / 9, (count, clips))
        architectures[name] = statistics.SeedScores(correct_SN, ade_SN)
    return architectures


def trial(rng, count, skills, sd, clips, truth):
    """One experiment: whether each interval holds the truth, and which architectures were called different."""
    architectures = experiment(rng, count, skills, sd, clips)
    spread, pairs = statistics.spread(architectures["a"].top1), statistics.seed_pairs(architectures)
    called = pairs["verdict"].isin(["first", "second"])
    found_first = pairs.loc[(pairs["score"] == "top1") & (pairs["first"] == "a"), "verdict"] == "first"
    return {
        "student": spread["low"] <= truth <= spread["high"],
        "called": called.any(),
        "below": (pairs["p"] < statistics.ALPHA).any(),
        "found": found_first.mean(),
    }


def mean_top1(skill_sd):
    """Mean top-1 of an architecture whose training runs differ so much in skill."""
    rng = np.random.default_rng(0)
    return float(expit(rng.normal(EASE, SPREAD, SAMPLE) + skill_sd * rng.normal(size=SAMPLE)).mean())


def rule(experiments=1000, sd=0.01, clips=10000):
    """What interval and rule hold, by simulation."""
    per_logit, turns = slope(), {gain: experiments if gain == 0 else max(experiments // 5, 1) for gain in GAINS}
    truth = mean_top1(sd / per_logit)
    for count, gain in itertools.product((3, 5, 10), GAINS):
        rng, skills = np.random.default_rng((count, int(1e4 * gain))), (gain / per_logit, 0, 0, 0)
        bar = tqdm(range(turns[gain]), mininterval=10, desc=f"{count} seeds, {gain} better")
        share = pd.DataFrame(trial(rng, count, skills, sd / per_logit, clips, truth) for _ in bar).mean()
        head = f"{count} seeds, {turns[gain]} experiments:"
        if gain:
            print(
                f"{head} an architecture {gain:.3f} better is called better than each other in {share['found']:.3f}",
                flush=True,
            )
        else:
            held = f"Student's t holds the mean in {share['student']:.3f}"
            false = (
                f"any of four equal architectures called better {share['called']:.3f}, by p alone {share['below']:.3f}"
            )
            print(f"{head} {held}; {false}", flush=True)


def train(model, folder, *ways):
    """Train `model` in each way, as many at a time as the cores allow, and print the two spreads."""
    folder, ways = Path(folder).resolve(), ways or WAYS
    if not (folder / "data" / "manifest.json").is_file():
        data.make(QUICK, folder / "data")
    cores = len(os.sched_getaffinity(0))
    running = []
    for way in sorted(ways, key=threads_of):
        while running and sum(threads for threads, _ in running) + threads_of(way) > cores:
            running.pop(0)[1].wait()
        running.append((threads_of(way), start(model, folder, way)))
    for _, process in running:
        process.wait()
    table = pd.DataFrame({way: files.read_json(place(folder, model, way) / "scores.json") for way in ways}).T
    print(table.round(4).to_string())
    spread(model, "rounding alone, seed 0", table[table["seed"] == 0])
    for how, part in table.groupby(table.index.str.split(":", n=1).str[1]):
        spread(model, f"seeds, {how}", part)


def spread(model, what, table):
    """Print lowest, highest and standard deviation of both scores."""
    for score in ("top1", "ade_px") if len(table) > 1 else ():
        one = table[score]
        print(f"{model}, {what}: {score} {one.min():.4f} to {one.max():.4f}, sd {one.std():.4f}, n {len(one)}")


def threads_of(way):
    """Threads of a way."""
    return int(way.split(":")[2])


def place(folder, model, way):
    """Where a way keeps its training."""
    return Path(folder) / model / way.replace(":", "-")


def start(model, folder, way):
    """A process that trains in one way."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads_of(way)), "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen([sys.executable, __file__, "one", model, str(folder), way], env=environment)


def one(model, folder, way):
    """Train in one way, and write its scores on test clips; what is there stays."""
    (seed, device, threads), mine = way.split(":"), place(folder, model, way)
    if (mine / "scores.json").is_file():
        return
    cfg = QUICK.replace(model=model, seed=int(seed), device=device, threads=int(threads))
    clips = {which: data.load(cfg, which, Path(folder) / "data") for which in ("train", "val", "test")}
    net = models.build(cfg)
    history = fit(net, clips["train"], clips["val"], cfg, mine)
    predicted = predictions.from_output(predict(net, clips["test"], cfg))
    error = metrics.displacement_px(predicted.track_NHx3, clips["test"].track_NFx3[:, cfg.frames :], cfg).mean()
    scores = {"seed": int(seed), "top1": metrics.top1(predicted.prob_NK, clips["test"].label_N), "ade_px": float(error)}
    files.write_json(mine / "scores.json", scores | {"val_top1": history[-1]["val_top1"]})


if __name__ == "__main__":
    command, *words = sys.argv[1:] or ["rule"]
    if command == "rule":
        rule(*(kind(word) for kind, word in zip((int, float, int), words, strict=False)))
    else:
        {"train": train, "one": one}[command](*words)
