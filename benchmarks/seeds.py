"""What a spread over seeds is worth: how far training runs differ, and whether interval and rule keep their promise.

Commands  python benchmarks/seeds.py train MODEL FOLDER        about 7 x 4 minutes for the Transformer on two cores
          python benchmarks/seeds.py rule [EXPERIMENTS] [SEED_SD] [CLIPS]     1000 0.01 10000: 5 minutes on one core

train   Trains one network of the quick run on one seed in ways that differ in rounding alone (threads, and a GPU
        where there is one), and on further seeds with one thread; prints test top-1 and ADE of
        each, and both spreads. Each way is a process of its own; what FOLDER has already is not trained again.
rule    Trains nothing: it draws what training runs would predict. A clip has a difficulty, the same for all; a training
        run has a skill, normal around that of its architecture, so that top-1 has a standard deviation of SEED_SD. For
        3, 5 and 10 seeds of four architectures: how often the 95 % interval holds the true mean; how often any of four
        equal ones is called better, in top-1 or ADE, by the rule of trajnb.evaluation.seeds; and how often a true
        difference is found (a fifth as many experiments).
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from tqdm import tqdm

from trajnb import data, files, models
from trajnb.config import Config
from trajnb.evaluation import leaderboard, metrics, seeds
from trajnb.training import fit, predict

# name: (seed, device, threads)
WAYS = {"1 thread": (0, "cpu", 1), "2 threads": (0, "cpu", 2), "4 threads": (0, "cpu", 4), "GPU": (0, "cuda", 1)}
WAYS |= {f"seed {seed}": (seed, "cpu", 1) for seed in (1, 2, 3)}
QUICK = {"run_name": "quick", "clips": 10_000, "test_clips": 10_000, "epochs": 3}
EASE, SPREAD = 4.0, 2.5  # of the clips' difficulty, in logits: a mean top-1 of about 0.91
KINDS = ("a", "b", "c", "d")
GAINS = (0.0, 0.005, 0.01, 0.02, 0.04)  # in top-1, of the first kind from the three others
SAMPLE = 1_000_000  # clips over which true means are taken


def slope():
    """Change of mean top-1 for a change of skill of one logit."""
    ease_N = np.random.default_rng(0).normal(EASE, SPREAD, SAMPLE)
    return float((expit(ease_N + 0.05) - expit(ease_N - 0.05)).mean() / 0.1)


def experiment(rng, count, skills, sd, clips):
    """{architecture: Trained} of `count` seeds of each with these mean skills."""
    ease_N, kinds = rng.normal(EASE, SPREAD, clips), {}
    for name, skill in zip(KINDS, skills, strict=True):
        skill_S1 = skill + sd * rng.normal(size=(count, 1))
        right_SN = (rng.uniform(size=(count, clips)) < expit(ease_N + skill_S1)).astype(float)
        ade_SN = np.exp(rng.normal(1.2, 0.6, clips) - skill_S1 / 2) * rng.gamma(9, 1 / 9, (count, clips))
        kinds[name] = seeds.Trained(right_SN, ade_SN)
    return kinds


def trial(rng, count, skills, sd, clips, truth):
    """One experiment: whether each interval holds the truth, and which kinds were called different."""
    kinds = experiment(rng, count, skills, sd, clips)
    spread, pairs = seeds.spread(kinds["a"].top1), seeds.pairs(kinds)
    called = pairs["verdict"].isin(["first", "second"])
    found_first = pairs.loc[(pairs["score"] == "top1") & (pairs["first"] == "a"), "verdict"] == "first"
    return {
        "student": spread["low"] <= truth <= spread["high"],
        "called": called.any(),
        "below": (pairs["p"] < seeds.LEVEL).any(),
        "found": found_first.mean(),
    }


def mean_top1(skill_sd):
    """Mean top-1 of a kind whose trainings differ so much in skill."""
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
            print(f"{head} a kind {gain:.3f} better is told from each other in {share['found']:.3f}", flush=True)
        else:
            held = f"Student's t holds the mean in {share['student']:.3f}"
            false = f"any of four equal kinds called better {share['called']:.3f}, by p alone {share['below']:.3f}"
            print(f"{head} {held}; {false}", flush=True)


def train(model, folder):
    """Train `model` in every way that this machine allows, two single threads at a time, and print the two spreads."""
    folder, ways = Path(folder).resolve(), {n: w for n, w in WAYS.items() if w[1] == "cpu" or torch.cuda.is_available()}
    if not (folder / "data" / "manifest.json").is_file():
        data.make(Config(**QUICK), folder / "data")
    single = [name for name, way in ways.items() if way[2] == 1]
    for together in [*zip(single[::2], single[1::2], strict=False), *([n] for n in ways if ways[n][2] > 1)]:
        for running in [start(model, folder, name) for name in together]:
            running.wait()
    for left in single[len(single) // 2 * 2 :]:
        start(model, folder, left).wait()
    rows = {name: files.read_json(folder / model / name / "scores.json") for name in ways}
    table = pd.DataFrame(rows).T
    print(table.round(4).to_string())
    by_seed = table.index.str.startswith("seed") | (table.index == "1 thread")
    for what, part in {
        "rounding alone, seed 0": table[table["seed"] == 0],
        "seeds, one thread": table[by_seed],
    }.items():
        for score in ("top1", "ade_px"):
            one = part[score]
            print(f"{model}, {what}: {score} {one.min():.4f} to {one.max():.4f}, sd {one.std():.4f}, n {len(one)}")


def start(model, folder, name):
    """A process that trains in one way; none is started for what is there."""
    environment = os.environ | {"OMP_NUM_THREADS": str(WAYS[name][2]), "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen([sys.executable, __file__, "one", model, str(folder), name], env=environment)


def one(model, folder, name):
    """Train in one way, and write its scores on test clips."""
    (seed, device, threads), mine = WAYS[name], Path(folder) / model / name
    if (mine / "scores.json").is_file():
        return
    cfg = Config(**QUICK, model=model, seed=seed, device=device, threads=threads)
    clips = {which: data.load(cfg, which, Path(folder) / "data") for which in ("train", "val", "test")}
    net = models.build(cfg)
    history = fit(net, clips["train"], clips["val"], cfg, mine)
    found = leaderboard.said_by(predict(net, clips["test"], cfg))
    error = metrics.displacement_px(found.track_NHx3, clips["test"].track_NFx3[:, cfg.frames :], cfg).mean()
    scores = {"seed": seed, "top1": metrics.top1(found.prob_NK, clips["test"].label_N), "ade_px": float(error)}
    files.write_json(mine / "scores.json", scores | {"val_top1": history[-1]["val_top1"]})


if __name__ == "__main__":
    command, *words = sys.argv[1:] or ["rule"]
    if command == "rule":
        rule(*(kind(word) for kind, word in zip((int, float, int), words, strict=False)))
    else:
        {"train": train, "one": one}[command](*words)
