"""A trained network as a folder for use elsewhere, and as a page to draw on: one file, with WebAssembly that runs it.

`python -m trajnb.predict.export PARAMETERS FOLDER` makes both of the best network of a run that is still going on.
"""

import base64
import gzip
import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from onnxscript import ir

from trajnb import PACKAGE, ParameterError, __version__, data, files
from trajnb.config import MODEL, WORLD, Config
from trajnb.evaluation.predictions import RADIUS, REGION
from trajnb.evaluation.verdict import name
from trajnb.models.trained import FILE
from trajnb.predict import ABOUT, OOD, OUTPUTS, WEIGHTS, exported, of_member, trained
from trajnb.world import recipes

CLIPS = 1000  # test clips on which ONNX and torch are compared
TOLERANCE = 1e-4  # of probabilities and of positions in frame widths and log metres; of scores, relative
CARD = "README.md"
RUNTIME = Path(sys.prefix) / "web" / "node_modules" / "onnxruntime-web" / "dist"  # the Makefile installs it by npm
PROGRAM = "ort-wasm-simd-threaded.wasm"


def export(cfg, folder, model="best"):
    """Write ONNX, safetensors and a model card into a new or empty folder; returns the largest difference from torch.

    Raises ParameterError for a folder that holds something, a model that the run lacks, an ensemble; ValueError where
    ONNX and torch differ. The folder is there whole or not at all.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ParameterError(f"{folder} is not empty: write the name of a new folder.")
    model = trained.best(cfg) if model == "best" else model
    if model not in cfg.models:
        raise ParameterError(f"model: {model} is no network of run {cfg.run_name}: write {', '.join(cfg.models)}.")
    cfg = cfg.replace(model=model)
    scored, clips = trained.scored(cfg).cpu(), data.load(cfg, "test").spread(CLIPS)
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.absolute().parent) as temporary:
        whole = Path(temporary) / "whole"
        members, video_NTSS = (scored.of_array, write(scored, cfg, whole)), clips.render(np.arange(len(clips)))
        (a, score_a), (b, score_b) = (of_member(member, video_NTSS) for member in members)
        pairs = [*zip(a, b, strict=True), (score_a / score_b, 1.0)]
        difference = max(float(np.abs(one - other).max()) for one, other in pairs)
        if not difference <= TOLERANCE:
            raise ValueError(f"ONNX and torch differ by {difference:.1e}, above {TOLERANCE:.0e}: report this.")
        files.write_bytes(whole / FILE, (cfg.stage_dir(cfg.train_stage) / FILE).read_bytes())
        files.write_text(whole / CARD, card(cfg, whole, difference))
        whole.rename(folder)
    return difference


def write(scored, cfg, folder):
    """Write a trained.Scored as ONNX, and what it expects and returns as JSON; returns it as a function of clips."""
    about = {
        "trajnb": __version__,
        "run": cfg.run_name,
        "clips": "uint8 (batch, frames, size, size): grey levels, square frames at frame_rate, one moving object",
        "logits": f"(batch, {len(cfg.motions)}): softmax gives the probabilities of `motions`",
        "future": "(batch, horizon, 6): mean, then log-variance, of u and v in frame widths and log metres away",
        "ood_score": f"(batch,): above {OOD:g} a clip is unlike {trained.QUANTILE:.0%} of the validation clips",
        "motions": cfg.motions,
        "parameters": cfg.model_dump(include=WORLD | MODEL),
    }
    files.write_bytes(folder / WEIGHTS, onnx_file(scored, cfg))
    files.write_json(folder / ABOUT, about)
    return exported(folder).members[0]


def onnx_file(scored, cfg):
    """The bytes of an ONNX file of any batch: clips (B, T, S, S) uint8 -> logits, future, out-of-distribution score."""
    video_BTSS = torch.zeros(2, cfg.frames, cfg.size, cfg.size, dtype=torch.uint8)
    scored.of_array(video_BTSS.numpy())  # fills the caches of constants, which would keep tensors of the export
    how = {"dynamic_shapes": {"video_BTSS": {0: torch.export.Dim("batch")}}, "verbose": False}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):  # about torch's own code
        program = torch.onnx.export(scored, (video_BTSS,), input_names=["clips"], output_names=OUTPUTS, **how)
    ir.passes.common.ClearMetadataAndDocStringPass()(program.model)  # which hold paths of this machine
    return program.model_proto.SerializeToString()


def card(cfg, folder, difference):
    """A model card: what it is, what it was trained on, how good it is, what it is not for, hashes."""
    row = pd.read_csv(cfg.stage_dir("evaluate") / "leaderboard.csv").set_index("model").loc[cfg.model]
    runs = f" (mean of {row.seeds:.0f} training runs, of which this is the first)" if row.seeds > 1 else ""
    scores = (
        f"accuracy {row.test_top1:.3f} (95 %: {row.test_top1_low:.3f} to {row.test_top1_high:.3f}), "
        f"ADE {row.ade_px:.2f} px, ECE {row.ece:.3f} on {row.n_test:,.0f} further clips{runs}"
    )
    sums = "\n".join(f"    {files.sha256(path)}  {path.name}" for path in sorted(folder.iterdir()))
    return f"""# {name(cfg.model)} {cfg.preset}, trained by trajnb {__version__}

