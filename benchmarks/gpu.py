"""What a GPU does with a training step: clips a second, share of its matrix product, and what a step waits for.

python benchmarks/gpu.py speed [FOLDER [MODEL...]]        a minute, and one more for each MODEL under torch.compile
python benchmarks/gpu.py profile FOLDER [MODEL...]        what a step's time on the GPU goes into, half a minute
python benchmarks/gpu.py accuracy FOLDER MODEL SEED...   trains MODEL of the quick run eagerly and replayed on each seed

speed      For each extractor, nano at batch 32 and 128 and base at batch 128: milliseconds of an
           eager step, of a step replayed as a CUDA graph and of its optimizer alone; training clips a second and the
           share of the product of two 8192 x 8192 matrices in the same arithmetic. Then clips a second of rendering and
           copying. Writes speed.csv into FOLDER.
profile    Milliseconds of each operator in an eager step, nano and base at batch 128; profile.csv.
accuracy   Eager steps in true float32 against the fast path: replayed steps, TF32 outside the head. One line for each
           training run into accuracy-MODEL.csv.
"""

import functools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from trajnb import data, files, models
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation.cost import macs
from trajnb.models import trained
from trajnb.training import fit, graph, optimizers
from trajnb.training.fit import plan, prepare, train_step
from trajnb.world import recipes

SEED = 11  # not a seed of any data set
STEPS, SIDE = 30, 8192
KINDS = (("nano", 32, "float32"), ("nano", 128, "float32"), ("nano", 128, "bfloat16"))
KINDS += (("base", 128, "bfloat16"),)


def milliseconds(function, count=STEPS):
    """Mean time of a call, all of them queued at once; the first ones warm up."""
    for _ in range(2 * graph.WARM_UP):
        function()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        function()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / count


def peak_flops(dtype):
    """FLOP/s of a square matrix product."""
    a_SS, b_SS = (torch.randn(SIDE, SIDE, device="cuda").to(dtype) for _ in range(2))
    return 2 * SIDE**3 / milliseconds(lambda: a_SS @ b_SS, 10) * 1e3


def ready(model, preset, batch, precision):
    """Config, network, optimizer, a training step of one extractor, and what it is called with."""
    cfg = Config(model=model, preset=preset, batch_size=batch, precision=precision, device="cuda")
    device = prepare(cfg)
    net = models.build(cfg).to(device).train()
    optimizer = optimizers.build(net, cfg.lr, cfg.weight_decay)
    whole = data.Rendered(ClipSet(cfg, SEED, recipes.draw(cfg, SEED, np.arange(batch))), device).whole
    draws, lr_K = plan(cfg, 0, range(1), 1, batch, device)
    given = (*whole, *(drawn[0] for drawn in draws), lr_K[0])
    return cfg, net, optimizer, functools.partial(train_step, net, optimizer, cfg), given


def step_row(model, preset, batch, precision, peaks, compiled):
    """One row of the table: a step of one extractor, eager and replayed."""
    cfg, net, optimizer, step, given = ready(model, preset, batch, precision)
    training_macs = macs(net, (1, cfg.frames, cfg.size, cfg.size), training=True)
    if compiled:
        net.forward = torch.compile(net.forward)
    replayed, update = graph.Replayed(step), graph.Replayed(lambda lr: (lr, optimizer.step())[:1])
    row = {"model": model, "preset": preset, "batch": batch, "precision": precision, "compiled": compiled}
    row |= {"eager_ms": milliseconds(lambda: step(*given)), "replayed_ms": milliseconds(lambda: replayed(*given))}
    row["optimizer_ms"] = milliseconds(lambda: update(given[-1]))
    row["clips_per_second"] = 1e3 * batch / row["replayed_ms"]
    flops = 6 * training_macs * row["clips_per_second"]
    return row | {"tflops": flops / 1e12, "share_of_peak": flops / peaks[precision]}


