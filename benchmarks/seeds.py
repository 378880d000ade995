"""What the statistics over seeds are worth: do intervals cover, is a kind called better than its like, what is found.

Command   python benchmarks/seeds.py [EXPERIMENTS] [SEED_SD] [CLIPS]     1000 0.01 10000: 20 minutes on one core

Each experiment trains nothing: it draws what trainings would answer. A clip has a difficulty, the same for all; a
training has a skill, normal around that of its kind, so that top-1 has a standard deviation of SEED_SD over trainings.
For 3, 5 and 10 seeds of four kinds: how often the 95 % intervals hold the true mean; how often any of four equal kinds
is called better than another, in top-1 or ADE, by the rule of trajnb.evaluation.seeds; and how often a true difference
is found (a fifth as many experiments).
"""

import itertools
import sys

import numpy as np
import pandas as pd
from scipy.special import expit
from tqdm import tqdm

from trajnb.evaluation import seeds

EASE, SPREAD = 4.0, 2.5  # of the clips' difficulty, in logits: a mean top-1 of about 0.91
KINDS, CLASSES = ("a", "b", "c", "d"), 4
GAINS = (0.0, 0.005, 0.01, 0.02, 0.04)  # in top-1, of the first kind from the three others
SAMPLE = 1_000_000  # clips over which true means are taken


def slope():
    """Change of mean top-1 for a change of skill of one logit."""
    ease_N = np.random.default_rng(0).normal(EASE, SPREAD, SAMPLE)
    return float((expit(ease_N + 0.05) - expit(ease_N - 0.05)).mean() / 0.1)


def experiment(rng, count, skills, sd, clips):
    """({kind: Trained}, labels) of `count` seeds of each kind with these mean skills."""
    ease_N, label_N = rng.normal(EASE, SPREAD, clips), np.arange(clips) % CLASSES
    kinds = {}
    for name, skill in zip(KINDS, skills, strict=True):
        skill_S1 = skill + sd * rng.normal(size=(count, 1))
        right_SN = (rng.uniform(size=(count, clips)) < expit(ease_N + skill_S1)).astype(float)
        ade_SN = np.exp(rng.normal(1.2, 0.6, clips) - skill_S1 / 2) * rng.gamma(9, 1 / 9, (count, clips))
        kinds[name] = seeds.Trained(right_SN, ade_SN)
    return kinds, label_N


def trial(rng, count, skills, sd, clips, truth):
    """One experiment: whether each interval holds the truth, and which kinds were called different."""
    kinds, label_N = experiment(rng, count, skills, sd, clips)
    drawn = seeds.resampled(seeds.by_score(kinds), label_N)
    spread = seeds.spread(kinds["a"].top1.mean(axis=1), drawn["a", "top1"])
    found = {name: spread[f"{name}low"] <= truth <= spread[f"{name}high"] for name in ("", "t_")}
    pairs = seeds.pairs(kinds, drawn)
    called = pairs["verdict"].isin(["first", "second"])
    found_first = pairs.loc[(pairs["score"] == "top1") & (pairs["first"] == "a"), "verdict"] == "first"
    return {
        "bootstrap": found[""],
        "student": found["t_"],
        "called": called.any(),
        "below": (pairs["p"] < seeds.LEVEL).any(),
        "found": found_first.mean(),
    }


def mean_top1(skill_sd):
    """Mean top-1 of a kind whose trainings differ so much in skill."""
    rng = np.random.default_rng(0)
    return float(expit(rng.normal(EASE, SPREAD, SAMPLE) + skill_sd * rng.normal(size=SAMPLE)).mean())


def main(experiments=1000, sd=0.01, clips=10000):
    seeds.RESAMPLES = 200
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
            held = f"bootstrap holds the mean in {share['bootstrap']:.3f}, Student's t in {share['student']:.3f}"
            false = f"any of four equal kinds called better {share['called']:.3f}, by p alone {share['below']:.3f}"
            print(f"{head} {held}; {false}", flush=True)


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((int, float, int), sys.argv[1:], strict=False)))