Classifies how an object moves ({", ".join(cfg.motions)}) in {cfg.frames} frames of {cfg.size}x{cfg.size} grey pixels at
{cfg.frame_rate:g} frames a second, and predicts its next {cfg.horizon} positions with their uncertainty.

Use: `trajnb predict --onnx FOLDER VIDEO`, or any ONNX runtime; {ABOUT} says what goes in and comes out.

- Data: rendered clips of one object, {cfg.clips:,} recipes (70 % to train on, 15 % for validation), split by a hash of
  the recipe; seed {cfg.seed}.
- Test: {scores}.
- ONNX and torch: largest difference {difference:.1e} on {min(CLIPS, cfg.test_clips):,} test clips.
- Limits: rendered training clips only; a steady camera and one object; other footage is flagged by its
  out-of-distribution score, not always. Not for decisions about people or safety.
- Licence: MIT, as trajnb.

{sums}
"""


def write_page(path, folder):
    """Write the page of the network exported into `folder`; returns its path, None where onnxruntime-web is missing."""
    if not (RUNTIME / PROGRAM).is_file():
        return None
    about = files.read_json(folder / ABOUT)
    cfg = Config(**about["parameters"])
    clips = data.ClipSet(cfg, seed := cfg.data_seed + 1, recipes.draw(cfg, seed, np.arange(len(cfg.motions))))
    examples = dict(zip(clips.table["motion"], clips.track_NFx3[:, : cfg.frames].tolist(), strict=True))
    given = {"about": about, "model": name(cfg.model), "limit": OOD, "region": REGION, "examples": examples}
    given["radius"] = RADIUS  # of the region, in standard deviations
    page = (PACKAGE / "template" / "play.html").read_text()
    page = page.replace("__GIVEN__", json.dumps(given).replace("<", "\\u003c"))
    parts = {"__RUNTIME__": RUNTIME / "ort.wasm.bundle.min.mjs", "__PROGRAM__": RUNTIME / PROGRAM}
    for word, part in (parts | {"__NETWORK__": folder / WEIGHTS}).items():
        packed = base64.b64encode(gzip.compress(part.read_bytes(), mtime=0)).decode()
        page = page.replace(word, f'"{packed}"')
    return files.write_text(path, page)


def main(parameters, folder):
    """Export the best network of the run with these parameters (JSON), and write its page to draw on.

    What cannot be exported does not stop a run: its README says why.
    """
    cfg, folder = Config(**json.loads(parameters)), Path(folder)
    for path in [cfg.run_dir / "play.html", *folder.glob("*")]:  # of an earlier state of the run
        path.unlink(missing_ok=True)
    try:
        print(f"export: ONNX and torch differ by {export(cfg, folder):.1e} at most")
    except Exception as error:  # whatever the exporter cannot translate
        files.write_text(folder / CARD, f"Not exported ({type(error).__name__}): {error}\n")
        return print(f"export: the best network is left out: {folder / CARD} says why")
    if not write_page(cfg.run_dir / "play.html", folder):
        print("play.html, the page to draw on, is left out: `make` found no npm to install onnxruntime-web")


if __name__ == "__main__":
    main(*sys.argv[1:])
