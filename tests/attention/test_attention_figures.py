"""Figures of maps: each drawn once, a warning is an error; what they show is what they were given."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from trajnb.attention import figures, sanity
from trajnb.attention.clips import clip_pairs, distance_px, object_px
from trajnb.figures import save

MODELS = ("transformer", "i3d")


@pytest.fixture(scope="module")
def decoy(clips):
    return clip_pairs(clips, 8)["decoy"]


@pytest.fixture(scope="module")
def on_object(decoy):
    """A map (T, S, S) that lies on the object of the first clip."""
    return np.exp(-np.maximum(distance_px(decoy.take([0]))[0], 0))


@pytest.fixture(scope="module")
def board():
    methods = (("head_class", 0.8, True), ("activation", 0.7, False), ("gradcam", 0.02, False), ("random", 0.02, False))
    rows = [(model, kind, *row) for model in MODELS for kind in ("plain", "decoy") for row in methods]
    table = pd.DataFrame(rows, columns=["model", "clips", "method", "pointing_game", "passes_randomisation"])
    points = table["pointing_game"]
    return table.assign(pointing_game_low=points - 0.02, pointing_game_high=points + 0.1)


def test_a_map_of_zeros_leaves_the_frame_as_it_is(decoy):
    frame = decoy.render([0])[0][0]
    np.testing.assert_allclose(figures.blend(frame, np.zeros(frame.shape), 0)[..., 0], frame / 255)
    full = figures.blend(frame, np.ones(frame.shape), 1)
    colour = np.array(matplotlib.colormaps["inferno"](1.0)[:3])
    np.testing.assert_allclose(full[0, 0], (1 - figures.OPACITY) * frame[0, 0] / 255 + figures.OPACITY * colour)


def test_what_fails_the_randomisation_test_is_crossed_out(board, tmp_path):
    figure = figures.pointing_game(board)
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [round(line.get_ydata()[0]) for line in crosses] == [1, 2, 1, 2], "activation and gradcam, no control"
    assert crosses[0].get_ydata()[0] < crosses[2].get_ydata()[0], "plain above decoy: neither is hidden"
    assert len(save(figure, tmp_path, "pointing_game").data) > 3000


def test_a_grid_labels_constant_maps_and_says_where_there_is_none(decoy, on_object, tmp_path):
    shown = {(motion, model): (0, on_object) for motion in decoy.cfg.motions for model in MODELS}
    figure = figures.grid(decoy, shown | {("linear", "i3d"): None, ("random", "i3d"): (0, 0 * on_object)})
    texts = {k: text.get_text() for k, axis in enumerate(figure.axes) for text in axis.texts}
    assert texts == {1: "none", 2 * list(decoy.cfg.motions).index("random") + 1: "constant map"}
    assert len(save(figure, tmp_path, "grid").data) > 3000


def test_the_randomisation_of_each_model_starts_at_one(tmp_path):
    rows = [(model, part, 0.5) for model in MODELS for part in (*sanity.RANDOMISED, "permuted")]
    correlations = pd.DataFrame(rows, columns=["model", "against", "rank_correlation"]).assign(method="head_class")
    figure = figures.randomisation(correlations, ["head_class", "gradcam"])
    assert [axis.lines[0].get_ydata().tolist() for axis in figure.axes] == 2 * [[1, 0.5, 0.5, 0.5, 0.5]]
    assert len(save(figure, tmp_path, "randomisation").data) > 3000


def test_a_film_strip_marks_the_object(decoy, on_object):
    figure = figures.strips(decoy, 0, "i3d: head_class", on_object)
    (uv_NTx2, _), circles = object_px(decoy), [axis.patches[0] for axis in figure.axes if axis.patches]
    assert len(circles) == figures.SHOWN
    np.testing.assert_allclose(np.array(circles[0].center) + 0.5, uv_NTx2[0, 0])


@pytest.mark.parametrize("person", [False, True])
def test_the_explorer_has_sliders_for_a_person_and_a_picture_for_nobody(
    decoy, on_object, board, monkeypatch, tmp_path, person
):
    drawn = []
    monkeypatch.setattr(figures, "interactive", lambda: person)
    monkeypatch.setattr(figures.study, "maps_of", lambda net, clips, name: drawn.append(name) or on_object[None])
    shown = figures.explorer({"i3d": None}, decoy, board, tmp_path)
    assert (tmp_path / "figures" / "explorer.png").is_file()
    if not person:
        assert len(shown.data) > 3000
        return
    clip, choice = shown.children[:2]
    assert clip.max == len(decoy) - 1 and choice.options == ("i3d: head_class", "i3d: activation", "i3d: gradcam")
    choice.value = "i3d: gradcam"
    assert drawn[-1] == "gradcam"
