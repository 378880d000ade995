"""A trained network on somebody's own video: one steady camera, one moving object.

predict("throw.mp4", run="quick").table      # a row for each window of 16 frames

Shapes:   W windows   N clips   K classes   H future frames   D features   S pixels a side of a clip
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import chi2
from sklearn.covariance import LedoitWolf

from trajnb import ParameterError, data, files, outputs
from trajnb.config import Config
from trajnb.evaluation import ensembles, predictions
from trajnb.models.trained import load_trained
from trajnb.predict import footage
from trajnb.predict.footage import NotPredicted
from trajnb.predict.windows import windows

OOD = 1.0  # out-of-distribution scores above it are flagged
QUANTILE = 0.95  # of validation clips have a score below it: 5 % are flagged
CLIPS, BATCH = 600, 50  # validation clips for the score; clips in a forward pass
REGION = 0.80  # probability of the ellipses around predicted positions


class Network(NamedTuple):
    """Trained networks that predict together, their Config, and for each the distribution of its features."""

    cfg: Config
    nets: list
    distributions: list  # (LedoitWolf, limit) of each


class Block(NamedTuple):
    """A block of footage at a `share` of the source's size, and its windows, if it has any."""

    seconds_T: np.ndarray
    share: float
    windows: list


class Result(NamedTuple):
    """What was predicted: `table`, a row for each window of the blocks, in their order."""

    table: pd.DataFrame
    blocks: list


def load(run="quick", model="best") -> Network:
    """The networks of a run: a model's name, `best` (on validation clips), `ensemble` or another ensemble's name.

    Raises ParameterError where the run or the model is not there.
    """
    manifest = outputs() / run / "manifest.json"
    if not manifest.is_file():
        runs = ", ".join(sorted(path.parent.name for path in outputs().glob("*/manifest.json"))) or "none"
        raise ParameterError(f"run: {run} has not ended in {outputs()} (runs there: {runs}): `make run` makes quick.")
    return networks(Config(**files.read_json(manifest)["parameters"]), model)


def networks(cfg, model="best") -> Network:
    """As `load`, of the run of cfg, which may not have ended."""
    if model == "best":
        model = max(cfg.models, key=lambda name: measured(cfg, name)["val_top1"])
    names = {name: (name,) for name in cfg.models} | ensembles.of_run(cfg.models)
    members = names.get("ensemble_all" if model == "ensemble" else model)
    if not members:
        raise ParameterError(f"model: {model} is not in run {cfg.run_name}: write best or one of {', '.join(names)}.")
    nets = [load_trained(cfg.replace(model=name)) for name in members]
    val = data.load(cfg, "val").spread(CLIPS)
    video_NTSS = val.render(np.arange(len(val)))
    return Network(cfg, nets, [distribution(forward(net, video_NTSS)[1]) for net in nets])


def measured(cfg, model):
    """What 02_train has measured of the first seed's network."""
    run = cfg.replace(model=model)
    return files.read_json(run.stage_dir(run.train_stage) / "metrics.json")


@torch.inference_mode()
def forward(net, video_NTSS):
    """The Predictions of a network for clips (N, T, S, S) uint8, and their features (N, D), means over its grid."""
    device, parts = next(net.parameters()).device, []
    for video_BTSS in torch.from_numpy(video_NTSS).split(BATCH):
        grid_BTHWD, _ = net.features(video_BTSS[:, None].to(device).float() / 255)
        output = net.head(grid_BTHWD)
        parts.append((output.logits_BK, output.future_BFx6, grid_BTHWD.float().mean(dim=(1, 2, 3))))
    logits_NK, future_NHx6, feature_ND = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    raw = {"logits_NK": logits_NK, "mean_NHx3": future_NHx6[..., :3], "logvar_NHx3": future_NHx6[..., 3:]}
    return predictions.from_output(raw), feature_ND


def distribution(feature_ND):
    """(covariance, limit): of every second clip, and the Mahalanobis distance that QUANTILE of the others stay below.

    Source: A Simple Unified Framework for Detecting Out-of-Distribution Samples, https://arxiv.org/abs/1807.03888,
    with one Gaussian instead of one for each class, and shrinkage for few clips.
    """
    fitted = LedoitWolf().fit(feature_ND[::2])
    return fitted, float(np.quantile(fitted.mahalanobis(feature_ND[1::2]), QUANTILE))


