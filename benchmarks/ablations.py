"""Two guesses about an earlier comparison, tried: the Transformer's initialisation, SlowFast's dropout.

python benchmarks/ablations.py [SEEDS] [NAME]     three seeds of both: about 25 minutes on two cores

The Transformer trains on 4,900 clips seen twice; SlowFast on 980 clips seen ten times, so that it can
overfit. Both are validated on the same 1,500 validation clips, and on as many of their training clips as there are.
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch
from torch.nn.functional import dropout

from trajnb import data, models, training
from trajnb.config import Config

CLIPS, EPOCHS = {"transformer": 7_000, "slowfast": 1_400}, {"transformer": 2, "slowfast": 10}
SHOWN = ["val_top1", "val_loss", "val_ade_px", "train_top1", "train_loss"]


def papers_initialisation(net):
    """TimeSformer's initialisation: deviation 0.02 everywhere, temporal_fc and the moments' table at zero."""
    extractor = net.extractor
    extractor.from_scratch = False
    extractor.reset()
    extractor.from_scratch = True  # the clips stay standardised: only the initialisation differs


def papers_dropout(net):
    """SlowFast's own 0.5 before the classifier; here it falls on the grid's channels."""
    net.extractor.register_forward_hook(lambda net, inputs, output: (dropout(output[0], 0.5, net.training), output[1]))


VARIANTS = {
    "transformer": {"initialisation of nano": lambda net: None, "initialisation of the paper": papers_initialisation},
    "slowfast": {"no dropout, as in nano": lambda net: None, "dropout 0.5, as in the paper": papers_dropout},
}


def main(seeds, only):
    with tempfile.TemporaryDirectory() as folder:
        clips = clip_sets(Path(folder))
        rows = []
        for model in [only] if only else VARIANTS:
            for seed in range(seeds):
                for name, change in VARIANTS[model].items():  # in turns, so that a busy moment hits both
                    rows.append(
                        {"network": model, "variant": name, "seed": seed, **trained(model, seed, change, clips)}
                    )
                    print(pd.DataFrame(rows[-1:]).round(4).to_string(index=False, header=False), flush=True)
    table = pd.DataFrame(rows).groupby(["network", "variant"], sort=False)[SHOWN].agg(["mean", "min", "max", "count"])
    print(table.round(4).T.to_string())


def clip_sets(folder):
    """Training and validation clips of the quick run's data."""
    cfg = Config(run_name="ablations", clips=10_000)
    data.make(cfg, folder)
    return {which: data.load(cfg, which, folder) for which in ("train", "val")}


def trained(model, seed, change, clips):
    """Train one variant from one seed; its scores on validation and training clips."""
    cfg = Config(run_name="ablations", model=model, seed=seed, epochs=EPOCHS[model], clips=CLIPS[model])
    inside = clips["train"].table["index"] < cfg.clips  # a smaller data set is contained in a larger one
    train = data.ClipSet(cfg, clips["train"].seed, clips["train"].table[inside])
    net = models.build(cfg)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        change(net)
    with tempfile.TemporaryDirectory() as folder:
        training.fit(net, train, clips["val"], cfg, folder)
    some = data.ClipSet(cfg, train.seed, train.table.iloc[: len(clips["val"])])
    on_train = training.validate(net, some, cfg)
    scores = {f"train_{k}": on_train[f"val_{k}"] for k in ("top1", "loss")}
    return training.validate(net, clips["val"], cfg) | scores


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2] if len(sys.argv) > 2 else None)