def profile(folder, *names):
    """Print and write the milliseconds of a step's operators on the GPU; `names`: extractors, all without any."""
    tables = {}
    for kind in (KINDS[1], KINDS[-1]):
        for model in names or models.EXTRACTORS:
            *_, step, given = ready(model, *kind)
            for _ in range(graph.WARM_UP):
                step(*given)
            with torch.profiler.profile() as measured:
                step(*given)
                torch.cuda.synchronize()
            busy = {one.key: one.self_device_time_total / 1e3 for one in measured.key_averages()}
            operators = pd.Series({name: ms for name, ms in busy.items() if name.startswith("aten::")})
            tables[f"{model} {kind[0]}"] = operators.nlargest(12)
            print(f"{model}, {kind[0]}, ms", tables[f"{model} {kind[0]}"].round(2).to_string(), sep="\n", flush=True)
            torch.cuda.empty_cache()
    files.write_csv(Path(folder) / "profile.csv", pd.concat(tables, names=["step", "operator"]).reset_index(name="ms"))


def rendering(cfg, clips=2000):
    """Clips a second that the host renders, and copies to the GPU."""
    recipe = ClipSet(cfg, SEED, recipes.draw(cfg, SEED, np.arange(clips)))
    start = time.perf_counter()
    video = recipe.batch(np.arange(clips)).video
    rendered = time.perf_counter()
    video.cuda()
    torch.cuda.synchronize()
    return {"rendered": clips / (rendered - start), "copied": clips / (time.perf_counter() - rendered)}


def speed(folder="outputs/gpu", *compiled):
    """Print the table and write it; `compiled`: extractors whose base preset is also measured under torch.compile."""
    prepare(Config(device="cuda"))  # the peak is taken in the arithmetic of the steps: TF32 for float32
    peaks = {name: peak_flops(getattr(torch, name)) for name in ("float32", "bfloat16")}
    print(torch.cuda.get_device_name(), {name: f"{peak / 1e12:.0f} TFLOP/s" for name, peak in peaks.items()})
    print({name: f"{value:,.0f} clips/s" for name, value in rendering(Config()).items()})
    rows = []
    jobs = [(model, *kind, peaks, False) for kind in KINDS for model in models.EXTRACTORS]
    for job in jobs + [(model, *KINDS[-1], peaks, True) for model in compiled]:
        rows.append(step_row(*job))
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False, header=len(rows) == 1), flush=True)
        files.write_csv(Path(folder) / "speed.csv", pd.DataFrame(rows))
        torch.cuda.empty_cache()


def tf32(allowed):
    """The GPU, on which float32 products are in TF32 or not."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    return torch.device("cuda")


def accuracy(folder, model, *seeds):
    """Train both ways on the same seeds; validation scores of each."""
    rows, warm_up = [], graph.WARM_UP
    cfg = Config(model=model, device="cuda", clips=10_000, epochs=3)
    data.make(cfg, Path(folder) / f"data-{model}")
    clips = [
        data.in_memory(data.load(cfg, part, Path(folder) / f"data-{model}"), prepare(cfg)) for part in ("train", "val")
    ]
    for seed in seeds:
        for path, graph.WARM_UP in (("eager float32", 10**9), ("fast", warm_up)):
            one, torch.backends.cudnn.allow_tf32 = cfg.replace(seed=int(seed)), path == "fast"
            trained.device = lambda cfg, path=path: tf32(path == "fast")
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as stage:  # a run that is there already would only be read
                last = fit(models.build(one), *clips, one, stage)[-1]
            scores = {name: last[name] for name in ("val_loss", "val_top1", "val_ade_px", "clips_per_second")}
            rows.append({"model": model, "seed": seed, "path": path, **scores, "seconds": time.perf_counter() - start})
            files.write_csv(Path(folder) / f"accuracy-{model}.csv", pd.DataFrame(rows))
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("no GPU: torch finds none here")
    {"speed": speed, "profile": profile, "accuracy": accuracy}[sys.argv[1]](*sys.argv[2:])
