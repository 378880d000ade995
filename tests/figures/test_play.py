"""Sliders: none without a viewer, and each of them draws another picture."""

import itertools

import ipywidgets as widgets
import pytest
from IPython.display import Image

from trajnb import models
from trajnb.config import Config
from trajnb.figures import play

CFG = Config(model="i3d")


@pytest.fixture
def watched(monkeypatch):
    """As in JupyterLab."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")


def panels(folder):
    return [play.world(CFG, folder), play.network(models.build(CFG), CFG, folder)]


def test_without_a_viewer_there_is_a_picture_and_no_widget(monkeypatch, tmp_path):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    for shown, name in zip(panels(tmp_path), ("own_world", "own_prediction"), strict=True):
        assert isinstance(shown, Image)
        assert shown.data == (tmp_path / "figures" / f"{name}.png").read_bytes()


def test_every_slider_changes_the_picture_and_both_its_ends_can_be_drawn(watched, tmp_path, capsys):
    for shown, name in zip(panels(tmp_path), ("own_world", "own_prediction"), strict=True):
        assert isinstance(shown, widgets.interactive)
        still = (tmp_path / "figures" / f"{name}.png").read_bytes()
        assert shown.result.data == still, "it begins with the picture of the starting values"
        motion, *knobs, _ = shown.children
        for knob, end in itertools.product(knobs, ("max", "min")):
            before, start = shown.result.data, knob.value
            knob.value = getattr(knob, end)
            assert (shown.result.data != before) == (knob.value != start), "an error leaves the last picture"
        before, motion.value = shown.result.data, "circular"
        assert shown.result.data != before
