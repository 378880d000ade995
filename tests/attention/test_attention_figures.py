"""Figures of maps: each drawn once, a warning is an error; what they show is what they were given."""

import io

import matplotlib
import numpy as np
import pandas as pd
import PIL.Image
import pytest

from trajnb.attention import figures, sanity
from trajnb.attention.clips import KINDS, clip_pairs, distance_px, object_px
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.figures import save
from trajnb.world import camera, recipes

CFG = Config(models=["transformer", "i3d"])
QUERIES = ("head_class", *(f"head_future_{k}" for k in range(1, 6)))


@pytest.fixture(scope="module")
def decoy():
    return clip_pairs(ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(12))), 8)["decoy"]


@pytest.fixture(scope="module")
def on_object(decoy):
    """A map (T, S, S) that lies on the object of the first clip."""
    return np.exp(-np.maximum(distance_px(decoy.take([0]))[0], 0))


def board():
    methods = (("head_class", 0.8, True), ("activation", 0.7, False), ("gradcam", 0.02, False), ("random", 0.02, False))
    rows = [(model, kind, *row) for model in CFG.models for kind in KINDS for row in methods]
    table = pd.DataFrame(rows, columns=["model", "clips", "method", "pointing_game", "passes_randomisation"])
    return table.assign(
        pointing_game_low=table["pointing_game"] - 0.02, pointing_game_high=table["pointing_game"] + 0.1
    )


def every_figure(decoy, on_object):
    yield figures.strips(decoy, 0, {"head_class": on_object, "gradcam": 0 * on_object})
    shown = {motion: None if motion == "random" else (0, on_object) for motion in CFG.motions}
    yield figures.grid(decoy, {(motion, model): shown[motion] for motion in shown for model in CFG.models})
    yield figures.profiles(decoy, {model: np.ones((8, 16)) for model in CFG.models})
    yield figures.pointing_game(board())
    rows = [(model, part, 0.5) for model in CFG.models for part in (*sanity.RANDOMISED, "permuted")]
    correlations = pd.DataFrame(rows, columns=["model", "against", "rank_correlation"]).assign(method="head_class")
    yield figures.randomisation(correlations, ["head_class"])
    probed = {"layer": ["1", "2"], "top1": [0.5, 0.6], "control_top1": [0.3, 0.3], "error_px": [5, 4]}
    probed |= {"chance_top1": 0.25, "mean_place_error_px": 12}
    yield figures.probes(pd.DataFrame(probed | {"control_error_px": [12, 12], "model": "i3d"}))


def test_every_figure_is_drawn_and_saved(decoy, on_object, tmp_path):
    for number, figure in enumerate(every_figure(decoy, on_object)):
        assert len(save(figure, tmp_path, f"{number}").data) > 3000


def test_a_map_of_zeros_leaves_the_frame_as_it_is(decoy):
    frame = decoy.render([0])[0][0]
    np.testing.assert_allclose(figures.blend(frame, np.zeros(frame.shape), 0)[..., 0], frame / 255)
    full = figures.blend(frame, np.ones(frame.shape), 1)
    colour = np.array(matplotlib.colormaps["inferno"](1.0)[:3])
    np.testing.assert_allclose(full[0, 0], (1 - figures.OPACITY) * frame[0, 0] / 255 + figures.OPACITY * colour)


def test_what_fails_the_randomisation_test_is_crossed_out():
    axis = figures.pointing_game(board()).axes[0]
    crosses = [line for line in axis.lines if line.get_marker() == "x"]
    assert [round(line.get_ydata()[0]) for line in crosses] == [1, 2, 1, 2], "activation and gradcam, no control"
    assert crosses[0].get_ydata()[0] < crosses[2].get_ydata()[0], "plain above decoy: neither is hidden"


def test_a_future_query_is_shown_with_the_true_position(decoy, on_object):
    figure = figures.grid(decoy, {(query, "i3d"): (0, on_object) for query in QUERIES})
    crosses = [[line for line in axis.lines if line.get_marker() == "x"] for axis in figure.axes]
    assert [len(found) for found in crosses] == [0, 1, 1, 1, 1, 1]
    future_px = camera.project(decoy.xyz_NFx3[0, CFG.frames :], CFG)
    np.testing.assert_allclose([c[0].get_xydata()[0] + 0.5 for c in crosses[1:]], future_px, rtol=1e-5)


def test_a_constant_map_is_labelled(decoy, on_object):
    for shown, times in ((on_object, 0), (0 * on_object, 1)):
        figure = figures.grid(decoy, {("linear", "i3d"): (0, shown)})
        assert sum(text.get_text() == "constant map" for axis in figure.axes for text in axis.texts) == times


def test_a_film_strip_marks_the_object(decoy, on_object):
    figure = figures.strips(decoy, 0, {"head_class": on_object})
    (uv_NTx2, _), circles = object_px(decoy), [axis.patches[0] for axis in figure.axes if axis.patches]
    assert len(circles) == figures.SHOWN
    np.testing.assert_allclose(np.array(circles[0].center) + 0.5, uv_NTx2[0, 0])


def test_an_animation_loops_over_all_frames_and_is_small(decoy, on_object):
    gif = figures.animation(decoy, 0, {"map": on_object})
    assert len(gif) < 200_000
    picture = PIL.Image.open(io.BytesIO(gif))
    assert (picture.n_frames, picture.info["loop"]) == (CFG.frames, 0)
    assert picture.size == (2 * CFG.size * figures.ENLARGED, CFG.size * figures.ENLARGED)


@pytest.mark.parametrize("person", [False, True])
def test_the_explorer_has_sliders_for_a_person_and_a_picture_for_nobody(
    decoy, on_object, monkeypatch, tmp_path, person
):
    drawn = []
    monkeypatch.setattr(figures, "interactive", lambda: person)
    monkeypatch.setattr(figures.study, "maps_of", lambda net, clips, name: drawn.append(name) or on_object[None])
    shown = figures.explorer({"i3d": None}, decoy, board(), tmp_path)
    assert (tmp_path / "figures" / "explorer.png").is_file()
    if person:
        clip, choice = shown.children[:2]
        assert clip.max == len(decoy) - 1 and choice.options == ("i3d: head_class", "i3d: activation", "i3d: gradcam")
        choice.value = "i3d: gradcam"
        assert drawn[-1] == "gradcam"
    else:
        assert len(shown.data) > 3000
