"""What a trained network says of somebody's own video: one steady camera, one moving object.

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
from trajnb.data import Batch
from trajnb.evaluation import ensembles, predictions
from trajnb.models.trained import load_trained
from trajnb.predict import footage
from trajnb.predict.footage import NotPredicted
from trajnb.predict.windows import windows
from trajnb.training import predict as outputs_of

UNLIKE = 1.0  # of `unlike`: above, a window looks like few validation clips
REGION = 0.80  # probability of the ellipses around predicted positions
USUAL = 0.95  # of validation clips look less unlike the training clips than the limit: 5 % are called unlike
CLIPS = 600  # validation clips that this is measured on
ENSEMBLE = "ensemble"  # short for ensemble_all


class Network(NamedTuple):
    """The trained networks that answer together, their Config, and for each how usual features look."""

    cfg: Config
    nets: list
    usual: list  # (LedoitWolf, limit) of each


class Block(NamedTuple):
    """Footage at a `share` of the source's size, and its windows."""

    seconds_T: np.ndarray
    level_THW: np.ndarray
    share: float
    windows: list


class Result(NamedTuple):
    """What was predicted: `table`, a row for each window of the blocks, in their order."""

    table: pd.DataFrame
    blocks: list  # those that have windows


class Clips:
    """Clips (N, S, S) as `training.predict` takes them."""

    def __init__(self, video_NTSS):
        self.video_NTSS = video_NTSS

    def __len__(self):
        return len(self.video_NTSS)

    def batch(self, rows):
        return Batch(torch.from_numpy(self.video_NTSS[rows])[:, None], None, None)


def load(run="quick", model="best") -> Network:
    """The networks of a run: a model's name, `best` (on validation clips), `ensemble` or another ensemble's name.

    Raises ParameterError where the run or the model is not there.
    """
    manifest = outputs() / run / "manifest.json"
    if not manifest.is_file():
        there = ", ".join(sorted(path.parent.name for path in outputs().glob("*/manifest.json"))) or "none"
        raise ParameterError(f"run: {run} has not ended in {outputs()} (runs there: {there}): `make run` makes quick.")
    return networks(Config(**files.read_json(manifest)["parameters"]), model)


def networks(cfg, model="best") -> Network:
    """As `load`, of the run of cfg, which may not have ended."""
    if model == "best":
        model = max(cfg.models, key=lambda name: measured(cfg, name)["val_top1"])
    names = {name: (name,) for name in cfg.models} | ensembles.of_run(cfg.models)
    names |= {ENSEMBLE: names.get("ensemble_all", ())}
    if not names.get(model):
        raise ParameterError(f"model: {model} is not in run {cfg.run_name}: write best or one of {', '.join(names)}.")
    nets = [load_trained(cfg.replace(model=name)) for name in names[model]]
    val = data.load(cfg, "val").spread(CLIPS)
    video_NTSS = val.render(np.arange(len(val)))
    return Network(cfg, nets, [usual(features(net, video_NTSS)) for net in nets])


def measured(cfg, model):
    """What 02_train has measured of the first seed's network."""
    one = cfg.replace(model=model)
    return files.read_json(one.stage_dir(one.train_stage) / "metrics.json")


@torch.inference_mode()
def features(net, video_NTSS):
    """Mean features (N, D) of clips over their grid."""
    device, found = next(net.parameters()).device, []
    for part in torch.from_numpy(video_NTSS)[:, None].split(50):
        grid_BTHWD, _ = net.features(part.to(device).float() / 255)
        found.append(grid_BTHWD.float().mean(dim=(1, 2, 3)).cpu().numpy())
    return np.concatenate(found)


def usual(feature_ND):
    """(covariance, limit): Mahalanobis distances of every second clip, and what USUAL of the others stay below.

    Source: A Simple Unified Framework for Detecting Out-of-Distribution Samples, https://arxiv.org/abs/1807.03888,
    with one Gaussian instead of one for each class, and shrinkage for few clips.
    """
    fitted = LedoitWolf().fit(feature_ND[::2])
    return fitted, float(np.quantile(fitted.mahalanobis(feature_ND[1::2]), USUAL))


