"""What the networks of a run compute for clips: class, future, path, attention, out-of-distribution score.

Shapes:   N clips   B clips of a batch   T observed frames   S pixels a side   R training recipes   M networks
          Q queries   C cells of the head's grid, t x h x w
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from trajnb import data
from trajnb.config import Config
from trajnb.evaluation import ensembles
from trajnb.evaluation.predictions import Predictions
from trajnb.predict import of_member, trained

RECIPES = 2000  # training recipes among which the nearest are sought


class Explainer(NamedTuple):
    """Networks that are explained together, and what their run knows beside them."""

    cfg: Config
    names: tuple[str, ...]
    members: list[tuple]  # of `watched`
    path_RTx2: np.ndarray  # of training recipes, pixels
    motion_R: np.ndarray
    map_passes: bool | None  # the attention map's parameter-randomisation test; None where it was not made


class Seen(NamedTuple):
    """What was computed for N clips."""

    predicted: Predictions
    vote_MN: np.ndarray  # the class that each network finds most probable
    path_NTx3: np.ndarray  # of the observed frames, as the heads estimate it: u, v in frame widths, log z
    look_Nthw: np.ndarray  # attention of the class query, sum 1
    ood_N: np.ndarray


def load(cfg, model="best") -> Explainer:
    """The Explainer of a run; `model` as for `trajnb predict`. Raises ParameterError for a model that is not there."""
    names, train = trained.members(cfg, model), data.load(cfg, "train").spread(RECIPES)
    members = [watched(trained.scored(cfg.replace(model=name))) for name in names]
    path_RTx2 = train.track_NFx3[:, : cfg.frames, :2] * cfg.size
    return Explainer(cfg, names, members, path_RTx2, train.table["motion"].to_numpy(), map_passes(cfg, names))


def map_passes(cfg, names):
    """Whether the class query's map of every network passes the test of 05_attention; None where one was not tested."""
    path = cfg.stage_dir("attention") / "scores.csv"
    if not path.is_file():
        return None
    board = pd.read_csv(path)
    board = board[(board["clips"] == "plain") & (board["method"] == "head_class")].set_index("model")
    return bool(board["passes_randomisation"][list(names)].all()) if {*names} <= {*board.index} else None


def watched(scored):
    """(a member as of a Network, a list that receives path and attention of its batches) of a trained.Scored.

    In training mode the head also estimates the observed positions; its other outputs do not depend on that.
    """
    seen, weights, head = [], [], scored.net.head.train()
    for pool in head.pools:
        pool.attend.fused = False
        pool.attend.weights.register_forward_hook(lambda _, inputs, weight_BNQC: weights.append(weight_BNQC[:, :, 0]))

    def keep(_, inputs, output):
        look_BC = torch.stack(weights).mean(dim=(0, 2))  # over pools and heads, of the class query, which is the first
        seen.append([x.cpu() for x in (output.observed_BTx3, look_BC.unflatten(1, inputs[0].shape[1:4]))])
        weights.clear()

    head.register_forward_hook(keep)
    return scored.of_array, seen


def look(explainer, video_NTSS) -> Seen:
    """What the networks compute for clips (N, T, S, S) uint8, and for nothing else; of several the mean."""
    each, seen = [], []
    for member, batches in explainer.members:
        batches.clear()
        each.append(of_member(member, video_NTSS))
        seen.append([torch.cat(part) for part in zip(*batches, strict=True)])
    (predicted, scores), (paths, maps) = zip(*each, strict=True), zip(*seen, strict=True)
    shape = max((one.shape[1:] for one in maps), key=np.prod)
    look_Nthw = torch.cat([interpolate(one[:, None], shape, mode="trilinear") for one in maps], dim=1).mean(dim=1)
    return Seen(
        predicted[0] if len(each) == 1 else ensembles.join(predicted),
        np.stack([one.prob_NK.argmax(axis=1) for one in predicted]),
        torch.stack(paths).mean(dim=0).numpy(),
        (look_Nthw / look_Nthw.sum(dim=(1, 2, 3), keepdim=True)).numpy(),
        np.mean(scores, axis=0),
    )
