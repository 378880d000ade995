"""The record of one prediction: what the networks saw and computed, with units, and nothing that only the world knows.

The path is the one that the networks estimate for the observed frames, neither a measured nor the true one. No field
is free text: a record cannot give orders to a language model.

Shapes:   N clips   T observed frames   S pixels a side   R training recipes   M networks   H future frames   P pools
          C = t x h x w cells of the head's grid   x right and y down in footage pixels
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy.signal import find_peaks
from scipy.spatial.distance import cdist
from torch.nn.functional import interpolate

from trajnb import data, predict
from trajnb.evaluation import ensembles
from trajnb.evaluation.predictions import Predictions, half_axes
from trajnb.models.attention import attention_weights
from trajnb.predict import OOD, trained

SECTORS = ("to the right", "up and to the right", "up", "up and to the left", "to the left", "down and to the left")
SECTORS += ("down", "down and to the right")
RECIPES, NEIGHBOURS = 2000, 5  # training recipes among which the nearest are sought; how many
REVERSAL_PX = 2.0  # of a clip: a path that goes back by less has no turning point there
STRAIGHT = 30.0  # degrees: estimated paths of straight motion turn by up to that
LEVEL = 2.0  # percent of the distance: a smaller change is none
SURE, UNSURE = 0.9, 0.6  # probabilities: at least, below
Pair = tuple[float, float]
Turning = tuple[float, str, str]  # seconds, direction before and after
Expected = tuple[float, Pair, Pair]  # seconds ahead, place, half axes of the ellipse that holds it with REGION


def quantity(unit, text, about):
    """A field with its unit and meaning; `about`: words that name it in a text or a question (a pattern)."""
    return Field(description=text, json_schema_extra={"unit": unit, "about": about})


class Evidence(BaseModel):
    """One prediction. Seconds count from the first observed frame, those of `future` from the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    networks: int = quantity("", "networks that predicted together", "networks?")
    motion: str = quantity("", "the most probable motion", "motion|class|kind|why|how does")
    probability: dict[str, float] = quantity("%", "probability of each motion", "probab|certain|sure|confident|motion")
    votes: int = quantity("", "networks that find this motion the most probable", "networks? find|agree")
    seconds: float = quantity("s", "observed time", r"\bmove|path|observed|speed|long")
    path_px: tuple[Pair, ...] = quantity("px", "estimated path, a place for each observed frame", "where|path")
    speed_px_s: float = quantity("px/s", "mean speed in the picture", r"speed|\bmov|fast")
    heading: str = quantity("", "direction from the path's start to its end", r"direction|which way|left|\bup\b")
    turn: float = quantity("degrees", "total curvature, positive clockwise", "turn|curv|straight|why")
    turnings: tuple[Turning, ...] = quantity("s", "turning points", "turning point")
    depth_change: float = quantity("%", "distance, end against start", "camera|nearer|closer|farther|depth")
    future: tuple[Expected, ...] = quantity("px", "seconds ahead, predicted place, half axes of its region", "future")
    future_heading: str = quantity("", "direction from the last observed to the last predicted place", "future|going")
    look_px: Pair = quantity("place", "where the class query looks most", "look|attention|focus")
    look_seconds: float = quantity("s", "when the class query looks most", "look|attention|focus")
    look_passes: bool | None = quantity("", "whether this map passes the parameter-randomisation test", "attention map")
    ood: float = quantity("", f"out-of-distribution score, flagged above {OOD:g}", "score|unlike|trust|training|why")
    nearest: dict[str, int] = quantity("", "motions of the training paths nearest to the path", "nearest|similar|why")

    @property
    def certainty(self):
        """sure, fairly sure or unsure: by probability, agreement of the networks and out-of-distribution score."""
        top = self.probability[self.motion] / 100
        if top < UNSURE or self.ood > OOD or 2 * self.votes <= self.networks:
            return "unsure"
        return "sure" if top >= SURE and self.votes == self.networks else "fairly sure"

    @property
    def in_words(self):
        """{field: what a text may say of its value without a number}; "" of a distance that hardly changes."""
        turn = "clockwise" if self.turn > 0 else "counterclockwise"
        depth = "farther away" if self.depth_change > 0 else "nearer"
        words = {"motion": self.certainty, "turnings": bool(self.turnings), "look_passes": self.look_passes}
        words["turn"] = turn if abs(self.turn) > STRAIGHT else "straight"
        words["depth_change"] = depth if abs(self.depth_change) >= LEVEL else ""
        return words | {"ood": "unlike" if self.ood > OOD else "like", "networks": self.networks}


class Explainer:
    """Networks of a run, `model` as for `trajnb predict`, and training paths; ParameterError where one is missing."""

    def __init__(self, cfg, model="best"):
        train, names = data.load(cfg, "train").spread(RECIPES), trained.members(cfg, model)
        self.cfg, self.members = cfg, [trained.scored(cfg.replace(model=one)) for one in names]
        self.path_RTx2, self.motion_R = train.track_NFx3[:, : cfg.frames, :2] * cfg.size, train.table["motion"].values
        self.map_passes, scores = None, cfg.stage_dir("attention") / "scores.csv"
        if scores.is_file():
            maps = pd.read_csv(scores).query("clips == 'plain' and method == 'head_class'").set_index("model")
            self.map_passes = bool(maps["passes_randomisation"].reindex(names, fill_value=False).all())


class Seen(NamedTuple):
    """What the networks computed for N clips."""

    predicted: Predictions
    vote_MN: np.ndarray  # the class that each network finds most probable
    path_NTx3: np.ndarray  # of the observed frames: u, v in frame widths, log z
    look_Nthw: np.ndarray  # attention of the class query, sum 1
    ood_N: np.ndarray


