"""Figures of maps: drawn once each, a warning is an error; what they show is what they were given."""

import io

import matplotlib
import numpy as np
import pandas as pd
import PIL.Image
import pytest

from trajnb.attention import clips as asked
from trajnb.attention import sanity, table
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.figures import attention, save
from trajnb.world import camera, recipes

CFG = Config(models=["transformer", "i3d"])
SHAPE = (CFG.frames, CFG.size, CFG.size)


@pytest.fixture(scope="module")
def clips():
    return asked.both(ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(12))), 8)["decoy"]


@pytest.fixture(scope="module")
def on_object(clips):
    """A map (T, S, S) that lies on the object of the first clip."""
    return np.exp(-np.maximum(asked.distance_px(clips.take([0]))[0], 0))


def board():
    rows = []
    for model in CFG.models:
        for kind in asked.KINDS:
            for method, value, alike in (
                ("head_class", 0.8, 0.1),
                ("activation", 0.7, 0.6),
                ("gradcam", 0.02, np.nan),
                ("random", 0.02, np.nan),
            ):
                scores = {"pointing_game": value, "pointing_game_low": value - 0.02, "pointing_game_high": value + 0.1}
                scores |= {"sanity_n": 0 if np.isnan(alike) else 64, "n": 64}
                own = {"model": model, "clips": kind, "method": method, "sanity_rank_correlation_high": alike}
                rows.append(own | scores)
    return pd.DataFrame(rows)


def checks():
    rows = [(model, level, 0.5) for model in CFG.models for level in (*sanity.LEVELS, "permuted")]
    return pd.DataFrame(rows, columns=["model", "against", "rank_correlation"]).assign(method="head_class")


def queries(on_object):
    return {name: on_object for name in ("head_class", *(f"head_future_{k}" for k in range(1, 6)))}


def every_figure(clips, on_object):
    yield attention.strips(clips, 0, {"head_class": on_object, "gradcam": 0 * on_object})
    chosen = {(model, motion): None if motion == "random" else 0 for model in CFG.models for motion in CFG.motions}
    maps = {key: on_object for key, row in chosen.items() if row is not None}
    yield attention.multiples(clips, chosen, maps, "head_class")
    curve = {motion: np.r_[np.nan, np.linspace(0, 2, 14), np.nan] for motion in CFG.motions}
    shares = {model: {motion: np.full(16, 1 / 16) for motion in CFG.motions} for model in CFG.models}
    yield attention.profiles(curve, shares)
    yield attention.standing(board())
    yield attention.survival(checks(), ["head_class"])
    probed = {"stage": ["1", "2"], "top1": [0.5, 0.6], "control_top1": [0.3, 0.3], "error_px": [5, 4]}
    probed |= {"chance_top1": 0.25, "mean_place_error_px": 12}
    yield attention.probes(pd.DataFrame(probed | {"control_error_px": [12, 12], "model": "i3d"}))
    yield attention.look(clips, 0, on_object, 3, "i3d: head class")
    yield attention.queries(clips, 0, {model: queries(on_object) for model in CFG.models})


def test_every_figure_is_drawn_and_kept(clips, on_object, tmp_path):
    for number, figure in enumerate(every_figure(clips, on_object)):
        shown = save(figure, tmp_path, f"{number}")
        assert 3000 < len(shown.data) < 150_000


def test_a_map_of_zeros_leaves_the_frame_as_it_is(clips):
    frame = clips.render([0])[0][0]
    np.testing.assert_allclose(attention.blend(frame, np.zeros(SHAPE[1:]), 0)[..., 0], frame / 255)
    full = attention.blend(frame, np.ones(SHAPE[1:]), 1)
    colour = np.array(matplotlib.colormaps["inferno"](1.0)[:3])
    np.testing.assert_allclose(full[0, 0], (1 - attention.STRONG) * frame[0, 0] / 255 + attention.STRONG * colour)


def test_what_survives_random_weights_is_crossed_out(clips):
    axis = attention.standing(board()).axes[0]
    crosses = [line for line in axis.lines if line.get_marker() == "x"]
    assert [round(line.get_ydata()[0]) for line in crosses] == [1, 2, 1, 2], "activation; gradcam, always level"
    assert crosses[0].get_ydata()[0] < crosses[2].get_ydata()[0], "plain above, with a decoy below: neither is hidden"
    assert set(table.CONTROLS) & set(board()["method"]) == {"random"}


def test_a_future_query_is_shown_with_the_place_it_is_about(clips, on_object):
    figure = attention.queries(clips, 0, {"i3d": queries(on_object)})
    crosses = [[line for line in axis.lines if line.get_marker() == "x"] for axis in figure.axes]
    assert [len(found) for found in crosses] == [0, 1, 1, 1, 1, 1]
    future_px = camera.project(clips.xyz_NFx3[0, CFG.frames :], CFG)
    np.testing.assert_allclose([c[0].get_xydata()[0] + 0.5 for c in crosses[1:]], future_px, rtol=1e-5)


def test_a_level_map_is_named(clips, on_object):
    chosen = {("i3d", motion): 0 for motion in CFG.motions}
    for shown, times in ((on_object, 0), (0 * on_object, len(CFG.motions))):
        figure = attention.multiples(clips, chosen, dict.fromkeys(chosen, shown), "gradcam")
        assert sum(text.get_text() == "level map" for axis in figure.axes for text in axis.texts) == times


def test_a_film_strip_marks_the_object(clips, on_object):
    figure = attention.strips(clips, 0, {"head_class": on_object})
    (uv_NTx2, _), circle = asked.object_px(clips), figure.axes[attention.SHOWN].patches[0]
    np.testing.assert_allclose(np.array(circle.center) + 0.5, uv_NTx2[0, 0])


def test_an_animation_loops_over_all_frames_and_is_small(clips, on_object):
    data = attention.animation(clips, 0, {"map": on_object})
    assert len(data) < 200_000
    picture = PIL.Image.open(io.BytesIO(data))
    assert (picture.n_frames, picture.info["loop"]) == (CFG.frames, 0)
    assert picture.size == (2 * CFG.size * attention.ENLARGED, CFG.size * attention.ENLARGED)
