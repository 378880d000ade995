"""Evaluation conditions: clips a little outside of the training distribution, one corruption at a time.

Clips come from a seed range of their own: no network is trained or selected on any of them. Where a corruption acts
after the motion, every severity has the same trajectories; where it changes the motion itself, clips are drawn anew.

Shapes:   N clips   F frames (observed and future)   T observed frames
"""

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
    """The label of a corruption's axis, its severities, and the parameter of the world whose values they are."""

    label: str
    severities: tuple
    parameter: str | None = None


CORRUPTIONS = {
    "noise": Corruption("sensor noise", (0.05, 0.1, 0.15, 0.2)),
    "blur": Corruption("blur, px", (1, 2, 3, 4), "blur_px"),
    "contrast": Corruption("contrast factor", (0.7, 0.5, 0.3, 0.15)),
    "texture": Corruption("texture", (0.1, 0.2, 0.35, 0.5), "texture"),
    "occluder": Corruption("occluder, px", (4, 8, 16, 24), "occluder_px"),
    "decoy": Corruption("decoy discs", (True,), "decoy"),
    "jitter": Corruption("camera jitter, px", (0.5, 1, 2, 3), "jitter_px"),
    "slower": Corruption("speed factor", (0.9, 0.8, 0.7)),
    "faster": Corruption("speed factor", (1.1, 1.2, 1.3)),
    "smaller": Corruption("size factor", (0.8, 0.6, 0.4)),
    "larger": Corruption("size factor", (1.25, 1.5, 2)),
    "fewer fps": Corruption("frames a second", (27, 25, 23), "frame_rate"),
    "more fps": Corruption("frames a second", (33, 36, 40), "frame_rate"),
    "dropped": Corruption("dropped frames", (2, 4, 6, 8), "dropped_frames"),
    "observed": Corruption("observed frames", (12, 8, 6, 4, 3, 2), "frames"),
}


def clean_clips(cfg):
    """`robustness_clips` clips as in training, but without nuisances drawn per clip (`varied` worlds)."""
    off = {name: Config().model_dump()[name] for name in NUISANCES} if cfg.varied else {}
    world, seed = cfg.replace(**off), cfg.data_seed + CONDITION_SEEDS
    return ClipSet(world, seed, recipes.draw(world, seed, np.arange(cfg.robustness_clips)))


def all_conditions(clips):
    """(corruption, severity, clips) of clean clips, then of each other severity of each corruption that has room."""
    yield CLEAN, 0.0, clips
    for name, corruption in CORRUPTIONS.items():
        for severity in (x for x in corruption.severities if x != clean_severity(name, clips.cfg)):
            try:
                yield name, float(severity), corrupted(clips, name, severity)
            except (ParameterError, recipes.ImpossibleWorld) as reason:
                print(f"{name} {severity:g} is skipped, so the mean over {name} covers a shorter range: {reason}")


def clean_severity(name, cfg):
    """The severity of a corruption that the clean clips of a world have: of a factor 1."""
    if name == "noise":  # drawn for each clip
        return (cfg.noise_min + cfg.noise_max) / 2
    parameter = CORRUPTIONS[name].parameter
    return getattr(cfg, parameter) if parameter else 1.0


def corrupted(clips, name, severity):
    """The clips under one severity of a corruption."""
    cfg, table, changes = clips.cfg, clips.table, {}
    match name:
        case "noise":
            table = table.assign(noise=severity)
        case "contrast":  # of the object's brightness from the background's
            table = table.assign(
                brightness=table["background"] + severity * (table["brightness"] - table["background"])
            )
        case "smaller" | "larger":
            changes = {"radius_m": cfg.radius_m * severity}
        case "slower" | "faster":  # gravity stays
            return redrawn(clips, severity, **scaled(cfg, SPEEDS, severity))
        case "fewer fps" | "more fps":  # as many frames show more or less of the same motion
            return redrawn(clips, cfg.frame_rate / severity, frame_rate=severity)
        case "observed":  # the first of the last frames stands in for all before it
            if severity >= cfg.frames:
                raise ParameterError(f"observed frames: {severity} of {cfg.frames} hold nothing back.")
            return Reordered(clips, "held", severity)
        case _:
            changes = {CORRUPTIONS[name].parameter: severity}
    return ClipSet(cfg.replace(**changes), clips.seed, table, clips.xyz_NFx3)  # the same trajectories


def redrawn(clips, factor, **changes):
    """As many clips of the same seed, of a world whose observed paths are `factor` times as long, if there is room."""
    cfg, least = clips.cfg, min(factor, 1.0)
    limits = scaled(cfg, ("sweep_min_deg", "sweep_max_deg", "extent_min_px"), factor)
    limits["class_margin_px"] = cfg.class_margin_px * least
    # Shorter paths lose more at their long end: what is slow and far away covers few pixels.
    limits["extent_max_px"] = min(cfg.extent_max_px * factor * least, cfg.size - 2 * cfg.frame_margin_px)
    world = cfg.replace(**changes, **limits)
    return ClipSet(world, clips.seed, recipes.draw(world, clips.seed, clips.table["index"]))


def scaled(cfg, names, factor):
    """{parameter: its value times a factor}."""
    return {name: getattr(cfg, name) * factor for name in names}
