"""The record of one prediction: what the networks saw and computed, with units, and nothing that only the world knows.

The path is the one that the networks estimate for the observed frames, not a measured and not the true one.

Shapes:   N clips   T observed frames   R training recipes   t, h, w cells of an attention map
          x right and y down in pixels of the footage; angles in degrees as seen, 0 right and 90 up
"""

from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.signal import find_peaks
from scipy.spatial.distance import cdist
from scipy.stats import chi2

from trajnb import predict
from trajnb.evaluation.trackers import measure
from trajnb.evaluation.verdict import name
from trajnb.explain import seen
from trajnb.predict import OOD, REGION

SECTORS = ("right", "up and right", "up", "up and left", "left", "down and left", "down", "down and right")
NEIGHBOURS = 5  # nearest training recipes
REVERSAL_PX = 2.0  # of a clip: a path that goes back by less has no turning point there
STRAIGHT = 30.0  # degrees: estimated paths of straight motion turn by up to that
LEAST = {"speed_change": 10.0, "depth_change": 2.0}  # percent: smaller changes are none
SURE, UNSURE = 0.9, 0.6  # probabilities: at least, below
Pair = tuple[float, float]


class Turning(NamedTuple):
    """A moment at which the path reverses in x or in y."""

    seconds: float
    before: str
    after: str


class Expected(NamedTuple):
    """A predicted position, and the half axes of the ellipse that holds it with probability REGION."""

    seconds: float
    place_px: Pair
    half_px: Pair


def quantity(unit, text, about=""):
    """A field with its unit and meaning; `about`: the words with which a text names its number (a pattern)."""
    return Field(description=text, json_schema_extra={"unit": unit, "about": about})


