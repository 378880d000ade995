"""A trained network as a folder for use elsewhere: ONNX, safetensors, what they expect and return, a model card.

`python -m trajnb.predict.export PARAMETERS FOLDER` exports the best network of a run that is still going on, and writes
the run's page to draw on.
"""

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

from trajnb import ParameterError, __version__, data, files
from trajnb.config import MODEL, WORLD, Config
from trajnb.evaluation.verdict import name
from trajnb.models.trained import FILE
from trajnb.predict import OOD, Network, exported, of_member, play, trained

CLIPS = 1000  # test clips on which ONNX and torch are compared
TOLERANCE = 1e-4  # of probabilities and of positions in frame widths and log metres; of scores, relative
USED = WORLD | MODEL | {"horizon"}


def export(cfg, folder, model="best"):
    """Write a run's network into a folder, which must be new or empty; returns the largest difference from torch.

    Raises ParameterError for a folder that holds something, a model that the run lacks, an ensemble.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ParameterError(f"{folder} is not empty: write the name of a new folder.")
    model = trained.best(cfg) if model == "best" else model
    if model not in cfg.models:
        raise ParameterError(f"model: {model} is no network of run {cfg.run_name}: write {', '.join(cfg.models)}.")
    cfg = cfg.replace(model=model)
    scored = trained.scored(cfg).cpu()
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary)
        files.write_bytes(whole / exported.WEIGHTS, onnx_file(scored, cfg))
        files.write_bytes(whole / FILE, (cfg.stage_dir(cfg.train_stage) / FILE).read_bytes())
        files.write_json(whole / exported.ABOUT, about(cfg))
        difference = compare(Network(cfg, [scored.of_array]), exported.load(whole))
        for path in sorted(whole.iterdir()):
            files.write_bytes(folder / path.name, path.read_bytes())
    files.write_text(folder / "README.md", card(cfg, folder, difference))
    return difference


def onnx_file(scored, cfg):
    """The bytes of an ONNX file of any batch: clips (B, T, S, S) uint8 -> logits, future, out-of-distribution score."""
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
        axes = constants.get(node.input[1], ()) if node.op_type in ("ReduceMean", "ReduceSum") else ()
        if len(axes) < 2 or min(axes) < 0:
            model.graph.node.append(node)
            continue
        edges = [node.input[0], *(f"{node.name}_{axis}" for axis in sorted(axes)[:0:-1]), node.output[0]]
        for axis, edge, result in zip(sorted(axes)[::-1], edges, edges[1:], strict=False):  # the last axis first
            constant = onnx.numpy_helper.from_array(np.array([axis]), f"{node.name}_axis_{axis}")
            model.graph.initializer.append(constant)
            model.graph.node.append(onnx.helper.make_node(node.op_type, [edge, constant.name], [result]))
            model.graph.node[-1].attribute.extend(node.attribute)
    used = {edge for node in model.graph.node for edge in node.input}
    for constant in [one for one in model.graph.initializer if one.name not in used]:
        model.graph.initializer.remove(constant)
    return model


def compare(network, other):
    """The largest difference of two networks on the first one's test clips; ValueError where it is above TOLERANCE."""
    clips = data.load(network.cfg, "test").spread(CLIPS)
    video_NTSS = clips.render(np.arange(len(clips)))
    (a, score_a), (b, score_b) = (of_member(one.members[0], video_NTSS) for one in (network, other))
    pairs = [*zip(a, b, strict=True), (score_a / score_b, 1.0)]
    difference = max(float(np.abs(one - other).max()) for one, other in pairs)
    if not difference <= TOLERANCE:
        raise ValueError(f"ONNX and torch differ by {difference:.1e}, above {TOLERANCE:.0e}: report this.")
    return difference


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
        "parameters": cfg.model_dump(include=USED),
    }


def card(cfg, folder, difference):
    """A model card: what it is, what it was trained on, how good it is, what it is not for, hashes."""
    board = pd.read_csv(cfg.stage_dir("evaluate") / "leaderboard.csv").set_index("model").loc[cfg.model]
    sums = "\n".join(f"    {files.sha256(path)}  {path.name}" for path in sorted(folder.iterdir()))
    return f"""# {name(cfg.model)} {cfg.preset}, trained by trajnb {__version__}

Classifies how an object moves ({", ".join(cfg.motions)}) in {cfg.frames} frames of {cfg.size}x{cfg.size} grey pixels at
{cfg.frame_rate:g} frames a second, and predicts its next {cfg.horizon} positions with their uncertainty.

Use: `trajnb predict --onnx FOLDER VIDEO`, or any ONNX runtime; {exported.ABOUT} says what goes in and comes out.

- Data: rendered clips of one object, {cfg.clips:,} recipes (70 % to train on, 15 % for validation), split by a hash of
  the recipe; {board.clips_seen:,.0f} clips seen in training, seed {cfg.seed}.
- Test ({board.n_test:,.0f} further clips, runs trained: {board.seeds:.0f}): accuracy {board.test_top1:.3f} (95 %:
  {board.test_top1_low:.3f} to {board.test_top1_high:.3f}), ADE {board.ade_px:.2f} px, ECE {board.ece:.3f}.
- ONNX and torch: largest difference {difference:.1e} on {min(CLIPS, cfg.test_clips):,} test clips.
- Limits: rendered training clips only; a steady camera and one object; other footage is flagged by its
  out-of-distribution score, not always. Not for decisions about people or safety.
- Licence: MIT, as trajnb.

{sums}
"""


def main(parameters, folder):
    """Export the best network of the run with these parameters (JSON), and write its page to draw on."""
    cfg, folder = Config(**json.loads(parameters)), Path(folder)
    for path in folder.glob("*"):  # of an earlier state of the run
        path.unlink()
    print(f"export: ONNX and torch differ by {export(cfg, folder):.1e} at most")
    if not play.write(cfg.run_dir / "play.html", folder):
        print("play.html, the page to draw on, is left out: npm has not installed onnxruntime-web into .venv/web")


if __name__ == "__main__":
    main(*sys.argv[1:])
