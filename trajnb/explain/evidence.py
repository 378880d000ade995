"""The record of one prediction: what the networks saw and computed, with units, and nothing that only the world knows.

The path is the one that the networks estimate for the observed frames, not a measured and not the true one.

Shapes:   N clips   T observed frames   S pixels a side   R training recipes
          x right and y down in pixels of the footage; angles in degrees as seen, 0 right and 90 up
"""

from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.signal import find_peaks
from scipy.spatial.distance import cdist
from scipy.stats import chi2

from trajnb.evaluation.trackers import measure
from trajnb.evaluation.verdict import name
from trajnb.explain import seen
from trajnb.predict import OOD, REGION

SECTORS = ("right", "up and right", "up", "up and left", "left", "down and left", "down", "down and right")
NEIGHBOURS = 5  # nearest training recipes
REVERSAL_PX = 2.0  # of a clip: a path that goes back by less has no turning point there
SURE, UNSURE = 0.9, 0.6  # probabilities: at least, below
Pair = tuple[float, float]


def quantity(unit, text):
    """A field with its unit and meaning."""
    return Field(description=text, json_schema_extra={"unit": unit})


class Turning(BaseModel, frozen=True):
    """A moment at which the path reverses in x or in y."""

    seconds: float
    before: str
    after: str


class Expected(BaseModel, frozen=True):
    """A predicted position, and the half axes of the ellipse that holds it with probability REGION."""

    seconds: float
    place_px: Pair
    half_px: Pair


