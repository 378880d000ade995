"""What the default world's numbers are fixed by, and what its clips cost: oracles, leaks, clips a second.

python benchmarks/world.py [clips]        about two minutes for the default 20,000
"""

import sys
import time

import numpy as np

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import controls, metrics, oracles
from trajnb.world import recipes, renderer

SEED = 11  # not a seed of any data set


def main(clips):
    cfg = Config(run_name="world")
    world = ClipSet(cfg, SEED, recipes.draw(cfg, SEED, np.arange(clips)))
    print(f"n {clips:,} clips, chance {1 / len(cfg.motions):.2f}")
    print(f"joint nuisance classifier  {controls.nuisance_top1(world):.4f}  (at most 0.30)")
    for oracle in (oracles.true_oracle, oracles.pixel_oracle):
        posterior_NK, future_NHx3 = oracle(world, cfg)
        top1 = (posterior_NK.argmax(axis=1) == world.label_N).mean()
        error = metrics.displacement_px(metrics.to_track(future_NHx3, cfg), world.track_NFx3[:, cfg.frames :], cfg)
        per_class = [f"{error[world.label_N == k].mean():.3f}" for k in range(len(cfg.motions))]
        print(f"{oracle.__name__:25s}  {top1:.5f}  ADE {error.mean():.3f} px, by class {' '.join(per_class)}")
    print(f"rendering                  {rate(lambda rows: world.render(rows)):,.0f} clips/s on one core")
    print(f"drawing recipes            {rate(lambda rows: recipes.draw(cfg, SEED, rows)):,.0f} clips/s on one core")
    far, near = (access_seconds(cfg, first) for first in (10**9, 0))
    print(
        f"index 10^9 against index 0 {np.median(np.array(far) / np.array(near)):.3f} of the time (median of {len(far)})"
    )


def rate(work, rounds=15, size=256):
    """Clips a second: median over rounds."""
    seconds = []
    for r in range(rounds):
        start = time.perf_counter()
        work(np.arange(r * size, (r + 1) * size))
        seconds.append(time.perf_counter() - start)
    return size / float(np.median(seconds))


def access_seconds(cfg, first, rounds=25, size=64):
    """Seconds to draw and render `size` clips from index `first`, for each round; the first one warms up."""
    seconds = []
    for r in range(rounds + 1):
        start = time.perf_counter()
        clips = ClipSet(cfg, SEED, recipes.draw(cfg, SEED, first + r * size + np.arange(size)))
        renderer.render(cfg, SEED, clips.table, clips.xyz_NFx3)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