def unlike(network, video_NTSS):
    """How unlike the training clips each clip (N,) looks: above 1 as few validation clips do. Mean over networks."""
    pairs = zip(network.nets, network.usual, strict=True)
    return np.mean([fitted.mahalanobis(features(net, video_NTSS)) / limit for net, (fitted, limit) in pairs], axis=0)


def answer(network, video_NTSS):
    """The Predictions of the network, or of the ensemble, for clips (N, T, S, S) uint8."""
    members = [predictions.from_output(outputs_of(net, Clips(video_NTSS), network.cfg)) for net in network.nets]
    return members[0] if len(members) == 1 else ensembles.join(members)


def predict(source, run="quick", model="best", rate=30.0) -> Result:
    """The Result for a video file, a folder of pictures, a .npy file or an array (T, H, W) or (T, H, W, colours).

    `run`: a run's name, or what `load` returned; `rate`: frames a second where the source does not say. Positions are
    in the source's own pixels. Raises NotPredicted, one sentence, for footage that shows no
    single moving object, ValueError for what cannot be read, ParameterError for a run that is not there.
    """
    network, made, why = run if isinstance(run, Network) else load(run, model), [], None
    for seconds_T, level_THW, share in footage.blocks(source, rate):
        try:
            some = windows(seconds_T, footage.find_object(level_THW), network.cfg)
            made.append(Block(seconds_T, level_THW, share, some))
        except NotPredicted as reason:
            why = why or reason
    if not made:
        raise why
    return Result(table(network, made), made)


def of_each(network, sources):
    """({name: row of the first window} as a table, {name: why not}) of {name: source}."""
    rows, refused = {}, {}
    for name, source in sources.items():
        try:
            rows[name] = predict(source, network).table.iloc[0]
        except NotPredicted as reason:
            refused[name] = str(reason)
    return pd.DataFrame(rows.values(), index=list(rows), columns=columns(network.cfg)), refused


def columns(cfg):
    """Names of a table's columns: seconds, class, probabilities, then time, position and region of each future step."""
    future = [f"{name}{step}" for step in range(1, cfg.horizon + 1) for name in ("seconds", "x", "y", "rx", "ry")]
    return ["start_s", "end_s", "motion", *(f"p_{motion}" for motion in cfg.motions), "unlike_training", *future]


def table(network, blocks):
    """A row of `columns` for each Window of Blocks; positions are in pixels of the source."""
    each = [window for block in blocks for window in block.windows]
    times = [block.seconds_T[window.rows_F] for block in blocks for window in block.windows]
    share_W = np.array([block.share for block in blocks for _ in block.windows])
    size_W = network.cfg.size / np.array([window.scale for window in each]) / share_W
    corner_Wx2 = np.array([window.corner for window in each]) / share_W[:, None]
    video_WTSS = np.stack([window.video_FSS for window in each])
    predicted, motions = answer(network, video_WTSS), network.cfg.motions
    rows = pd.DataFrame({"start_s": [time_F[0] for time_F in times], "end_s": [time_F[-1] for time_F in times]})
    rows["motion"] = np.array(motions)[predicted.prob_NK.argmax(axis=1)]
    rows[[f"p_{motion}" for motion in motions]] = predicted.prob_NK
    rows["unlike_training"] = unlike(network, video_WTSS)
    sd_WHx2 = np.exp(0.5 * predicted.logvar_NHx3[..., :2])
    for step in range(network.cfg.horizon):
        rows[f"seconds{step + 1}"] = rows["end_s"] + [(step + 1) * window.step for window in each]
        for axis, name in enumerate("xy"):
            rows[f"{name}{step + 1}"] = predicted.track_NHx3[:, step, axis] * size_W + corner_Wx2[:, axis]
            rows[f"r{name}{step + 1}"] = sd_WHx2[:, step, axis] * size_W * chi2.ppf(REGION, 2) ** 0.5
    return rows[columns(network.cfg)]
