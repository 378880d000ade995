"""Networks of a run, and their out-of-distribution score.

Shapes:   N clips   B clips of a batch   D features   T, S frames and pixels a side of a clip
"""

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from torch import nn

from trajnb import ParameterError, data, files, outputs
from trajnb.config import Config
from trajnb.evaluation import ensembles
from trajnb.models.arithmetic import no_tf32
from trajnb.models.trained import load_trained
from trajnb.predict import BATCH, Network

QUANTILE = 0.95  # of validation clips have a score below 1: 5 % are flagged
CLIPS = 600  # validation clips for the score


class Scored(nn.Module):
    """A network from clips (B, T, S, S) uint8 to logits (B, K), future (B, H, 6) and out-of-distribution scores (B,).

    A score is the Mahalanobis distance of the features, means over the grid, over its limit; `measure` sets both.
    Source: A Simple Unified Framework for Detecting Out-of-Distribution Samples, https://arxiv.org/abs/1807.03888,
    with one Gaussian instead of one for each class, and shrinkage for few clips.
    """

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.register_buffer("mean_D", torch.zeros(net.extractor.num_features))
        self.register_buffer("inverse_DD", torch.eye(net.extractor.num_features))

    def forward(self, video_BTSS):
        grid_BTHWD, _ = self.net.features(video_BTSS[:, None].float() / 255)
        away_BD = grid_BTHWD.float().flatten(1, 3).mean(dim=1) - self.mean_D
        output = self.net.head(grid_BTHWD)
        with no_tf32():  # the inverse of a covariance has large entries that cancel
            score_B = ((away_BD @ self.inverse_DD) * away_BD).sum(dim=1)
        return output.logits_BK, output.future_BFx6, score_B

    @torch.inference_mode()
    def of_array(self, video_BTSS):
        """The outputs for clips in an array, as arrays."""
        return [part.cpu().numpy() for part in self(torch.from_numpy(video_BTSS).to(self.mean_D.device))]

    @torch.inference_mode()
    def measure(self, video_NTSS):
        """Fit the Gaussian to every second clip; the limit is what QUANTILE of the others stay below. Returns self."""
        parts = torch.from_numpy(video_NTSS)[:, None].to(self.mean_D.device).split(BATCH)
        grids = (self.net.features(part.float() / 255)[0] for part in parts)
        feature_ND = torch.cat([grid_BTHWD.float().flatten(1, 3).mean(dim=1) for grid_BTHWD in grids]).cpu().numpy()
        fitted = LedoitWolf().fit(feature_ND[::2])
        limit = float(np.quantile(fitted.mahalanobis(feature_ND[1::2]), QUANTILE))
        self.mean_D.copy_(torch.from_numpy(fitted.location_))
        self.inverse_DD.copy_(torch.from_numpy(fitted.precision_ / limit))
        return self


def config_of(run):
    """The Config of a run that has ended; ParameterError where there is none of this name."""
    manifest = outputs() / run / "manifest.json"
    if not manifest.is_file():
        runs = sorted(path.parent.name for path in outputs().glob("*/manifest.json"))
        fix = f"write one of {', '.join(runs)}" if runs else "make one, in minutes: make run PARAMS=params/smoke.yaml"
        raise ParameterError(f"run: {run} has not ended in {outputs()}: {fix}.")
    saved = files.read_json(manifest)["parameters"]
    return Config(**{name: saved[name] for name in Config.model_fields if name in saved})  # an older lab has had others


def load(cfg, model="best") -> Network:
    """The networks of `members`, of a run that may not have ended; raises as that."""
    return Network(cfg, [scored(cfg.replace(model=name)).of_array for name in members(cfg, model)])


def members(cfg, model="best"):
    """Names of the networks that `model` stands for: a name, `best` (on validation clips) or an ensemble.

    `ensemble` is the one of all networks; raises ParameterError for what is not there.
    """
    names = {name: (name,) for name in cfg.models} | ensembles.of_run(cfg.models)
    model = best(cfg) if model == "best" else model
    found = names.get("ensemble_all" if model == "ensemble" else model)
    if not found:
        raise ParameterError(f"model: {model} is not in run {cfg.run_name}: write best or one of {', '.join(names)}.")
    return found


def scored(cfg) -> Scored:
    """The trained network of cfg with the score that its validation clips give."""
    val, net = data.load(cfg, "val").spread(CLIPS), load_trained(cfg)
    return Scored(net).to(next(net.parameters()).device).eval().measure(val.render(np.arange(len(val))))


def best(cfg):
    """The model with the highest accuracy on validation clips, of the first seeds' networks."""
    runs = {model: cfg.replace(model=model) for model in cfg.models}
    measured = {name: files.read_json(run.stage_dir(run.train_stage) / "metrics.json") for name, run in runs.items()}
    return max(measured, key=lambda model: measured[model]["val_top1"])
