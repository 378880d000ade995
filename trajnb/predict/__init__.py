"""A trained network on somebody's own video: one steady camera, one moving object.

predict("throw.mp4", run="quick")      # a table with a row for each window of 16 frames

Shapes:   W windows   N clips   K classes   H future frames   D features   S pixels a side of a clip
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from trajnb import ParameterError, files, outputs
from trajnb.config import Config
from trajnb.evaluation import ensembles, predictions
from trajnb.predict import footage
from trajnb.predict.footage import NotPredicted

OOD = 1.0  # out-of-distribution scores above it are flagged
BATCH = 50  # clips in a forward pass
WEIGHTS, ABOUT = "network.onnx", "network.json"  # of an exported network
OUTPUTS = ("logits", "future", "ood_score")


class Network(NamedTuple):
    """Trained networks that predict together, and the Config of their run."""

    cfg: Config
    members: list[Callable]  # clips (B, T, S, S) uint8 -> logits (B, K), future (B, H, 6), OOD scores (B,)


class Block(NamedTuple):
    """A block of footage at a `share` of the source's size, and its windows, if it has any."""

    seconds_T: np.ndarray
    share: float
    windows: list


def of_clips(network, video_NTSS):
    """Predictions, of an ensemble its mixture's, and mean OOD scores (N,) of clips (N, T, S, S) uint8."""
    members, scores = zip(*(of_member(member, video_NTSS) for member in network.members), strict=True)
    return members[0] if len(members) == 1 else ensembles.join(members), np.mean(scores, axis=0)


def of_member(member, video_NTSS):
    """One member's Predictions and scores (N,)."""
    parts = [member(video_NTSS[start : start + BATCH]) for start in range(0, len(video_NTSS), BATCH)]
    logits_NK, future_NHx6, score_N = (np.concatenate(part) for part in zip(*parts, strict=True))
    raw = {"logits_NK": logits_NK, "mean_NHx3": future_NHx6[..., :3], "logvar_NHx3": future_NHx6[..., 3:]}
    return predictions.from_output(raw), score_N


def load(run, model="best") -> Network:
    """Networks of a run that has ended: by onnxruntime if it has exported this one, which is faster, else by torch.

    Both give the same within 1e-4. Raises ParameterError for a run or a model that is not there.
    """
    folder = outputs() / run / "export"
    if (folder / ABOUT).is_file() and model in ("best", files.read_json(folder / ABOUT)["parameters"]["model"]):
        weights = {path.read_bytes() for path in folder.parent.glob("train-*/*.safetensors")}
        if {path.read_bytes() for path in folder.glob("*.safetensors")} <= weights:  # of no earlier training
            return exported(folder)
    from trajnb.predict import trained  # needs torch, which an exported network does without

    return trained.load(trained.config_of(run), model)


def exported(folder) -> Network:
    """The network in a folder that `trajnb export` has written; ParameterError where there is none."""
    import onnxruntime  # the extra of that name: a run's networks do without

    folder, options = Path(folder), onnxruntime.SessionOptions()
    # As torch does; else its threads, which wait by spinning, take the cores of a run's other steps. 0: all cores.
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    try:
        parameters = files.read_json(folder / ABOUT)["parameters"]
        session = onnxruntime.InferenceSession(folder / WEIGHTS, options, providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime's errors have no common class
        raise ParameterError(f"{folder} holds no exported network: write one by `trajnb export`.") from None
    return Network(Config(**parameters), [lambda video_BTSS: session.run(OUTPUTS, {"clips": video_BTSS})])


def predict(source, run="quick", model="best", rate=30.0):
    """The `table` of a source by the networks of a run; arguments and what is raised are those of `load` and `cut`."""
    network = load(run, model)
    return table(network, cut(network.cfg, source, rate))


def table(network, blocks):
    """A row for each window of the blocks, in their order; positions are in the source's own pixels."""
    cfg = network.cfg
    places = [(block, window) for block in blocks for window in block.windows]
    predicted, score_W = of_clips(network, np.stack([window.video_FSS for _, window in places]))
    ends_Wx2 = [block.seconds_T[window.rows_F[[0, -1]]] for block, window in places]
    rows = pd.DataFrame(ends_Wx2, columns=["start_s", "end_s"]).assign(ood_score=score_W)
    rows["motion"] = np.array(cfg.motions)[predicted.prob_NK.argmax(axis=1)]
    rows[[f"p_{motion}" for motion in cfg.motions]] = predicted.prob_NK
    share_W, scale_W, step_W = np.array([(block.share, window.scale, window.step) for block, window in places]).T
    size_W1 = (cfg.size / scale_W / share_W)[:, None]  # pixels of the source across a clip
    corner_Wx2 = np.array([window.corner for _, window in places]) / share_W[:, None]
    radius_WHx2 = predictions.half_axes(predicted.logvar_NHx3)
    for k in range(cfg.horizon):
        rows[f"seconds{k + 1}"] = rows["end_s"] + (k + 1) * step_W
        rows[[f"x{k + 1}", f"y{k + 1}"]] = predicted.track_NHx3[:, k, :2] * size_W1 + corner_Wx2
        rows[[f"rx{k + 1}", f"ry{k + 1}"]] = radius_WHx2[:, k] * size_W1
    return rows[columns(cfg)]


def cut(cfg, source, rate=30.0) -> list[Block]:
    """The blocks with their windows, of which there is one at least.

    `source`: a video file, a folder of pictures, a .npy file or an array (T, H, W) or (T, H, W, colours).
    `rate`: frames a second where the source does not say. Raises NotPredicted, one sentence, for footage that does not
    show one moving object, ValueError for what cannot be read.
    """
    blocks, reason = [], None
    for seconds_T, level_THW, share in footage.blocks(source, rate):
        try:
            each = footage.windows(seconds_T, level_THW, cfg)
        except NotPredicted as error:
            each, reason = [], reason or error
        blocks.append(Block(seconds_T, share, each))
    if not any(block.windows for block in blocks):
        raise reason
    return blocks


def of_each(network, sources):
    """({name: row of the first window} as a table, {name: why not}) of {name: source}."""
    first, refused = {}, {}
    for name, source in sources.items():
        try:
            block = next(block for block in cut(network.cfg, source) if block.windows)
            first[name] = block._replace(windows=block.windows[:1])
        except NotPredicted as reason:
            refused[name] = str(reason)
    # All at once: a network takes several times as long for each of them alone.
    found = table(network, first.values()) if first else pd.DataFrame(columns=columns(network.cfg))
    return found.set_axis(list(first)), refused


def columns(cfg):
    """Names of a table's columns: seconds, class, probabilities, then time, position and region of each future step."""
    future = [f"{name}{step}" for step in range(1, cfg.horizon + 1) for name in ("seconds", "x", "y", "rx", "ry")]
    return ["start_s", "end_s", "motion", *(f"p_{motion}" for motion in cfg.motions), "ood_score", *future]
