"""Evaluation conditions: clips a little outside of the training distribution, one corruption at a time.

Clips come from a seed range of their own: no network is trained or selected on any of them. Where a corruption acts
after the motion, every severity has the same trajectories; where it changes the motion itself, clips are drawn anew.

Shapes:   N clips   F frames (observed and future)   T observed frames
"""

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from trajnb.config import Config, ParameterError
from trajnb.data import ClipSet, Reordered
from trajnb.world import recipes

CLEAN = "clean"  # the condition without a severity
CONDITION_SEEDS = 2 * 2**32  # added to data_seed: neither training nor test clips use this range
SPEEDS = tuple(f"{kind}_{end}" for kind in ("speed", "ou_speed", "helix_speed") for end in ("min", "max"))
NUISANCES = ("noise_min", "noise_max", "size_factor_min", "size_factor_max", *recipes.OPTIONAL, "squares", "varied")


class Corruption(NamedTuple):
    """A corruption: the label of its axis, the severity that clean clips have, others, and `apply(clips, severity)`."""

    label: str
    clean: Callable  # of their Config
    severities: tuple
    apply: Callable


class Condition(NamedTuple):
    """Clips under one corruption of one severity."""

    corruption: str
    severity: float
    clips: ClipSet


def clean_clips(cfg):
    """`robustness_clips` clips as in training, but without nuisances drawn per clip (`varied` worlds)."""
    off = {name: Config().model_dump()[name] for name in NUISANCES} if cfg.varied else {}
    world, seed = cfg.replace(**off), cfg.data_seed + CONDITION_SEEDS
    return ClipSet(world, seed, recipes.draw(world, seed, np.arange(cfg.robustness_clips)))


def refilmed(clips, columns=None, **changes):
    """The same trajectories with other values in some `columns` of the recipes, or other parameters of the camera."""
    table = clips.table.assign(**columns or {})
    return ClipSet(clips.cfg.replace(**changes), clips.seed, table, clips.xyz_NFx3)


def redrawn(clips, **changes):
    """As many clips of the same seed, drawn in a world with other parameters of the motion itself."""
    cfg = clips.cfg.replace(**changes)
    return ClipSet(cfg, clips.seed, recipes.draw(cfg, clips.seed, clips.table["index"]))


def contrast(clips, factor):
    """The difference of the object's brightness from the background's, times a factor."""
    background, brightness = clips.table["background"], clips.table["brightness"]
    return refilmed(clips, {"brightness": background + factor * (brightness - background)})


def speed(clips, factor):
    """Speeds and swept angles times a factor; gravity stays."""
    return redrawn(clips, **scaled(clips.cfg, SPEEDS, factor), **path_limits(clips.cfg, factor))


def frame_rate(clips, rate):
    """`rate` frames a second: as many frames show more or less of the same motion."""
    return redrawn(clips, frame_rate=rate, **path_limits(clips.cfg, clips.cfg.frame_rate / rate))


def observed(clips, frames):
    """The first of the last `frames` frames stands in for all before it."""
    if frames >= clips.cfg.frames:
        raise ParameterError(f"observed frames: {frames} of {clips.cfg.frames} hold nothing back.")
    return Reordered(clips, "held", int(frames))


def path_limits(cfg, factor):
    """Parameters under which observed paths are `factor` times as long, as far as the picture has room."""
    changes = scaled(cfg, ("sweep_min_deg", "sweep_max_deg", "extent_min_px"), factor)
    room, least = cfg.size - 2 * cfg.frame_margin_px, min(factor, 1.0)
    # Shorter paths lose more at their long end: what is slow and far away covers few pixels.
    changes["extent_max_px"] = min(cfg.extent_max_px * factor * least, room)
    return changes | scaled(cfg, ("class_margin_px",), least)


def unchanged(cfg):
    """The factor of clean clips."""
    return 1.0


def mean_noise(cfg):
    return (cfg.noise_min + cfg.noise_max) / 2


def scaled(cfg, names, factor):
    """{parameter: its value times a factor}."""
    return {name: getattr(cfg, name) * factor for name in names}


def resized(clips, factor):
    """An object of another radius on the same trajectories."""
    return refilmed(clips, radius_m=clips.cfg.radius_m * factor)


def nuisance(label, name, severities):
    """The Corruption that sets one parameter of the camera or the scene."""
    return Corruption(label, attrgetter(name), severities, lambda clips, value: refilmed(clips, **{name: value}))


CORRUPTIONS = {
    "noise": Corruption("sensor noise", mean_noise, (0.05, 0.1, 0.15, 0.2), lambda c, x: refilmed(c, {"noise": x})),
    "blur": nuisance("blur, px", "blur_px", (1, 2, 3, 4)),
    "contrast": Corruption("contrast factor", unchanged, (0.7, 0.5, 0.3, 0.15), contrast),
    "texture": nuisance("texture", "texture", (0.1, 0.2, 0.35, 0.5)),
    "occluder": nuisance("occluder, px", "occluder_px", (4, 8, 16, 24)),
    "decoy": Corruption("decoy discs", attrgetter("decoy"), (1,), lambda c, x: refilmed(c, decoy=bool(x))),
    "jitter": nuisance("camera jitter, px", "jitter_px", (0.5, 1, 2, 3)),
    "slower": Corruption("speed factor", unchanged, (0.9, 0.8, 0.7), speed),
    "faster": Corruption("speed factor", unchanged, (1.1, 1.2, 1.3), speed),
    "smaller": Corruption("size factor", unchanged, (0.8, 0.6, 0.4), resized),
    "larger": Corruption("size factor", unchanged, (1.25, 1.5, 2), resized),
    "fewer fps": Corruption("frames a second", attrgetter("frame_rate"), (27, 25, 23), frame_rate),
    "more fps": Corruption("frames a second", attrgetter("frame_rate"), (33, 36, 40), frame_rate),
    "dropped": nuisance("dropped frames", "dropped_frames", (2, 4, 6, 8)),
    "observed": Corruption("observed frames", attrgetter("frames"), (12, 8, 6, 4, 3, 2), observed),
}


def all_conditions(clips):
    """Every Condition of `clips`: clean, then each other severity of each corruption that has room."""
    yield Condition(CLEAN, 0.0, clips)
    for name, corruption in CORRUPTIONS.items():
        for severity in (x for x in corruption.severities if x != corruption.clean(clips.cfg)):
            try:
                yield Condition(name, float(severity), corruption.apply(clips, severity))
            except (ParameterError, recipes.ImpossibleWorld) as reason:
                print(f"{name} {severity:g} is skipped, so the mean over {name} covers a shorter range: {reason}")
