"""Sliders: none without a viewer, and each of them draws another picture."""

import itertools

import ipywidgets as widgets
import numpy as np
import pytest
from IPython.display import Image

from trajnb import models
from trajnb.config import Config
from trajnb.figures import play
from trajnb.world import recipes

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


def test_each_slider_acts_as_its_name_says():
    for gravity in (0.5, 2.0):
        fall = play.clip(CFG, "parabolic", gravity=gravity).xyz_NFx3[0]
        np.testing.assert_allclose(np.diff(fall[:, 1], 2) * CFG.frame_rate**2, gravity * CFG.gravity, atol=1e-6)
    shown = play.clip(CFG, "random", extent_px=40.0, depth_m=2.5, noise=0.1, number=7)
    row, uv = shown.table.iloc[0], shown.track_NFx3[:, : CFG.frames, :2] * CFG.size
    assert (row["depth_m"], row["noise"], row["index"]) == (2.5, 0.1, 7)
    assert recipes.extent(uv)[0] == pytest.approx(40.0, rel=recipes.EXTENT_TOLERANCE)
    with pytest.raises(recipes.ImpossibleWorld):
        play.clip(CFG, "linear", extent_px=200.0)
