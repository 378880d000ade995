"""Figures of maps: each drawn once, a warning is an error; what they show is what they were given."""

import matplotlib
import numpy as np
import pandas as pd

from trajnb.attention import figures
from trajnb.attention.clips import clip_pairs, distance_px, object_px
from trajnb.figures import save

METHODS = (("head_class", 0.8, True), ("activation", 0.7, False), ("gradcam", 0.02, False), ("random", 0.02, False))


def test_what_fails_the_randomisation_test_is_crossed_out(tmp_path):
    rows = [(model, kind, *row) for model in ("transformer", "i3d") for kind in ("plain", "decoy") for row in METHODS]
    board = pd.DataFrame(rows, columns=["model", "clips", "method", "pointing_game", "passes_randomisation"])
    points = board["pointing_game"]
    figure = figures.pointing_game(board.assign(pointing_game_low=points - 0.02, pointing_game_high=points + 0.1))
    plain, decoy = (line.get_ydata() for line in figure.axes[0].lines)
    assert plain.round().tolist() == decoy.round().tolist() == [1, 2], "activation and gradcam, no control"
    assert (plain < decoy).all(), "plain above decoy: neither is hidden"
    assert len(save(figure, tmp_path, "pointing_game").data) > 3000


def test_a_film_strip_shows_the_object_and_the_map_over_the_frames(clips, tmp_path):
    decoy = clip_pairs(clips, 8)["decoy"]
    on_object = np.exp(-np.maximum(distance_px(decoy.take([0]))[0], 0))
    figure = figures.strips(decoy, 0, {"nothing": 0 * on_object, "head_class": on_object})
    circles = [axis.patches[0] for axis in figure.axes if axis.patches]
    assert len(circles) == 2 * figures.SHOWN
    np.testing.assert_allclose(np.array(circles[0].center) + 0.5, object_px(decoy)[0][0, 0])
    frame = decoy.render([0])[0][0] / 255
    without, under = (figure.axes[k].images[0].get_array() for k in (0, figures.SHOWN + 1))
    np.testing.assert_allclose(without[..., 0], frame)
    highest = np.unravel_index(on_object[0].argmax(), frame.shape)
    colour = np.array(matplotlib.colormaps["inferno"](1.0)[:3])
    np.testing.assert_allclose(under[highest], (1 - figures.OPACITY) * frame[highest] + figures.OPACITY * colour)
    assert len(save(figure, tmp_path, "strips").data) > 3000