class Evidence(BaseModel):
    """One prediction. Seconds count from the first observed frame, those of `future` from the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    networks: tuple[str, ...] = quantity("", "networks that predicted together")
    motion: str = quantity("", "the most probable motion")
    probability: dict[str, float] = quantity("%", "probability of each motion")
    votes: int = quantity("", "networks that find this motion the most probable", "networks? find")
    seconds: float = quantity("s", "observed time", r"\bmove|path|observed|speed")
    path_px: tuple[Pair, ...] = quantity("px", "estimated path, a place for each observed frame")
    path_off_px: float = quantity(
        "px", "mean distance of the path from the spot measured in the frames", "off|measured"
    )
    speed_px_s: float = quantity("px/s", "mean speed in the picture", r"speed|\bmov|fast")
    speed_change: float = quantity("%", "speed in the last third of the time against the first", "faster|slower|speed")
    heading: float = quantity("degrees", "direction from the first to the last place of the path")
    turn: float = quantity("degrees", "sum of all changes of direction, positive clockwise", "turn|curve|direction")
    bend_px: float = quantity("px", "mean radius of curvature: length of the path over turn", "radius")
    turnings: tuple[Turning, ...] = quantity("s", "turning points")
    depth_change: float = quantity("%", "distance from the camera, end against start", "camera|nearer|closer|farther")
    future: tuple[Expected, ...] = quantity("px", f"predicted positions with their {REGION:.0%} regions")
    future_heading: float = quantity("degrees", "direction from the last observed to the last predicted position")
    look_px: Pair = quantity("place", "where the class query looks most", "look|attention|focus")
    look_seconds: float = quantity("s", "when the class query looks most", "look|attention|focus")
    look_on_path: float = quantity(
        "%", "attention on cells of space and time that the path crosses", "on (the|its) path"
    )
    look_even: float = quantity("%", "what these cells would have of even attention", r"\beven\b")
    look_passes: bool | None = quantity("", "whether this map passes the parameter-randomisation test, if tested")
    ood: float = quantity(
        "", f"out-of-distribution score; above {OOD:g} the clip is unlike the training clips", "score"
    )
    nearest: dict[str, int] = quantity("", f"motions of the {NEIGHBOURS} training paths nearest to the path")
    nearest_px: float = quantity("px", "mean distance of these, laid over it", "distance")

    @property
    def certainty(self):
        """sure, fairly sure or unsure: by probability, agreement of the networks and out-of-distribution score."""
        top = self.probability[self.motion] / 100
        if top < UNSURE or self.ood > OOD or 2 * self.votes <= len(self.networks):
            return "unsure"
        return "sure" if top >= SURE and self.votes == len(self.networks) else "fairly sure"


class Place(NamedTuple):
    """Where a clip was cut from: its pixel (x, y) shows (x, y) * scale + corner, a frame every `step` seconds."""

    step: float
    corner: Pair = (0.0, 0.0)
    scale: float = 1.0

    def of(self, xy):
        """A place of the clip in pixels of the footage."""
        return np.asarray(xy) * self.scale + self.corner


def of_clips(explainer, video_NTSS, places=None) -> list[Evidence]:
    """The Evidence of each of the clips (N, T, S, S) uint8; `places` [Place]: where they were cut from."""
    computed, cfg = seen.look(explainer, video_NTSS), explainer.cfg
    places = places or [Place(1 / cfg.frame_rate)] * len(video_NTSS)
    path_NTx2 = computed.path_NTx3[..., :2] * cfg.size
    off_N = np.linalg.norm(path_NTx2 - measure(video_NTSS)[0], axis=2).mean(axis=1)
    each = zip(places, path_NTx2, off_N, nearest(explainer, path_NTx2), strict=True)
    return [of_clip(explainer, computed, row, *one) for row, one in enumerate(each)]


def of_footage(explainer, source, rate=30.0) -> Evidence:
    """The Evidence of the last window of footage, in its own pixels and seconds; raises as `trajnb.predict.predict`."""
    network = predict.Network(explainer.cfg, [member for member, _ in explainer.members])
    block = [one for one in predict.of_footage(network, source, rate).blocks if one.windows][-1]
    window = block.windows[-1]
    place = Place(window.step, tuple(window.corner / block.share), 1 / window.scale / block.share)
    return of_clips(explainer, window.video_FSS[None], [place])[0]


def of_clip(explainer, computed, row, place, path_Tx2, off, near) -> Evidence:
    """The Evidence of one clip of a Seen."""
    size, motions, prob_K = explainer.cfg.size, explainer.cfg.motions, computed.predicted.prob_NK[row]
    future_Hx2 = computed.predicted.track_NHx3[row, :, :2] * size
    half_Hx2 = np.exp(computed.predicted.logvar_NHx3[row, :, :2] / 2) * size * chi2.ppf(REGION, 2) ** 0.5
    depth_T = computed.path_NTx3[row, :, 2]  # its logarithm
    steps = enumerate(zip(future_Hx2, half_Hx2, strict=True), 1)
    return Evidence(
        networks=[name(model) for model in explainer.names],
        motion=motions[prob_K.argmax()],
        probability=dict(zip(motions, prob_K * 100, strict=True)),
        votes=(computed.vote_MN[:, row] == prob_K.argmax()).sum(),
        path_off_px=off * place.scale,
        depth_change=(np.exp(depth_T[-1] - depth_T[0]) - 1) * 100,
        future=[(k * place.step, place.of(xy), half * place.scale) for k, (xy, half) in steps],
        future_heading=heading(future_Hx2[-1] - path_Tx2[-1]),
        ood=computed.ood_N[row],
        look_passes=explainer.map_passes,
        nearest=near[0],
        nearest_px=near[1] * place.scale,
        **moved(path_Tx2, place),
        **looked(computed.look_Nthw[row], path_Tx2 / size, size, place),
    )


def moved(path_Tx2, place):
    """Fields about the path (T, 2) in pixels of a clip."""
    velocity_Tx2, third = np.gradient(path_Tx2, axis=0), len(path_Tx2) // 3
    speed_T = np.linalg.norm(velocity_Tx2, axis=1)
    angle_T = np.unwrap(np.arctan2(velocity_Tx2[:, 1], velocity_Tx2[:, 0]))
    turn = angle_T[-1] - angle_T[0]
    return {
        "seconds": (len(path_Tx2) - 1) * place.step,
        "path_px": place.of(path_Tx2),
        "speed_px_s": speed_T.mean() * place.scale / place.step,
        "speed_change": (speed_T[-third:].mean() / max(speed_T[:third].mean(), 1e-6) - 1) * 100,
        "heading": heading(path_Tx2[-1] - path_Tx2[0]),
        "turn": np.degrees(turn),
        "bend_px": speed_T.sum() / max(abs(turn), 1e-6) * place.scale,
        "turnings": sorted((frame * place.step, *ways) for frame, *ways in reversals(path_Tx2)),
    }


def reversals(path_Tx2):
    """(frame, direction before, direction after) of each turning point of a path in pixels of a clip."""
    for axis_T, ways in zip(path_Tx2.T, (("right", "left"), ("down", "up")), strict=True):
        for sign in (1, -1):
            for frame in find_peaks(sign * axis_T, prominence=REVERSAL_PX)[0]:
                yield frame, *ways[::sign]


def looked(look_thw, path_Tx2, size, place):
    """Fields about the class query's attention (t, h, w), sum 1, along a path (T, 2) in frame widths."""
    shape, frames = np.array(look_thw.shape), len(path_Tx2)
    when, row, column = (np.array(np.unravel_index(look_thw.argmax(), shape)) + 0.5) / shape
    share_Tx3 = np.column_stack([(np.arange(frames) + 0.5) / frames, path_Tx2[:, ::-1]])
    cells = np.unique(np.clip((share_Tx3 * shape).astype(int), 0, shape - 1), axis=0)
    return {
        "look_px": place.of((column * size, row * size)),
        "look_seconds": (when * frames - 0.5) * place.step,
        "look_on_path": look_thw[tuple(cells.T)].sum() * 100,
        "look_even": len(cells) / look_thw.size * 100,
    }


def nearest(explainer, path_NTx2):
    """For each path ({motion: how many} of its NEIGHBOURS nearest training paths, their mean distance in pixels).

    The distance is the root mean square over frames, both centred: place in the picture tells nothing of the motion.
    """
    flat = [(p - p.mean(axis=1, keepdims=True)).reshape(len(p), -1) for p in (path_NTx2, explainer.path_RTx2)]
    for distance_R in cdist(*flat) / path_NTx2.shape[1] ** 0.5:
        rows = np.argsort(distance_R, kind="stable")[:NEIGHBOURS]
        motions, counts = np.unique(explainer.motion_R[rows], return_counts=True)
        yield dict(zip(motions, counts, strict=True)), distance_R[rows].mean()


def heading(xy):
    """Direction in degrees, 0 right and 90 up, of a step in pixels."""
    return np.degrees(np.arctan2(-xy[1], xy[0]))


def direction(degrees):
    """A direction as one of eight words."""
    return SECTORS[round(degrees / 45) % 8]
