"""What can be had without a video network: every control on new clips, beside the oracles.

python benchmarks/controls.py [TRAINING CLIPS] [TEST CLIPS]     a minute or two for 7,000 and 10,000
python benchmarks/controls.py RUN     a run's networks on its validation clips with frames in order, shuffled, reversed
"""

import sys
import time

import numpy as np
import pandas as pd

from trajnb import data, files
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import controls, leaderboard, trackers
from trajnb.evaluation.leaderboard import Said
from trajnb.world import recipes

SEEDS = {"train": 21, "val": 22, "test": 23}  # no seeds of any data set


def main(learned, tested):
    cfg, start = Config(run_name="controls"), time.monotonic()
    sizes = {"train": learned, "val": max(200, learned // 5), "test": tested}
    train, val, test = (ClipSet(cfg, SEEDS[k], recipes.draw(cfg, SEEDS[k], np.arange(n))) for k, n in sizes.items())
    known = leaderboard.baselines(train, val, test, cfg)
    rows = [
        {"control": name, **leaderboard.scores(said, test, cfg)}
        for name, said in (said_by(train, val, test) | known).items()
    ]
    shown = ["control", "test_top1", "test_top1_low", "test_top1_high", "ade_px", "fde_px"]
    print(pd.DataFrame(rows)[shown].round(4).to_string(index=False))
    print(f"n {tested:,} new clips, learned from {learned:,}; {time.monotonic() - start:.0f} s")


def said_by(train, val, test):
    """{name: Said} of the controls that the leaderboard does not show."""
    pictures = controls.picture_controls(train, test)
    track_NTx3, horizon = trackers.measured(test), test.cfg.horizon
    noise = trackers.best_noise(trackers.measured(val), val)
    print(
        f"Kalman filter: acceleration's noise {noise:g} measurement variances, chosen on {len(val):,} validation clips"
    )
    return {
        "majority": Said(controls.majority(train, test)),
        **{name: Said(prob_NK) for name, prob_NK in pictures.items()},
        "kinematic features, true path": Said(controls.kinematic(train, test)),
        "constant_acceleration": Said(None, trackers.constant_acceleration(track_NTx3, horizon)),
        "kalman": Said(None, trackers.kalman(track_NTx3, horizon, noise)),
    }


def reordered(run_name):
    """Print what a run's networks say of validation clips whose frames stand in another order."""
    run = files.read_json(Config(run_name=run_name).run_dir / "run.json")
    cfg, rows = Config(**run["parameters"]), []
    val = data.load(cfg, "val")
    for model, trainings in leaderboard.trainings(cfg).items():
        for how, clips in {
            "in order": val,
            **{h: controls.Reordered(val, h) for h in ("shuffled", "reversed")},
        }.items():
            scores = leaderboard.scores(leaderboard.network(trainings[0], clips), val, cfg)
            rows.append({"network": model, "frames": how, **scores})
    shown = ["network", "frames", "test_top1", "test_top1_low", "test_top1_high", "ade_px"]
    print(
        pd.DataFrame(rows)[shown]
        .round(4)
        .rename(columns=lambda name: name.removeprefix("test_"))
        .to_string(index=False)
    )
    print(f"n {len(val):,} validation clips, one training each")


if __name__ == "__main__" and len(sys.argv) == 2 and not sys.argv[1].isdigit():
    reordered(sys.argv[1])
elif __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7_000, int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
