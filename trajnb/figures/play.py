"""Sliders over a picture where a person watches; where nobody does, the picture of their starting values, once.

What a slider shows lives in the page's memory: it does not survive in a rendered notebook, so none is made for one.
"""

import ipywidgets as widgets

from trajnb.attention import examples
from trajnb.attention import figures as figure_of_map
from trajnb.data import scenes
from trajnb.evaluation import predictions, trackers
from trajnb.figures import style, tour
from trajnb.progress import interactive
from trajnb.training import predict

LABELS = {"number": "shape, number", "gravity": "gravity, Earth's", "speed": "speed, m/s"}
LABELS |= {"depth_m": "depth, m", "noise": "noise, full scale"}
STEPS = {"number": 1, "gravity": 0.05, "speed": 0.1, "depth_m": 0.1, "noise": 0.01}
STYLE, LAYOUT = {"description_width": "110px"}, {"width": "400px"}
LOOK = {"style": STYLE, "layout": LAYOUT}
AS_IT_IS = {"align_self": "flex-start", "max_width": "100%"}  # a stretched picture is a blurred one


def world(cfg, folder):
    """The clip of a world that can be turned: film strip, path, and whether a data set would take it."""
    return turn(lambda scene: tour.scene(scenes.clip(cfg, scene)), cfg, folder, "own_world")


def network(net, cfg, folder):
    """What a trained net says about the clip of a world that can be turned, beside the truth and constant velocity."""

    def draw(scene):
        clips = scenes.clip(cfg, scene)
        said = predictions.from_output(predict(net, clips, cfg))
        return tour.answer(clips, said, trackers.measured_constant_velocity(clips))

    return turn(draw, cfg, folder, "own_answer")


def attention(networks, sets, cfg, folder):
    """One map over one clip with a decoy, to be chosen with the frame; without a person, the first one as a picture.

    networks: {model: trajnb.attention Explained}; sets: {"plain", "decoy"} of trajnb.attention.clips.
    """
    clips, first = sets["decoy"], {"clip": 0, "model": cfg.models[0], "method": "head_class", "frame": cfg.frames // 2}

    def draw(clip, model, method, frame):
        map_TSS = examples.one(networks[model], clips, clip, method)
        return figure_of_map.look(clips, clip, map_TSS, frame, f"{model}: {method.replace('_', ' ')}")

    still = style.save(draw(**first), folder, "own_look")
    if not interactive():
        return still
    ends = {"clip": len(clips) - 1, "frame": cfg.frames - 1}
    knobs = {name: widgets.IntSlider(first[name], 0, end, description=name, **LOOK) for name, end in ends.items()}
    names = examples.names(networks[cfg.models[0]], clips, cfg)
    knobs["model"] = widgets.Dropdown(options=cfg.models, description="network", **LOOK)
    knobs["method"] = widgets.Dropdown(options=names, description="map", **LOOK)
    picture = widgets.Image(value=still.data, format="png", layout=AS_IT_IS)

    def redraw(change):
        if change["owner"] is knobs["model"]:  # another network has other maps
            knobs["method"].options = examples.names(networks[change["new"]], clips, cfg)
        picture.value = style.png(draw(**{name: knob.value for name, knob in knobs.items()}))

    for knob in knobs.values():
        knob.observe(redraw, "value")
    return widgets.VBox([*(knobs[name] for name in ("model", "method", "clip", "frame")), picture])


def turn(draw, cfg, folder, name):
    """Sliders for a scene above the figure that `draw(scene)` makes; without a person, the first one as a picture.

    The picture of the starting values is kept as folder/figures/name.png either way.
    """
    still = style.save(draw(scenes.first(cfg)), folder, name)
    if not interactive():
        return still
    picture, knobs = widgets.Image(value=still.data, format="png", layout=AS_IT_IS), controls_of(cfg)

    def redraw(change):
        picture.value = style.png(draw(scenes.Scene(**{knob: widget.value for knob, widget in knobs.items()})))

    for widget in knobs.values():
        widget.observe(redraw, "value")
    columns = {"grid_template_columns": "repeat(auto-fit, 410px)"}
    sliders = widgets.GridBox([knobs[knob] for knob in scenes.SPANS], layout=columns)
    return widgets.VBox([knobs["motion"], sliders, picture])


def controls_of(cfg):
    """{field of a Scene: the widget that turns it}."""
    start, look = scenes.first(cfg), {"style": STYLE, "layout": LAYOUT}
    choice = {"options": cfg.motions, "value": start.motion, "style": {"button_width": "90px"}}
    knobs = {"motion": widgets.ToggleButtons(**choice)}
    for knob, (low, high) in scenes.SPANS.items():
        kind = widgets.IntSlider if isinstance(low, int) else widgets.FloatSlider
        span = {"min": low, "max": high, "step": STEPS[knob], "value": getattr(start, knob)}
        knobs[knob] = kind(description=LABELS[knob], **span, **look)
    return knobs
