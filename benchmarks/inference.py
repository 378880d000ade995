"""Speed of a prediction: every extractor by torch and, exported, by onnxruntime, beside published video networks.

Command   PYTHONPATH=.venv/parity .venv/bin/python benchmarks/inference.py [PRESET] [THREADS]     nano 2: two minutes
          without .venv/parity (make .venv/parity/.ready) only the lab's own

Every contestant predicts the same clips of 16 x 64 x 64 in turn, ROUNDS times, in one process: milliseconds for one
clip (p50, p99) and clips a second in a batch (medians). Weights are random: they do not change the time. torch.compile
is left out: on two cores it takes longer to start than a thousand predictions. `make results` takes the table along.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import results
import torch

from trajnb import models
from trajnb.config import Config
from trajnb.predict import export, trained
from trajnb.progress import progress

ROUNDS, BATCHES = 20, (1, 32)


def own(cfg):
    """{name: function of clips} of one extractor."""
    scored = trained.Scored(models.build(cfg)).eval()
    with tempfile.TemporaryDirectory() as folder:
        by_onnxruntime = export.write(scored, cfg, Path(folder))
    return {f"{cfg.model}, torch": scored.of_array, f"{cfg.model}, onnxruntime": by_onnxruntime}


def published():
    """{name: function of clips} of networks of transformers, where they are installed; three channels, ours 64 x 64."""
    try:
        from transformers import VideoMAEConfig, VideoMAEModel
    except ImportError:
        return
    net = VideoMAEModel(
        VideoMAEConfig(image_size=64, num_frames=16, hidden_size=384, num_attention_heads=6, intermediate_size=1536)
    ).eval()

    @torch.inference_mode()
    def of_array(video_BTSS):
        video_BTCHW = torch.from_numpy(video_BTSS)[:, :, None].float().repeat(1, 1, 3, 1, 1) / 255
        return [net(video_BTCHW).last_hidden_state.numpy()]

    yield "VideoMAE-S (22 M), torch", of_array


def main(preset="nano", threads="2"):
    """Print the table."""
    torch.set_num_threads(int(threads))
    contestants = dict(published())
    for model in models.EXTRACTORS:
        contestants |= own(Config(model=model, preset=preset))
    video_NTSS = np.random.default_rng(0).integers(0, 255, (max(BATCHES), 16, 64, 64), np.uint8)
    taken = {(name, batch): [] for batch in BATCHES for name in contestants}
    with progress(ROUNDS * len(taken), "inference", "prediction") as bar:
        for _ in range(ROUNDS + 1):  # the first is left out
            for (name, batch), seconds in taken.items():
                begin = time.perf_counter()
                contestants[name](video_NTSS[:batch])
                seconds.append(time.perf_counter() - begin)
                bar.update()
    rows = {}
    for name in contestants:
        p50, p99 = np.quantile(taken[name, 1][1:], [0.5, 0.99]) * 1e3
        rows[name] = {
            "p50, ms": p50,
            "p99, ms": p99,
            "clips/s": max(BATCHES) / np.median(taken[name, max(BATCHES)][1:]),
        }
    table = pd.DataFrame(rows).T.round(1).rename_axis("network")
    print(f"{preset}, {threads} threads, n {ROUNDS}\n")
    print(table.to_markdown())
    results.save(f"inference-{preset}", table, f"python benchmarks/inference.py {preset} {threads}`, n `{ROUNDS}")


if __name__ == "__main__":
    main(*sys.argv[1:])
