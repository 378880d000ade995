"""When a helix cannot be told from a circle: oracles on both, by the angle of the axis to the optical axis.

python benchmarks/helix.py [CLIPS]        about a minute for the default 4,000

Both are filmed with class_margin_px 0, so that helices whose image is an ellipse are not refused. The pixel oracle
measures centre and apparent size; "path alone" is the same oracle without size, hence without depth.
"""

import sys

import numpy as np
import pandas as pd

from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import metrics, oracles
from trajnb.world import families, motions, philox, recipes

SEED = 31  # not a seed of any data set
NO_SIZE = 50.0  # deviation of log depth that says nothing
EDGES_DEG = (0, 10, 20, 30, 40, 50, 60)


def main(count):
    cfg = Config(run_name="helix", motions=["circular", "helical"], class_margin_px=0.0)
    clips = ClipSet(cfg, SEED, recipes.draw(cfg, SEED, np.arange(count)))
    uv_NTx2, z_NT = oracles.measured_track(clips, cfg)
    posteriors = {
        "true oracle": oracles.true_oracle(clips, cfg)[0],
        "pixel oracle": oracles.infer(uv_NTx2, z_NT, [oracles.PIXEL_SD], cfg)[0],
        "path alone": oracles.infer(uv_NTx2, z_NT, [(oracles.PIXEL_SD[0], NO_SIZE)], cfg)[0],
    }
    table = pd.DataFrame({name: prob.argmax(axis=1) == clips.label_N for name, prob in posteriors.items()})
    table["misfit"] = families.FAMILIES["ellipse"](clips.track_NFx3[:, : cfg.frames, :2] * float(cfg.size), cfg)
    table["motion"], table["bin"] = clips.table["motion"], np.digitize(tilt_deg(clips), EDGES_DEG) - 1
    print(f"n {count:,} clips, half of them helices; top-1 of {', '.join(posteriors)} (95 % interval), chance 0.5")
    for number, part in table.groupby("bin"):
        helix = part[part["motion"] == "helical"]
        cells = "  ".join(f"{name} {share(part[name])}" for name in posteriors)
        where = f"{EDGES_DEG[number]:2d} to {EDGES_DEG[number + 1]} degrees, n {len(part):4d}"
        print(f"{where}: helices' image off the best ellipse by {helix['misfit'].median():.3f} px (median); {cells}")
    print("all: ", "  ".join(f"{name} {share(table[name])}" for name in posteriors))
    unlike = (table["misfit"] < oracles.PIXEL_SD[0]) & (table["motion"] == "helical")
    print(
        f"helices whose image is an ellipse within {oracles.PIXEL_SD[0]} px, the error of measuring: {unlike.sum():,}"
    )
    print(
        "of these:",
        "  ".join(f"{name} {share(table[name][unlike])}" for name in posteriors) if unlike.any() else "none",
    )


def share(right_N):
    """A share with its interval, as text."""
    low, high = metrics.wilson(right_N.sum(), len(right_N))
    return f"{right_N.mean():.3f} ({low:.3f} to {high:.3f})"


def tilt_deg(clips):
    """Angle (N,) of each clip's axis to the optical axis, as its recipe has it."""
    cfg, table = clips.cfg, clips.table
    stream_N = recipes.SHAPE_STREAM + 2 * table["attempt"].to_numpy()
    u = philox.uniforms(clips.seed, table["index"].to_numpy(), stream_N, motions.RANDOM_NUMBERS)
    return np.degrees(np.arccos(motions.between(u[:, 3], np.cos(np.radians(cfg.tilt_max_deg)), 1.0)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