def watch(scored, video_NTSS):
    """Predictions and scores (N,) of one network, its path (N, T, 3), its class query's attention (N, t, h, w).

    In training mode the head also estimates the observed positions; its other outputs do not depend on that.
    """
    paths, maps, head = [], [], scored.net.head.train()

    def keep(_, inputs, output):
        look_PBNC = torch.stack([weight_BNQC[:, :, 0] for weight_BNQC in weights.values()])  # its query is the first
        maps.append(look_PBNC.mean(dim=(0, 2)).unflatten(1, inputs[0].shape[1:4]).cpu())  # over pools and heads
        paths.append(output.observed_BTx3.cpu())

    with attention_weights(head) as weights, head.register_forward_hook(keep):
        return *predict.of_member(scored.of_array, video_NTSS), torch.cat(paths), torch.cat(maps)


def look(explainer, video_NTSS) -> Seen:
    """What the networks compute for clips (N, T, S, S) uint8, and for nothing else; of several the mean."""
    predicted, scores, paths, maps = zip(*(watch(one, video_NTSS) for one in explainer.members), strict=True)
    shape = max((one.shape[1:] for one in maps), key=np.prod)
    look_Nthw = torch.cat([interpolate(one[:, None], shape, mode="trilinear") for one in maps], dim=1).mean(dim=1)
    return Seen(
        predicted[0] if len(predicted) == 1 else ensembles.join(predicted),
        np.stack([one.prob_NK.argmax(axis=1) for one in predicted]),
        torch.stack(paths).mean(dim=0).numpy(),
        (look_Nthw / look_Nthw.sum(dim=(1, 2, 3), keepdim=True)).numpy(),
        np.mean(scores, axis=0),
    )


def of_clips(explainer, video_NTSS, places=None) -> list[Evidence]:
    """The Evidence of each of the clips (N, T, S, S) uint8.

    `places`: where each was cut from, as (step, corner, scale): its pixel (x, y) shows (x, y) * scale + corner, a frame
    every `step` seconds.
    """
    seen, cfg, found = look(explainer, video_NTSS), explainer.cfg, []
    path_NTx2, predicted = seen.path_NTx3[..., :2] * cfg.size, seen.predicted
    # Sums of squares over frames of centred paths: place in the picture tells nothing of the motion.
    flat = [(p - p.mean(axis=1, keepdims=True)).reshape(len(p), -1) for p in (path_NTx2, explainer.path_RTx2)]
    near_NR = np.argsort(cdist(*flat), axis=1, kind="stable")[:, :NEIGHBOURS]
    for row, place in enumerate(places or [(1 / cfg.frame_rate, (0.0, 0.0), 1.0)] * len(video_NTSS)):
        prob_K, (step, corner, scale) = predicted.prob_NK[row], place
        future_Hx2, log_depth_T = predicted.track_NHx3[row, :, :2] * cfg.size, seen.path_NTx3[row, :, 2]
        half_Hx2 = half_axes(predicted.logvar_NHx3[row]) * cfg.size * scale
        seconds_H = np.arange(1, len(half_Hx2) + 1) * step
        one = Evidence(
            networks=len(explainer.members),
            motion=cfg.motions[prob_K.argmax()],
            probability=dict(zip(cfg.motions, prob_K * 100, strict=True)),
            votes=(seen.vote_MN[:, row] == prob_K.argmax()).sum(),
            depth_change=(np.exp(log_depth_T[-1] - log_depth_T[0]) - 1) * 100,
            future=zip(seconds_H, future_Hx2 * scale + corner, half_Hx2, strict=True),
            future_heading=direction(future_Hx2[-1] - path_NTx2[row, -1]),
            ood=seen.ood_N[row],
            look_passes=explainer.map_passes,
            nearest=dict(Counter(sorted(explainer.motion_R[near_NR[row]])).most_common()),
            **along(path_NTx2[row], seen.look_Nthw[row], cfg.size, *place),
        )
        found.append(one)
    return found


def along(path_Tx2, look_thw, size, step, corner, scale):
    """Fields about a path (T, 2) in pixels of a clip, `size` a side, and about attention (t, h, w) in it."""
    velocity_Tx2, shape = np.gradient(path_Tx2, axis=0), np.array(look_thw.shape)
    angle_T = np.unwrap(np.arctan2(velocity_Tx2[:, 1], velocity_Tx2[:, 0]))
    ways = ("right", "left"), ("left", "right"), ("down", "up"), ("up", "down")
    peaks = [find_peaks(sign * axis_T, prominence=REVERSAL_PX)[0] for axis_T in path_Tx2.T for sign in (1, -1)]
    when, row, column = (np.array(np.unravel_index(look_thw.argmax(), shape)) + 0.5) / shape
    return {
        "seconds": (len(path_Tx2) - 1) * step,
        "path_px": path_Tx2 * scale + corner,
        "speed_px_s": np.linalg.norm(velocity_Tx2, axis=1).mean() * scale / step,
        "heading": direction(path_Tx2[-1] - path_Tx2[0]),
        "turn": np.degrees(angle_T[-1] - angle_T[0]),
        "turnings": sorted((t * step, *way) for way, at in zip(ways, peaks, strict=True) for t in at),
        "look_px": np.array((column, row)) * size * scale + corner,
        "look_seconds": (when * len(path_Tx2) - 0.5) * step,
    }


def direction(xy):
    """One of eight words for a step in pixels."""
    return SECTORS[round(np.arctan2(-xy[1], xy[0]) / (np.pi / 4)) % 8]
