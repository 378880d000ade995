"""The record of one prediction: what the networks saw and computed, with units, and nothing that only the world knows.

The path is the one that the networks estimate for the observed frames, neither a measured nor the true one.

Shapes:   N clips   T observed frames   S pixels a side   R training recipes   M networks   H future frames
          P pools   B clips of a batch   C = t x h x w cells of the head's grid   x right and y down in footage pixels
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
from trajnb.config import Config
from trajnb.evaluation import ensembles
from trajnb.evaluation.predictions import Predictions, half_axes
from trajnb.evaluation.verdict import name
from trajnb.models.attention import attention_weights
from trajnb.predict import OOD, trained

SECTORS = ("right", "up and right", "up", "up and left", "left", "down and left", "down", "down and right")
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

    networks: tuple[str, ...] = quantity("", "networks that predicted together", "networks?")
    motion: str = quantity("", "the most probable motion", "motion|class|kind|why|how does")
    probability: dict[str, float] = quantity("%", "probability of each motion", "probab|certain|sure|confident|motion")
    votes: int = quantity("", "networks that find this motion the most probable", "networks? find|agree")
    seconds: float = quantity("s", "observed time", r"\bmove|path|observed|speed|long")
    path_px: tuple[Pair, ...] = quantity("px", "estimated path, a place for each observed frame", "where|path")
    speed_px_s: float = quantity("px/s", "mean speed in the picture", r"speed|\bmov|fast")
    heading: str = quantity("", "direction from the path's start to its end", r"direction|which way|left|\bup\b")
    turn: float = quantity("degrees", "sum of all changes of direction, positive clockwise", "turn|curve|straight|why")
    bend_px: float = quantity("px", "mean radius of curvature: length of the path over turn", "radius|curvature")
    turnings: tuple[Turning, ...] = quantity("s", "turning points", "turning point")
    depth_change: float = quantity("%", "distance, end against start", "camera|nearer|closer|farther|depth")
    future: tuple[Expected, ...] = quantity("px", "seconds ahead, predicted place, half axes of its region", "future")
    future_heading: str = quantity("", "direction from the last observed to the last predicted place", "future|going")
    look_px: Pair = quantity("place", "where the class query looks most", "look|attention|focus")
    look_seconds: float = quantity("s", "when the class query looks most", "look|attention|focus")
    look_on_path: float = quantity("%", "attention on cells that the path crosses", "on (the|its) path")
    look_even: float = quantity("%", "what these cells would have of even attention", r"\beven\b")
    look_passes: bool | None = quantity("", "whether this map passes the parameter-randomisation test", "attention map")
    ood: float = quantity("", f"out-of-distribution score, flagged above {OOD:g}", "score|unlike|trust")
    nearest: dict[str, int] = quantity("", "motions of the training paths nearest to the path", "nearest|similar|why")
    nearest_px: float = quantity("px", "mean distance of these, laid over it", "distance")

    @property
    def certainty(self):
        """sure, fairly sure or unsure: by probability, agreement of the networks and out-of-distribution score."""
        top = self.probability[self.motion] / 100
        if top < UNSURE or self.ood > OOD or 2 * self.votes <= len(self.networks):
            return "unsure"
        return "sure" if top >= SURE and self.votes == len(self.networks) else "fairly sure"

    @property
    def in_words(self):
        """{field: what a text may say of its value without a number}; "" of a distance that hardly changes."""
        turn = "clockwise" if self.turn > 0 else "counterclockwise"
        depth = "farther away" if self.depth_change > 0 else "nearer"
        words = {"motion": self.certainty, "turnings": bool(self.turnings), "look_passes": self.look_passes}
        words["turn"] = turn if abs(self.turn) > STRAIGHT else "straight"
        words["depth_change"] = depth if abs(self.depth_change) >= LEVEL else ""
        return words | {"ood": "unlike" if self.ood > OOD else "like"}


class Explainer(NamedTuple):
    """Networks that are explained together, and what their run knows beside them."""

    cfg: Config
    members: dict[str, trained.Scored]
    path_RTx2: np.ndarray  # of training recipes, pixels
    motion_R: np.ndarray
    map_passes: bool | None


class Seen(NamedTuple):
    """What the networks computed for N clips."""

    predicted: Predictions
    vote_MN: np.ndarray  # the class that each network finds most probable
    path_NTx3: np.ndarray  # of the observed frames: u, v in frame widths, log z
    look_Nthw: np.ndarray  # attention of the class query, sum 1
    ood_N: np.ndarray


class Place(NamedTuple):
    """Where a clip was cut from: its pixel (x, y) shows (x, y) * scale + corner, a frame every `step` seconds."""

    step: float
    corner: Pair = (0.0, 0.0)
    scale: float = 1.0


def load(cfg, model="best") -> Explainer:
    """The Explainer of a run; `model` as for `trajnb predict`. Raises ParameterError for a model that is not there."""
    names, train, passes = trained.members(cfg, model), data.load(cfg, "train").spread(RECIPES), None
    members = {one: trained.scored(cfg.replace(model=one)) for one in names}
    if (path := cfg.stage_dir("attention") / "scores.csv").is_file():
        maps = pd.read_csv(path).query("clips == 'plain' and method == 'head_class'").set_index("model")
        passes = bool(maps["passes_randomisation"].reindex(names, fill_value=False).all())
    path_RTx2 = train.track_NFx3[:, : cfg.frames, :2] * cfg.size
    return Explainer(cfg, members, path_RTx2, train.table["motion"].to_numpy(), passes)


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
        predicted, score_N = predict.of_member(scored.of_array, video_NTSS)
    return predicted, score_N, torch.cat(paths), torch.cat(maps)


def look(explainer, video_NTSS) -> Seen:
    """What the networks compute for clips (N, T, S, S) uint8, and for nothing else; of several the mean."""
    each = [watch(scored, video_NTSS) for scored in explainer.members.values()]
    predicted, scores, paths, maps = zip(*each, strict=True)
    shape = max((one.shape[1:] for one in maps), key=np.prod)
    look_Nthw = torch.cat([interpolate(one[:, None], shape, mode="trilinear") for one in maps], dim=1).mean(dim=1)
    return Seen(
        predicted[0] if len(each) == 1 else ensembles.join(predicted),
        np.stack([one.prob_NK.argmax(axis=1) for one in predicted]),
        torch.stack(paths).mean(dim=0).numpy(),
        (look_Nthw / look_Nthw.sum(dim=(1, 2, 3), keepdim=True)).numpy(),
        np.mean(scores, axis=0),
    )


def of_footage(explainer, source, rate=30.0) -> Evidence:
    """The Evidence of the last window of footage, in its own pixels and seconds; raises as `trajnb.predict.cut`."""
    block = [one for one in predict.cut(explainer.cfg, source, rate) if one.windows][-1]
    window = block.windows[-1]
    place = Place(window.step, tuple(window.corner / block.share), 1 / window.scale / block.share)
    return of_clips(explainer, window.video_FSS[None], [place])[0]


def of_clips(explainer, video_NTSS, places=None) -> list[Evidence]:
    """The Evidence of each of the clips (N, T, S, S) uint8; `places` [Place]: where they were cut from."""
    seen, cfg, found = look(explainer, video_NTSS), explainer.cfg, []
    path_NTx2 = seen.path_NTx3[..., :2] * cfg.size
    # Root mean square over frames of centred paths: place in the picture tells nothing of the motion.
    flat = [(p - p.mean(axis=1, keepdims=True)).reshape(len(p), -1) for p in (path_NTx2, explainer.path_RTx2)]
    distance_NR = cdist(*flat) / path_NTx2.shape[1] ** 0.5
    each = zip(places or [Place(1 / cfg.frame_rate)] * len(video_NTSS), path_NTx2, distance_NR, strict=True)
    for row, (place, path_Tx2, distance_R) in enumerate(each):
        prob_K, near = seen.predicted.prob_NK[row], np.argsort(distance_R, kind="stable")[:NEIGHBOURS]
        future_Hx2 = seen.predicted.track_NHx3[row, :, :2] * cfg.size
        half_Hx2 = half_axes(seen.predicted.logvar_NHx3[row]) * cfg.size * place.scale
        seconds_H, log_depth_T = np.arange(1, len(half_Hx2) + 1) * place.step, seen.path_NTx3[row, :, 2]
        one = Evidence(
            networks=map(name, explainer.members),
            motion=cfg.motions[prob_K.argmax()],
            probability=dict(zip(cfg.motions, prob_K * 100, strict=True)),
            votes=(seen.vote_MN[:, row] == prob_K.argmax()).sum(),
            depth_change=(np.exp(log_depth_T[-1] - log_depth_T[0]) - 1) * 100,
            future=zip(seconds_H, future_Hx2 * place.scale + place.corner, half_Hx2, strict=True),
            future_heading=direction(future_Hx2[-1] - path_Tx2[-1]),
            ood=seen.ood_N[row],
            look_passes=explainer.map_passes,
            nearest=Counter(sorted(explainer.motion_R[near])),
            nearest_px=distance_R[near].mean() * place.scale,
            **along(path_Tx2, seen.look_Nthw[row], cfg.size, place),
        )
        found.append(one)
    return found


def along(path_Tx2, look_thw, size, place):
    """Fields about a path (T, 2) in pixels of a clip, `size` a side, and about attention (t, h, w), sum 1, along it."""
    velocity_Tx2, frames = np.gradient(path_Tx2, axis=0), len(path_Tx2)
    speed_T = np.linalg.norm(velocity_Tx2, axis=1)
    angle_T = np.unwrap(np.arctan2(velocity_Tx2[:, 1], velocity_Tx2[:, 0]))
    turn, ways = angle_T[-1] - angle_T[0], (("right", "left"), ("left", "right"), ("down", "up"), ("up", "down"))
    peaks = [find_peaks(sign * axis_T, prominence=REVERSAL_PX)[0] for axis_T in path_Tx2.T for sign in (1, -1)]
    shape = np.array(look_thw.shape)
    when, row, column = (np.array(np.unravel_index(look_thw.argmax(), shape)) + 0.5) / shape
    share_Tx3 = np.column_stack([(np.arange(frames) + 0.5) / frames, path_Tx2[:, ::-1] / size])
    cells = np.unique(np.clip((share_Tx3 * shape).astype(int), 0, shape - 1), axis=0)
    return {
        "seconds": (frames - 1) * place.step,
        "path_px": path_Tx2 * place.scale + place.corner,
        "speed_px_s": speed_T.mean() * place.scale / place.step,
        "heading": direction(path_Tx2[-1] - path_Tx2[0]),
        "turn": np.degrees(turn),
        "bend_px": speed_T[1:-1].sum() / max(abs(turn), 1e-6) * place.scale,
        "turnings": sorted((t * place.step, *way) for way, at in zip(ways, peaks, strict=True) for t in at),
        "look_px": np.array((column, row)) * size * place.scale + place.corner,
        "look_seconds": (when * frames - 0.5) * place.step,
        "look_on_path": look_thw[tuple(cells.T)].sum() * 100,
        "look_even": len(cells) / look_thw.size * 100,
    }


def direction(xy):
    """One of eight words for a step in pixels."""
    return SECTORS[round(np.arctan2(-xy[1], xy[0]) / (np.pi / 4)) % 8]
