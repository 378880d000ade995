"""Sliders beside a figure for an interactive session; elsewhere the figure of their starting values, once.

A widget's state lives in the page's memory: it does not survive in a rendered notebook, so none is made for one.
"""

import ipywidgets as widgets

from trajnb.data import scenes
from trajnb.evaluation import predictions, trackers
from trajnb.figures import style, tour
from trajnb.progress import interactive
from trajnb.training import predict

LABELS = {"number": "shape, number", "gravity": "gravity, Earth's", "speed": "speed, m/s"}
LABELS |= {"depth_m": "depth, m", "noise": "noise, full scale"}
STEPS = {"number": 1, "gravity": 0.05, "speed": 0.1, "depth_m": 0.1, "noise": 0.01}
LOOK = {"style": {"description_width": "110px"}, "layout": {"width": "400px"}}


def world(cfg, folder):
    """The clip of a world that can be varied: film strip, path, and whether a data set would accept it."""
    return explore(lambda scene: tour.scene(scenes.clip(cfg, scene)), cfg, folder, "own_world")


def network(net, cfg, folder):
    """What a trained net predicts for the clip of a world that can be varied, beside truth and constant velocity."""

    def draw(scene):
        clips = scenes.clip(cfg, scene)
        predicted = predictions.from_output(predict(net, clips, cfg))
        return tour.predictions(clips, predicted, trackers.measured_constant_velocity(clips), [0])

    return explore(draw, cfg, folder, "own_prediction")


def explore(draw, cfg, folder, name):
    """Sliders for a scene above the figure that `draw(scene)` makes; without a viewer the first figure alone.

    The figure of the starting values is saved as folder/figures/name.png either way.
    """
    still = style.save(draw(scenes.first(cfg)), folder, name)
    if not interactive():
        return still
    return widgets.interactive(
        lambda **values: style.shown(draw(scenes.Scene(**values)), name.replace("_", " ")),
        {"auto_display": True},
        **sliders(cfg),
    )


def sliders(cfg):
    """{field of a Scene: its widget}."""
    start = scenes.first(cfg)
    found = {"motion": widgets.ToggleButtons(options=cfg.motions, value=start.motion, style={"button_width": "90px"})}
    for field, (low, high) in scenes.SPANS.items():
        kind = widgets.IntSlider if isinstance(low, int) else widgets.FloatSlider
        span = {"min": low, "max": high, "step": STEPS[field], "value": getattr(start, field)}
        found[field] = kind(description=LABELS[field], **span, **LOOK)
    return found