class Evidence(BaseModel):
    """One prediction. Seconds count from the first observed frame, those of `future` from the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    networks: tuple[str, ...] = quantity("", "networks that predicted together")
    motion: str = quantity("", "the most probable motion")
    probability: dict[str, float] = quantity("%", "probability of each motion")
    votes: int = quantity("networks", "networks that find this motion the most probable")
    seconds: float = quantity("s", "observed time")
    path_px: tuple[Pair, ...] = quantity("px", "estimated path, one place for each observed frame")
    path_off_px: float = quantity("px", "mean distance of that path from the bright spot measured in the frames")
    speed_px_s: float = quantity("px/s", "mean speed in the picture")
    speed_change: float = quantity("%", "speed in the last third of the time against the first third")
    heading: float = quantity("deg", "direction from the first to the last place of the path")
    turn_deg: float = quantity("deg", "sum of all changes of direction, positive clockwise")
    bend_px: float = quantity("px", "mean radius of curvature: length of the path over turn")
    turnings: tuple[Turning, ...] = quantity("s", "turning points")
    depth_change: float = quantity("%", "distance from the camera at the end against the start")
    future: tuple[Expected, ...] = quantity("px", "predicted positions with their regions")
    future_heading: float = quantity("deg", "direction from the last observed to the last predicted position")
    look_px: Pair = quantity("px", "where the class query looks most")
    look_seconds: float = quantity("s", "when the class query looks most")
    look_on_path: float = quantity("%", "attention on cells of space and time that the path crosses")
    look_even: float = quantity("%", "what these cells would have of even attention")
    look_passes: bool | None = quantity("", "whether this map passes the parameter-randomisation test, if tested")
    ood: float = quantity("", f"out-of-distribution score; above {OOD:g} the clip is unlike the training clips")
    nearest: dict[str, int] = quantity("paths", f"motions of the {NEIGHBOURS} training paths most like this path")
    nearest_px: float = quantity("px", "mean distance of these, laid over it")

    @property
    def certainty(self):
        """sure, fairly sure or unsure: probability, agreement of the networks and out-of-distribution score."""
        top, agreed = self.probability[self.motion] / 100, self.votes == len(self.networks)
        if top < UNSURE or self.ood > OOD or 2 * self.votes <= len(self.networks):
            return "unsure"
        return "sure" if top >= SURE and agreed else "fairly sure"


class Place(NamedTuple):
    """Where a clip was cut from: its pixel (x, y) shows (x, y) * scale + corner, a frame every `step` seconds."""

    step: float
    corner: tuple = (0.0, 0.0)
    scale: float = 1.0


def of_clips(explainer, video_NTSS, places=None) -> list[Evidence]:
    """The Evidence of each of the clips (N, T, S, S) uint8; `places` [Place]: where they were cut from."""
    computed, cfg = seen.look(explainer, video_NTSS), explainer.cfg
    places = places or [Place(1 / cfg.frame_rate)] * len(video_NTSS)
    path_NTx2 = computed.path_NTx3[..., :2] * cfg.size
    away_N = np.linalg.norm(path_NTx2 - measure(video_NTSS)[0], axis=2).mean(axis=1)
    near = list(nearest(explainer, path_NTx2))
    return [of_clip(explainer, computed, row, places[row], away_N[row], *near[row]) for row in range(len(places))]


def of_clip(explainer, computed, row, place, away, motions, distance) -> Evidence:
    """The Evidence of one clip of a Seen."""
    cfg, prob_K = explainer.cfg, computed.predicted.prob_NK[row]
    path_Tx2 = computed.path_NTx3[row, :, :2] * cfg.size
    depth_T = np.exp(computed.path_NTx3[row, :, 2])
    future_Hx2 = computed.predicted.track_NHx3[row, :, :2] * cfg.size
    half_Hx2 = np.exp(computed.predicted.logvar_NHx3[row, :, :2] / 2) * cfg.size * chi2.ppf(REGION, 2) ** 0.5
    fields = {
        "networks": [name(model) for model in explainer.names],
        "motion": cfg.motions[prob_K.argmax()],
        "probability": dict(zip(cfg.motions, prob_K * 100, strict=True)),
        "votes": (computed.vote_MN[:, row] == prob_K.argmax()).sum(),
        "path_off_px": away * place.scale,
        "depth_change": (depth_T[-1] / depth_T[0] - 1) * 100,
        "future": [
            {"seconds": (k + 1) * place.step, "place_px": source(one, place), "half_px": half_Hx2[k] * place.scale}
            for k, one in enumerate(future_Hx2)
        ],
        "future_heading": heading(future_Hx2[-1] - path_Tx2[-1]),
        "ood": computed.ood_N[row],
        "look_passes": explainer.map_passes,
        "nearest": motions,
        "nearest_px": distance * place.scale,
    }
    return Evidence(**fields, **moved(path_Tx2, place), **looked(computed.look_Nthw[row], path_Tx2, cfg.size, place))


def moved(path_Tx2, place):
    """Fields about the path (T, 2) in pixels of a clip."""
    velocity_Tx2, third = np.gradient(path_Tx2, axis=0), max(1, len(path_Tx2) // 3)
    speed_T = np.linalg.norm(velocity_Tx2, axis=1)
    angle_T = np.unwrap(np.arctan2(velocity_Tx2[:, 1], velocity_Tx2[:, 0]))
    turn, ways = angle_T[-1] - angle_T[0], (("right", "left"), ("down", "up"))
    reversals = [
        (frame, words[::sign])
        for axis_T, words in zip(path_Tx2.T, ways, strict=True)
        for sign in (1, -1)
        for frame in find_peaks(sign * axis_T, prominence=REVERSAL_PX)[0]
    ]
    return {
        "seconds": (len(path_Tx2) - 1) * place.step,
        "path_px": [source(one, place) for one in path_Tx2],
        "speed_px_s": speed_T.mean() * place.scale / place.step,
        "speed_change": (speed_T[-third:].mean() / max(speed_T[:third].mean(), 1e-6) - 1) * 100,
        "heading": heading(path_Tx2[-1] - path_Tx2[0]),
        "turn_deg": np.degrees(turn),
        "bend_px": speed_T.sum() / max(abs(turn), 1e-6) * place.scale,
        "turnings": [{"seconds": f * place.step, "before": a, "after": b} for f, (a, b) in sorted(reversals)],
    }


def looked(look_thw, path_Tx2, size, place):
    """Fields about the class query's attention (t, h, w), sum 1, along a path (T, 2) in pixels of a clip."""
    shape, frames = np.array(look_thw.shape), len(path_Tx2)
    when, row, column = (np.array(np.unravel_index(look_thw.argmax(), shape)) + 0.5) / shape
    share_Tx3 = np.column_stack([(np.arange(frames) + 0.5) / frames, path_Tx2[:, ::-1] / size])
    cells = np.unique(np.clip((share_Tx3 * shape).astype(int), 0, shape - 1), axis=0)
    return {
        "look_px": source(np.array([column, row]) * size, place),
        "look_seconds": (when * frames - 0.5) * place.step,
        "look_on_path": look_thw[tuple(cells.T)].sum() * 100,
        "look_even": len(cells) / look_thw.size * 100,
    }


def nearest(explainer, path_NTx2):
    """For each path ({motion: how many} of its NEIGHBOURS nearest training paths, their mean distance in pixels).

    The distance is the root mean square over frames, both centred: place in the picture tells nothing of the motion.
    """
    flat = [(p - p.mean(axis=1, keepdims=True)).reshape(len(p), -1) for p in (path_NTx2, explainer.path_RTx2)]
    distance_NR = cdist(*flat) / path_NTx2.shape[1] ** 0.5
    order_NK = np.argsort(distance_NR, axis=1, kind="stable")[:, :NEIGHBOURS]
    for distance_R, row_K in zip(distance_NR, order_NK, strict=True):
        motions, counts = np.unique(explainer.motion_R[row_K], return_counts=True)
        yield dict(zip(motions, counts, strict=True)), distance_R[row_K].mean()


def source(xy, place):
    """A place of a clip in pixels of the footage that it was cut from."""
    return np.asarray(xy) * place.scale + place.corner


def heading(xy):
    """Direction in degrees, 0 right and 90 up, of a step in pixels."""
    return np.degrees(np.arctan2(-xy[1], xy[0]))


def direction(degrees):
    """A direction as one of eight words."""
    return SECTORS[round(degrees / 45) % 8]
