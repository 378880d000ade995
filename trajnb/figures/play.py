"""Sliders beside a figure for an interactive session; elsewhere the figure of their starting values, once.

A widget's state lives in the page's memory: it does not survive in a rendered notebook, so none is made for one.
"""

import functools
import inspect

import ipywidgets as widgets
import numpy as np

from trajnb.data import ClipSet
from trajnb.evaluation import predictions, trackers
from trajnb.figures import style, tour
from trajnb.progress import interactive
from trajnb.training import predict
from trajnb.world import recipes

# {slider: (least, largest, step)}; it starts at the default of `clip`
SLIDERS = {"number": (0, 99), "gravity": (0.5, 2.0, 0.05), "extent_px": (14.0, 44.0, 1.0)}
SLIDERS |= {"depth_m": (2.0, 4.0, 0.1), "noise": (0.0, 0.25, 0.01)}


def clip(cfg, motion, number=0, gravity=1.0, extent_px=30.0, depth_m=3.0, noise=0.02):
    """The ClipSet of clip `number`; gravity is a multiple of the world's, noise a share of full scale.

    Raises ImpossibleWorld where no such path fits the picture.
    """
    own = cfg.replace(gravity=cfg.gravity * gravity)
    table = recipes.nuisances(own, cfg.data_seed, np.array([number]))
    table = table.assign(extent_px=extent_px, depth_m=depth_m, noise=noise)
    table.insert(1, "motion", motion)
    table["attempt"] = recipes.accepted_attempts(own, cfg.data_seed, table)
    return ClipSet(own, cfg.data_seed, table)


def world(cfg, folder):
    """A clip of a world that can be varied: film strip and path."""
    return explore(tour.scene, cfg, folder, "own_world")


def network(net, cfg, folder):
    """What a trained net predicts for the clip of a world that can be varied, beside truth and constant velocity."""

    def draw(clips):
        predicted = predictions.from_output(predict(net, clips, cfg))
        return tour.predictions(clips, predicted, trackers.measured_constant_velocity(clips), [0])

    return explore(draw, cfg, folder, "own_prediction")


def explore(draw, cfg, folder, name):
    """Sliders for a world above the figure that `draw(clips)` makes; without a viewer the first figure alone.

    The figure of the starting values is saved as folder/figures/name.png either way.
    """
    first = "parabolic" if "parabolic" in cfg.motions else cfg.motions[0]
    make = functools.partial(clip, cfg, motion=first)
    still = style.save(draw(make()), folder, name)
    if not interactive():
        return still

    def show(**values):
        try:
            return style.shown(draw(make(**values)), name.replace("_", " "))
        except recipes.ImpossibleWorld as error:
            print(f"No such clip: {error}")

    show.__signature__ = inspect.signature(make)  # where the sliders start
    return widgets.interactive(show, {"auto_display": True}, motion=cfg.motions, **SLIDERS)
