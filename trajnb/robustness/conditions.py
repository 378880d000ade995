"""Difficulty suites: clips a little outside of what networks were trained on, one knob at a time.

A suite turns one knob in a few steps from where training had it. Clips come from a seed range of their own, the same
ones at every level of a knob that acts after the motion, so that levels differ by the knob alone; where the knob is
part of the motion, clips are drawn anew. Nothing here is ever trained on.

Shapes:   N clips   F frames (seen and future)   T seen frames
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from trajnb.config import Config, ParameterError
from trajnb.data import ClipSet, Reordered
from trajnb.world import recipes

USUAL, PAIRED = "as trained", "two at once"  # the questions that are no suite of one knob
SUITE_SEEDS = 2 * 2**32  # clips of suites come from seed data_seed + SUITE_SEEDS: neither training nor test has it
LONGEST_HORIZON = 15  # frames ahead that the suites' clips know of
SPEEDS = tuple(f"{kind}_{end}" for kind in ("speed", "ou_speed", "helix_speed") for end in ("min", "max"))
NUISANCES = ("noise_min", "noise_max", "size_factor_min", "size_factor_max", *recipes.OPTIONAL, "varied")


class Suite(NamedTuple):
    """One knob: `usual` is its level in training, `change(clips, level)` turns it."""

    label: str
    usual: float
    levels: tuple
    change: Callable


class Asked(NamedTuple):
    """Clips of one level of one suite; `seen`: how many of the last frames are shown."""

    suite: str
    level: float
    clips: ClipSet
    seen: int


def base(cfg):
    """`suite_clips` clips as training had them, but for nuisances drawn per clip, which are off."""
    off = {name: Config().model_dump()[name] for name in NUISANCES} if cfg.varied else {}
    world, seed = cfg.replace(**off), cfg.data_seed + SUITE_SEEDS
    return ClipSet(world, seed, recipes.draw(world, seed, np.arange(cfg.suite_clips)))


def far(clips):
    """The clips whose object is before the camera for LONGEST_HORIZON further frames, with all those positions."""
    wide = ClipSet(clips.cfg.replace(horizon=LONGEST_HORIZON), clips.seed, clips.table)
    return wide.take(np.flatnonzero((wide.xyz_NFx3[..., 2] >= recipes.DEPTH_NEAREST_M).all(axis=1)))


def filmed(clips, **changes):
    """The same recipes in a world with other nuisances: what acts after the motion."""
    return ClipSet(clips.cfg.replace(**changes), clips.seed, clips.table, clips.xyz_NFx3)


def drawn(clips, **changes):
    """As many clips of the same seed, drawn in another world: what acts on the motion itself."""
    cfg = clips.cfg.replace(**changes)
    return ClipSet(cfg, clips.seed, recipes.draw(cfg, clips.seed, clips.table["index"]))


def with_columns(clips, **columns):
    """The same recipes with other values in some columns."""
    return ClipSet(clips.cfg, clips.seed, clips.table.assign(**columns), clips.xyz_NFx3)


def contrast(clips, share):
    """The object's brightness moved towards the background's."""
    table = clips.table
    return with_columns(clips, brightness=table["background"] + share * (table["brightness"] - table["background"]))


def speed(clips, factor):
    """Objects so many times as fast, circles turning so many times as far; gravity stays."""
    return drawn(clips, **scaled(clips.cfg, SPEEDS, factor), **longer(clips.cfg, factor))


def frame_rate(clips, rate):
    """The camera takes so many frames a second, so that as many frames show more or less of the same motion."""
    return drawn(clips, frame_rate=rate, **longer(clips.cfg, clips.cfg.frame_rate / rate))


def size(clips, factor):
    """Objects so many times as large, at the same places; who measures their size is told."""
    return filmed(clips, radius_m=clips.cfg.radius_m * factor)


def longer(cfg, factor):
    """Changes under which seen paths are so many times as long, as far as the picture has room.

    Shorter paths lose more at their long end, as what is slow and far away covers few pixels, and the margin between
    the classes shrinks with them.
    """
    changes = scaled(cfg, ("sweep_min_deg", "sweep_max_deg", "extent_min_px"), factor)
    room, least = cfg.size - 2 * cfg.frame_margin_px, min(factor, 1.0)
    changes["extent_max_px"] = min(cfg.extent_max_px * factor * least, room)
    return changes | scaled(cfg, ("class_margin_px",), least)


def scaled(cfg, names, factor):
    """{name: its value times a factor}."""
    return {name: getattr(cfg, name) * factor for name in names}


def nuisance(name):
    """The change of a nuisance that is a parameter of the world."""
    return lambda clips, level: filmed(clips, **{name: level})


def held(clips, seen):
    """Only the last frames are shown; the first of them stands in for those before."""
    return Reordered(clips, "held", int(seen))


SUITES = {
    "noise": Suite("sensor noise, of full scale", 0.02, (0.05, 0.1, 0.15, 0.2), lambda c, x: with_columns(c, noise=x)),
    "blur": Suite("blur, px", 0, (1, 2, 3, 4), nuisance("blur_px")),
    "contrast": Suite("contrast, of the usual", 1, (0.7, 0.5, 0.3, 0.15), contrast),
    "texture": Suite("texture, of full scale", 0, (0.1, 0.2, 0.35, 0.5), nuisance("texture")),
    "occluder": Suite("bar in front, px", 0, (4, 8, 16, 24), nuisance("occluder_px")),
    "decoy": Suite("discs jittering in place", 0, (1,), lambda c, x: filmed(c, decoy=bool(x))),
    "jitter": Suite("camera shake, px", 0, (0.5, 1, 2, 3), nuisance("jitter_px")),
    "slower": Suite("speed, of the usual", 1, (0.9, 0.8, 0.7), speed),
    "faster": Suite("speed, of the usual", 1, (1.1, 1.2, 1.3), speed),
    "smaller": Suite("size, of the usual", 1, (0.8, 0.6, 0.4), size),
    "larger": Suite("size, of the usual", 1, (1.25, 1.5, 2), size),
    "fewer fps": Suite("frames a second", 30, (27, 25, 23), frame_rate),
    "more fps": Suite("frames a second", 30, (33, 36, 40), frame_rate),
    "dropped": Suite("frames lost", 0, (2, 4, 6, 8), nuisance("dropped_frames")),
    "seen": Suite("frames seen", 16, (12, 8, 6, 4, 3, 2), held),
}
TOGETHER = {  # a training with `varied` meets each of these alone and never two at once
    "blur, texture": {"blur_px": 1.0, "texture": 0.2},
    "occluder, jitter": {"occluder_px": 8.0, "jitter_px": 1.0},
    "decoy, dropped": {"decoy": True, "dropped_frames": 4},
    "texture, jitter": {"texture": 0.2, "jitter_px": 1.0},
    "blur, dropped": {"blur_px": 1.0, "dropped_frames": 4},
}


def questions(clips):
    """Every level of every suite (Asked), the clips as they are first; `clips`: `base(cfg)`.

    A level that the world has no room for is left out, and a line says so: a world of short paths knows no slower ones.
    """
    frames = clips.cfg.frames
    yield Asked(USUAL, 0.0, clips, frames)
    for name, suite in SUITES.items():
        for level in suite.levels:
            try:
                changed = suite.change(clips, level)
            except (ParameterError, recipes.ImpossibleWorld) as reason:
                print(f"{name} {level:g} is left out, so the mean over {name} covers a shorter range: {reason}")
            else:
                yield Asked(name, float(level), changed, int(level) if name == "seen" else frames)
    for number, changes in enumerate(TOGETHER.values()):
        yield Asked(PAIRED, float(number), filmed(clips, **changes), frames)
