"""What more data buys: test error of the networks against the number of distinct clips, and a power law through it.

python benchmarks/learning_curves.py FOLDER [MODEL...]     what FOLDER has already is not trained again

The clips are those of params/scale.yaml, 30,000. Each network is trained on 1/30, 1/10, 1/3 and all of them, smaller
sets within larger ones, from each seed, in two ways: `equal` sees as many clips at every size (30 epochs of the
smallest set, one of the largest), `growing` sees every clip once. Writes scores.csv, laws.csv and learning_curves.png
into FOLDER, where compare_runs finds them: means with Student's 95 % intervals over seeds, and the exponent b of
error = a * clips^-b with its own, over all training runs; `misfit` is the largest factor between a mean and the law.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator
from scipy.stats import linregress, t

from trajnb import ROOT, data, files, models
from trajnb.config import Config
from trajnb.evaluation import metrics, predictions, statistics
from trajnb.evaluation.verdict import name
from trajnb.figures import style
from trajnb.training import fit, predict

PARTS = (30, 10, 3, 1)  # of which one is taken
GROWING = 1  # epochs of each set, whatever its size
SCORES = {"error": "test error, 1 - top-1", "ade_px": "ADE, px"}
WAYS = {"equal": "as many clips seen at every size", "growing": "every clip seen once"}


def main(folder, *names):
    folder, params = Path(folder), ROOT / "params" / "scale.yaml"
    cfg = Config.from_files([params])
    if not (folder / "data" / "manifest.json").is_file():
        data.make(cfg, folder / "data")
    clips = {which: data.in_memory(data.load(cfg, which, folder / "data")) for which in ("train", "val", "test")}
    rows = []
    for way, model, seed in itertools.product(WAYS, names or cfg.models, range(cfg.seeds)):
        own = Config.from_files([params, ROOT / "params" / "models" / f"{model}.yaml"], {"seed": seed})
        for part in PARTS:
            epochs = part * cfg.epochs if way == "equal" else GROWING
            one = own.replace(clips=cfg.clips // part, epochs=epochs)
            rows.append({"way": way} | trained(one, clips, folder / f"{model}-{one.clips}-{epochs}-s{seed}"))
            files.write_csv(folder / "scores.csv", pd.DataFrame(rows))
    report(pd.DataFrame(rows), folder)


def trained(cfg, clips, folder):
    """Scores on all test clips of a network trained on the first cfg.clips clips; made once."""
    if not (folder / "scores.json").is_file():
        part = {w: clips[w].take(np.flatnonzero(clips[w].table["index"] < cfg.clips)) for w in ("train", "val")}
        net = models.build(cfg)
        history = fit(net, part["train"], part["val"], cfg, folder)
        predicted = predictions.from_output(predict(net, clips["test"], cfg))
        scores = {"model": cfg.model, "seed": cfg.seed, "clips": len(part["train"]), "seen": history[-1]["clips_seen"]}
        scores |= {"error": 1 - float(metrics.top1(predicted.prob_NK, clips["test"].label_N))}
        scores |= {"ade_px": float(metrics.error_px(predicted, clips["test"]).mean())}
        files.write_json(folder / "scores.json", scores | {"train_top1": history[-1]["train_top1"]})
    return files.read_json(folder / "scores.json")


def power_law(clips_N, value_N):
    """a, b, and half of b's 95 % interval, of value = a * clips^-b, fitted to the logarithms."""
    line = linregress(np.log(clips_N), np.log(value_N))
    return np.exp(line.intercept), -line.slope, t.ppf(0.975, len(clips_N) - 2) * line.stderr


def law_of(part, score):
    """A row of laws.csv: means with intervals at every size, the law and how far off it is."""
    by_size = part.groupby("clips")[score]
    mean, (a, b, half) = by_size.mean(), power_law(part["clips"], part[score])
    row = {"n": len(part)}
    for size, values in by_size:
        low, high = statistics.student_interval(values)
        row[f"{size:,} clips"] = f"{values.mean():.4f} ({low:.4f} to {high:.4f})"
    return row | {"a": a, "b": b, "b_half": half, "misfit": np.exp(np.abs(np.log(mean / (a * mean.index**-b))).max())}


def report(table, folder):
    """Print and write means and laws, and draw them."""
    kinds = table.groupby(["way", "model"], sort=False)
    laws = {(*kind, score): law_of(part, score) for kind, part in kinds for score in SCORES}
    laws = pd.DataFrame(laws).T.rename_axis(["way", "model", "score"])
    files.write_csv(folder / "laws.csv", laws.reset_index())
    print(laws.to_markdown())
    figure, axes = style.panels(len(SCORES), len(WAYS), 4.2, 3.2, sharex=True, sharey="row")
    for (way, model, score), law in laws.iterrows():
        axis, colour = axes[[*SCORES].index(score), [*WAYS].index(way)], style.COLOURS[model]
        part = table[(table["way"] == way) & (table["model"] == model)]
        axis.plot(part["clips"], part[score], "o", color=colour, alpha=0.6, markersize=4)
        size, label = np.unique(part["clips"]), f"{name(model)}, b {law['b']:.2f} ± {law['b_half']:.2f}"
        axis.plot(size, law["a"] * size ** -law["b"], color=colour, label=label)
    for (i, score), (j, way) in itertools.product(enumerate(SCORES), enumerate(WAYS)):
        axes[i, j].set(xscale="log", yscale="log", ylabel=SCORES[score] if j == 0 else "")
        axes[i, j].set(title=WAYS[way] if i == 0 else "", xlabel="distinct training clips" if i else "")
        axes[i, j].legend(frameon=False)
        axes[i, j].set_xticks(sizes := np.unique(table["clips"]), [f"{size:,}" for size in sizes])
        axes[i, j].xaxis.set_minor_formatter("")
        axes[i, j].yaxis.set_major_formatter("{x:g}")
        axes[i, j].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[i, j].yaxis.set_minor_formatter("")
    files.write_bytes(folder / "learning_curves.png", style.png(figure))


if __name__ == "__main__":
    main(*sys.argv[1:])
