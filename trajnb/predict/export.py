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
import onnx
import pandas as pd
import torch

from trajnb import PACKAGE, ParameterError, __version__, data, files
from trajnb.config import MODEL, WORLD, Config
from trajnb.evaluation.predictions import RADIUS, REGION
from trajnb.evaluation.verdict import name
from trajnb.models.trained import FILE
from trajnb.predict import OOD, exported, of_member, trained
from trajnb.world import camera, recipes

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
    scored = trained.scored(cfg).cpu()
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.absolute().parent) as temporary:
        whole = Path(temporary) / "whole"
        files.write_bytes(whole / exported.WEIGHTS, onnx_file(scored, cfg))
        files.write_bytes(whole / FILE, (cfg.stage_dir(cfg.train_stage) / FILE).read_bytes())
        files.write_json(whole / exported.ABOUT, about(cfg))
        clips, members = data.load(cfg, "test").spread(CLIPS), (scored.of_array, exported.load(whole).members[0])
        video_NTSS = clips.render(np.arange(len(clips)))
        (a, score_a), (b, score_b) = (of_member(member, video_NTSS) for member in members)
        pairs = [*zip(a, b, strict=True), (score_a / score_b, 1.0)]
        difference = max(float(np.abs(one - other).max()) for one, other in pairs)
        if not difference <= TOLERANCE:
            raise ValueError(f"ONNX and torch differ by {difference:.1e}, above {TOLERANCE:.0e}: report this.")
        files.write_text(whole / CARD, card(cfg, whole, difference))
        whole.rename(folder)
    return difference


def onnx_file(scored, cfg):
    """The bytes of an ONNX file of any batch: clips (B, T, S, S) uint8 -> logits, future, out-of-distribution score."""
    scored.net.precision = "float32"  # onnxruntime has no bfloat16 on a CPU
    video_BTSS = torch.zeros(2, cfg.frames, cfg.size, cfg.size, dtype=torch.uint8)
    scored.of_array(video_BTSS.numpy())  # fills the caches of constants, which would keep tensors of the export
    how = {"dynamic_shapes": {"video_BTSS": {0: torch.export.Dim("batch")}}, "external_data": False, "verbose": False}
    how |= {"input_names": ["clips"], "output_names": exported.OUTPUTS}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about torch's own code
        path = Path(temporary) / exported.WEIGHTS
        torch.onnx.export(scored, (video_BTSS,), path, **how)
        return axis_by_axis(onnx.load(path)).SerializeToString()


def axis_by_axis(model):
    """The model with each mean and sum over several axes as one after another.

    onnxruntime adds the 65,536 levels of a clip one by one in float32: that alone moves logits by 0.003.
    """
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        node.ClearField("metadata_props")  # where in torch's and our code it comes from: paths of this machine
        axes = constants.get((*node.input, "", "")[1], ()) if node.op_type in ("ReduceMean", "ReduceSum") else ()
        if len(axes) < 2 or min(axes) < 0 <= max(axes):
            model.graph.node.append(node)
            continue
        axes = sorted(axes, reverse=bool(max(axes) >= 0))  # so that the number of an axis left is still the same
        edges = [node.input[0], *(f"{node.name}_{axis}" for axis in axes[:-1]), node.output[0]]
        for axis, edge, result in zip(axes, edges, edges[1:], strict=False):
            constant = onnx.numpy_helper.from_array(np.array([axis]), f"{node.name}_axis_{axis}")
            model.graph.initializer.append(constant)
            model.graph.node.append(onnx.helper.make_node(node.op_type, [edge, constant.name], [result]))
            model.graph.node[-1].attribute.extend(node.attribute)
    used = {edge for node in model.graph.node for edge in node.input}
    for constant in [one for one in model.graph.initializer if one.name not in used]:
        model.graph.initializer.remove(constant)
    return model


def about(cfg):
    """What the network expects and returns, as plain values."""
    return {
        "trajnb": __version__,
        "run": cfg.run_name,
        "clips": "uint8 (batch, frames, size, size): grey levels, square frames at frame_rate, one moving object",
        "logits": f"(batch, {len(cfg.motions)}): softmax gives the probabilities of `motions`",
        "future": "(batch, horizon, 6): mean, then log-variance, of u and v in frame widths and log metres away",
        "ood_score": f"(batch,): above {OOD:g} a clip is unlike {trained.QUANTILE:.0%} of the validation clips",
        "motions": cfg.motions,
        "parameters": cfg.model_dump(include=WORLD | MODEL),
    }


def card(cfg, folder, difference):
    """A model card: what it is, what it was trained on, how good it is, what it is not for, hashes."""
    board, scores = cfg.stage_dir("evaluate") / "leaderboard.csv", "not evaluated"
    if board.is_file():
        row = pd.read_csv(board).set_index("model").loc[cfg.model]
        runs = f" (mean of {row.seeds:.0f} training runs, of which this is the first)" if row.seeds > 1 else ""
        scores = (
            f"accuracy {row.test_top1:.3f} (95 %: {row.test_top1_low:.3f} to {row.test_top1_high:.3f}), "
            f"ADE {row.ade_px:.2f} px, ECE {row.ece:.3f} on {row.n_test:,.0f} further clips{runs}"
        )
    sums = "\n".join(f"    {files.sha256(path)}  {path.name}" for path in sorted(folder.iterdir()))
    return f"""# {name(cfg.model)} {cfg.preset}, trained by trajnb {__version__}

Classifies how an object moves ({", ".join(cfg.motions)}) in {cfg.frames} frames of {cfg.size}x{cfg.size} grey pixels at
{cfg.frame_rate:g} frames a second, and predicts its next {cfg.horizon} positions with their uncertainty.

Use: `trajnb predict --onnx FOLDER VIDEO`, or any ONNX runtime; {exported.ABOUT} says what goes in and comes out.

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
    about = files.read_json(folder / exported.ABOUT)
    cfg = Config(**about["parameters"])
    seed = cfg.data_seed + 1
    table = recipes.draw(cfg, seed, np.arange(len(cfg.motions)))  # a recipe of each motion
    xyz_KTx3 = recipes.tracks(cfg, seed, table)[:, : cfg.frames]
    radius_KT = cfg.focal_px * cfg.radius_m / xyz_KTx3[..., 2]
    path_KTx3 = np.concatenate([camera.project(xyz_KTx3, cfg), radius_KT[..., None]], axis=-1)  # pixels of a clip
    examples = dict(zip(table["motion"], path_KTx3.round(3).tolist(), strict=True))
    given = {"about": about, "model": name(cfg.model), "limit": OOD, "region": REGION, "examples": examples}
    depth_m, half_s = (cfg.depth_min_m + cfg.depth_max_m) / 2, cfg.frames / cfg.frame_rate / 2
    given["bend"] = cfg.gravity / 2 * half_s**2 * cfg.focal_px / depth_m / cfg.size  # of a throw, in frame widths
    given["radius"] = RADIUS  # of the region, in standard deviations
    page = (PACKAGE / "template" / "play.html").read_text()
    page = page.replace("__GIVEN__", json.dumps(given).replace("<", "\\u003c"))
    parts = {"__RUNTIME__": RUNTIME / "ort.wasm.bundle.min.mjs", "__PROGRAM__": RUNTIME / PROGRAM}
    for word, part in (parts | {"__NETWORK__": folder / exported.WEIGHTS}).items():
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