def of_clips(network, video_NTSS):
    """The Predictions, of an ensemble its mixture's, and out-of-distribution scores (N,) of clips (N, T, S, S) uint8.

    Scores are distances over their limits, means over the members.
    """
    members, features = zip(*(forward(net, video_NTSS) for net in network.nets), strict=True)
    pairs = zip(features, network.distributions, strict=True)
    score_N = np.mean([fitted.mahalanobis(feature_ND) / limit for feature_ND, (fitted, limit) in pairs], axis=0)
    return members[0] if len(members) == 1 else ensembles.join(members), score_N


def predict(source, run="quick", model="best", rate=30.0) -> Result:
    """The Result for a video file, a folder of pictures, a .npy file or an array (T, H, W) or (T, H, W, colours).

    `rate`: frames a second where the source does not say. Positions are in the source's own pixels. Raises
    NotPredicted, one sentence, for footage that does not show one moving object, ValueError for what cannot be read,
    ParameterError for a run or a model that is not there.
    """
    return of_footage(load(run, model), source, rate)


def of_footage(network, source, rate=30.0) -> Result:
    """As `predict`, by networks that are loaded."""
    blocks, clips, reason = [], [], None
    for seconds_T, level_THW, share in footage.blocks(source, rate):
        try:
            each = windows(seconds_T, footage.find_object(level_THW), network.cfg)
        except NotPredicted as error:
            each, reason = [], reason or error
        blocks.append(Block(seconds_T, share, each))
        clips += [window.video_FSS for window in each]
    if not clips:
        raise reason
    return Result(table(network, blocks, np.stack(clips)), blocks)


def of_each(network, sources):
    """({name: row of the first window} as a table, {name: why not}) of {name: source}."""
    rows, refused = {}, {}
    for name, source in sources.items():
        try:
            rows[name] = of_footage(network, source).table.iloc[0]
        except NotPredicted as reason:
            refused[name] = str(reason)
    return pd.DataFrame(rows.values(), index=list(rows), columns=columns(network.cfg)), refused


def columns(cfg):
    """Names of a table's columns: seconds, class, probabilities, then time, position and region of each future step."""
    future = [f"{name}{step}" for step in range(1, cfg.horizon + 1) for name in ("seconds", "x", "y", "rx", "ry")]
    return ["start_s", "end_s", "motion", *(f"p_{motion}" for motion in cfg.motions), "ood_score", *future]


def table(network, blocks, video_WTSS):
    """A row of `columns` for each Window of Blocks, whose clips are given; positions in pixels of the source."""
    places = [(block, window) for block in blocks for window in block.windows]
    share_W, scale_W = np.array([(block.share, window.scale) for block, window in places]).T
    size_W = network.cfg.size / scale_W / share_W
    corner_Wx2 = np.array([window.corner for _, window in places]) / share_W[:, None]
    predicted, score_W = of_clips(network, video_WTSS)
    ends_Wx2 = [block.seconds_T[window.rows_F[[0, -1]]] for block, window in places]
    rows = pd.DataFrame(ends_Wx2, columns=["start_s", "end_s"]).assign(ood_score=score_W)
    rows["motion"] = np.array(network.cfg.motions)[predicted.prob_NK.argmax(axis=1)]
    rows[[f"p_{motion}" for motion in network.cfg.motions]] = predicted.prob_NK
    radius_WHx2 = np.exp(0.5 * predicted.logvar_NHx3[..., :2]) * chi2.ppf(REGION, 2) ** 0.5
    for step in range(network.cfg.horizon):
        rows[f"seconds{step + 1}"] = rows["end_s"] + [(step + 1) * window.step for _, window in places]
        for axis, name in enumerate("xy"):
            rows[f"{name}{step + 1}"] = predicted.track_NHx3[:, step, axis] * size_W + corner_Wx2[:, axis]
            rows[f"r{name}{step + 1}"] = radius_WHx2[:, step, axis] * size_W
    return rows[columns(network.cfg)]
