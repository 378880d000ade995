"""Sliders beside a figure for an interactive session; elsewhere the figure of their starting values, once.

A widget's state lives in the page's memory: it does not survive in a rendered notebook, so none is made for one.
"""

import ipywidgets as widgets
import numpy as np

from trajnb.data import ClipSet
from trajnb.evaluation import predictions, trackers
from trajnb.figures import style, tour
from trajnb.progress import interactive
from trajnb.training import predict
from trajnb.world import recipes

# {slider: (least, largest, step, start)}; gravity as a multiple of the world's, noise as a share of full scale
SLIDERS = {"number": (0, 99, 1, 0), "gravity": (0.5, 2.0, 0.05, 1.0), "extent_px": (14.0, 44.0, 1.0, 30.0)}
SLIDERS |= {"depth_m": (2.0, 4.0, 0.1, 3.0), "noise": (0.0, 0.25, 0.01, 0.02)}
LOOK = {"style": {"description_width": "110px"}, "layout": {"width": "400px"}}


def world(cfg, folder):
    """A clip of a world that can be varied: film strip and path."""
    return explore(tour.scene, cfg, folder, "own_world")


def network(net, cfg, folder):
    """What a trained net predicts for the clip of a world that can be varied, beside truth and constant velocity."""

    def draw(clips):
        predicted = predictions.from_output(predict(net, clips, cfg))
        return tour.predictions(clips, predicted, trackers.measured_constant_velocity(clips), [0])

    return explore(draw, cfg, folder, "own_prediction")


def clip(cfg, motion, number, gravity, **values):
    """The ClipSet of clip `number`, with a motion, gravity and further values of its recipe as given.

    Raises ImpossibleWorld where no such path fits the picture.
    """
    own = cfg.replace(gravity=cfg.gravity * gravity)
    table = recipes.nuisances(own, cfg.data_seed, np.array([number])).assign(**values)
    table.insert(1, "motion", motion)
    table["attempt"] = recipes.accepted_attempts(own, cfg.data_seed, table)
    return ClipSet(own, cfg.data_seed, table)


def explore(draw, cfg, folder, name):
    """Sliders for a world above the figure that `draw(clips)` makes; without a viewer the first figure alone.

    The figure of the starting values is saved as folder/figures/name.png either way.
    """
    start = {slider: values[-1] for slider, values in SLIDERS.items()}
    motion = "parabolic" if "parabolic" in cfg.motions else cfg.motions[0]
    still = style.save(draw(clip(cfg, motion, **start)), folder, name)
    if not interactive():
        return still

    def show(**values):
        try:
            return style.shown(draw(clip(cfg, **values)), name.replace("_", " "))
        except recipes.ImpossibleWorld as error:
            print(f"No such clip: {error}")

    return widgets.interactive(show, {"auto_display": True}, **controls(cfg.motions, motion))


def controls(motions, motion):
    """{argument of `clip`: its widget}."""
    found = {"motion": widgets.ToggleButtons(options=motions, value=motion, style={"button_width": "90px"})}
    for name, (low, high, step, value) in SLIDERS.items():
        kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
        found[name] = kind(description=name, min=low, max=high, step=step, value=value, **LOOK)
    return found
