"""How fast the nets train, against a fixed matrix product measured in turns with them, and where the time goes:
in float32 and in the arithmetic of params/quick.yaml, in turns.

python benchmarks/training_speed.py [MODEL...]     a minute each; other jobs on the machine spoil it
"""

import statistics
import sys
import time
from functools import partial

import numpy as np
import torch
from torch import nn

from trajnb import ROOT, models
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation.cost import cost
from trajnb.training import optimizers
from trajnb.training.augment import augment, draw
from trajnb.training.fit import prepare
from trajnb.training.losses import training_loss
from trajnb.world import recipes

SEED = 11  # not a seed of any data set
CLIPS, ROUNDS, STEPS, SIDE = 2048, 9, 8, 2048
PARTS = ("rendering", "augmentation", "forward", "backward", "optimizer")
KINDS = {  # first match wins
    "convolutions": ("convolution",),
    "matrix products": ("mm", "linear", "matmul"),
    "attention": ("attention", "softmax"),
    "normalisation": ("layer_norm", "batch_norm", "group_norm"),
    "pooling": ("pool",),
    "activations": ("gelu", "silu", "clamp_min", "threshold", "relu"),
    "copies": ("copy", "clone", "cat", "stack", "contiguous", "gather", "split", "fill_", "zero_"),
    "sums and other elementwise": ("add", "mul", "sub", "div", "sum", "lerp", "norm", "sqrt", "mean", "std", "clamp"),
}


def main(*names):
    for model in names or models.EXTRACTORS:
        measure(model)


def measure(model):
    """Print one net's speed in each arithmetic, its share of the matrix product's, and its three biggest costs."""
    cfg = Config.from_files([ROOT / "params" / "quick.yaml", ROOT / "params" / "models" / f"{model}.yaml"])
    prepare(cfg)
    clips, steps = ClipSet(cfg, SEED, recipes.draw(cfg, SEED, np.arange(CLIPS))), {}
    for precision in dict.fromkeys(("float32", cfg.precision)):
        net = models.build(cfg.replace(precision=precision)).train()
        steps[precision] = partial(step, net, optimizers.build(net, cfg.lr, cfg.weight_decay), clips, cfg)
        steps[precision](0)  # warms up
    macs = cost(net, (1, cfg.frames, cfg.size, cfg.size))["training_macs"]

    peak, parts = [], {precision: [] for precision in steps}
    for r in range(ROUNDS):  # in turns, so that a busy moment hits all
        peak.append(matrix_product_flops())
        for precision, one in steps.items():
            parts[precision] += [one(r * STEPS + k) for k in range(STEPS)]
    for precision, one in steps.items():
        seconds = {part: statistics.median(p[part] for p in parts[precision]) for part in PARTS}
        whole = statistics.median(sum(p.values()) for p in parts[precision])
        report(f"{model} {cfg.preset} {precision}", cfg, macs, seconds, whole, statistics.median(peak))
        for kind, share in costs(one)[:3]:
            print(f"  {kind:28s} {share:6.1%} of the operators' own time")


def step(net, optimizer, clips, cfg, k):
    """One step as in trajnb.training.fit; seconds of each part."""
    rng, marks = np.random.default_rng((SEED, k)), [time.perf_counter()]
    batch = clips.batch(rng.choice(len(clips), cfg.batch_size, replace=False))
    marks.append(time.perf_counter())
    video, track = augment(batch.video, batch.track, draw(cfg, rng, cfg.batch_size))
    marks.append(time.perf_counter())
    output, aux = net(video)
    loss = training_loss(output, aux, batch.label, track, cfg)
    marks.append(time.perf_counter())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    marks.append(time.perf_counter())
    nn.utils.clip_grad_norm_(net.parameters(), cfg.grad_clip)
    optimizer.step()
    marks.append(time.perf_counter())
    return dict(zip(PARTS, np.diff(marks).tolist(), strict=True))


def matrix_product_flops():
    """float32 FLOP/s of one square product, best of three: the ceiling of this machine at this moment."""
    a_SS, b_SS, seconds = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE), []
    for _ in range(3):
        start = time.perf_counter()
        a_SS @ b_SS
        seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / min(seconds)


def costs(run):
    """(kind of operator, share of all operators' own time) of a few steps, largest first."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for k in range(STEPS):
            run(k)
    shares = dict.fromkeys([*KINDS, "other"], 0.0)
    events = profile.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    for event in events:
        kind = next(
            (kind for kind, words in KINDS.items() if any(word in event.key.lower() for word in words)), "other"
        )
        shares[kind] += event.self_cpu_time_total / total
    return sorted(shares.items(), key=lambda item: -item[1])


def report(what, cfg, macs, seconds, whole, peak):
    # Backward is twice forward; a multiply-add is two operations. The first layer's missing gradient is not deducted.
    flops = 6 * macs * cfg.batch_size / whole
    print(f"{what}, batch {cfg.batch_size}, {torch.get_num_threads()} threads, {ROUNDS * STEPS} steps")
    print(f"training        {cfg.batch_size / whole:8.0f} clips/s (median step {1e3 * whole:.1f} ms)")
    print(
        f"arithmetic      {flops / 1e9:8.1f} GFLOP/s at {macs / 1e6:.1f} M multiply-adds a clip with observed queries"
    )
    print(
        f"matrix product  {peak / 1e9:8.1f} GFLOP/s, {SIDE} x {SIDE} float32; training's share of it {flops / peak:.1%}"
    )
    for part in PARTS:
        print(f"  {part:28s} {seconds[part] / whole:6.1%} of a step")


if __name__ == "__main__":
    main(*sys.argv[1:])
