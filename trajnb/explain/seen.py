"""What the networks of a run compute for clips: class, future, path, attention, out-of-distribution score.

Shapes:   N clips   B clips of a batch   T observed frames   S pixels a side   R training recipes   K classes
          H future frames   Q queries   C cells of the head's grid, t x h x w
"""

import contextlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from trajnb import data
from trajnb.config import Config
from trajnb.evaluation import ensembles, predictions
from trajnb.evaluation.predictions import Predictions
from trajnb.predict import BATCH, trained

RECIPES = 2000  # training recipes among which the nearest are sought


class Explainer(NamedTuple):
    """Networks that are explained together, and what their run knows beside them."""

    cfg: Config
    names: list[str]
    members: list[trained.Scored]
    path_RTx2: np.ndarray  # of training recipes, pixels
    motion_R: np.ndarray
    map_passes: bool | None  # the attention map's parameter-randomisation test; None where it was not made


class Seen(NamedTuple):
    """What was computed for N clips."""

    predicted: Predictions
    vote_MN: np.ndarray  # the class that each of M networks finds most probable
    path_NTx3: np.ndarray  # of the observed frames, as the heads estimate it: u, v in frame widths, log z
    look_Nthw: np.ndarray  # attention of the class query, sum 1
    ood_N: np.ndarray


def load(cfg, model="best") -> Explainer:
    """The Explainer of a run; `model` as for `trajnb predict`. Raises ParameterError for a model that is not there."""
    names, train = trained.members(cfg, model), data.load(cfg, "train").spread(RECIPES)
    nets = [trained.scored(cfg.replace(model=name)) for name in names]
    path_RTx2 = train.track_NFx3[:, : cfg.frames, :2] * cfg.size
    return Explainer(cfg, list(names), nets, path_RTx2, train.table["motion"].to_numpy(), map_passes(cfg, names))


def map_passes(cfg, names):
    """Whether the class query's map of every network passes the test of 05_attention; None where one was not tested."""
    path = cfg.stage_dir("attention") / "scores.csv"
    if not path.is_file():
        return None
    board = pd.read_csv(path)
    board = board[(board["clips"] == "plain") & (board["method"] == "head_class")].set_index("model")
    return bool(board["passes_randomisation"][list(names)].all()) if {*names} <= {*board.index} else None


def look(explainer, video_NTSS) -> Seen:
    """What the networks compute for clips (N, T, S, S) uint8. Nothing else of the clips is given to them."""
    each = [of_network(member, video_NTSS) for member in explainer.members]
    predicted = [one.predicted for one in each]
    shape = max((one.look_Nthw.shape[1:] for one in each), key=np.prod)
    maps = [torch.from_numpy(one.look_Nthw)[:, None] for one in each]
    maps = [m if m.shape[2:] == shape else interpolate(m, shape, mode="trilinear") for m in maps]
    look_Nthw = torch.cat(maps, dim=1).mean(dim=1)
    return Seen(
        predicted[0] if len(each) == 1 else ensembles.join(predicted),
        np.concatenate([one.vote_MN for one in each]),
        np.mean([one.path_NTx3 for one in each], axis=0),
        (look_Nthw / look_Nthw.sum(dim=(1, 2, 3), keepdim=True)).numpy(),
        np.mean([one.ood_N for one in each], axis=0),
    )


@torch.inference_mode()
def of_network(scored, video_NTSS) -> Seen:
    """As `look`, of one network."""
    head, parts = scored.net.head, []
    with observing(head) as weights:
        for video_BTSS in torch.from_numpy(video_NTSS).split(BATCH):
            grid_BtHWD, _ = scored.net.features(video_BTSS.to(scored.mean_D.device)[:, None].float() / 255)
            weights.clear()
            output = head(grid_BtHWD)
            class_BC = torch.stack([weight_BNQC[:, :, 0].mean(dim=1) for weight_BNQC in weights]).mean(dim=0)
            look_Bthw = class_BC.unflatten(1, grid_BtHWD.shape[1:4])
            parts.append((output.logits_BK, output.future_BFx6, output.observed_BTx3, look_Bthw, scored.score(grid_BtHWD)))
    logits_NK, future_NHx6, path_NTx3, look_Nthw, ood_N = (
        torch.cat(part).float().cpu().numpy() for part in zip(*parts, strict=True)
    )
    raw = {"logits_NK": logits_NK, "mean_NHx3": future_NHx6[..., :3], "logvar_NHx3": future_NHx6[..., 3:]}
    predicted = predictions.from_output(raw)
    return Seen(predicted, predicted.prob_NK.argmax(axis=1)[None], path_NTx3, look_Nthw, ood_N)


@contextlib.contextmanager
def observing(head):
    """A list that receives the attention (B, heads, Q, C) of each pool; the class query is the first of Q.

    In training mode the head also estimates the observed positions; its other outputs do not depend on that.
    """
    weights = []
    with contextlib.ExitStack() as after:
        after.callback(head.eval)
        head.train()
        for pool in head.pools:
            pool.attend.fused = False
            after.callback(setattr, pool.attend, "fused", True)
            after.enter_context(pool.attend.weights.register_forward_hook(lambda _, inputs, out: weights.append(out)))
        yield weights
