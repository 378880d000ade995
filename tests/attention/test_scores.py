"""Scores of a perfect and of a constant map are what they must be, and figures show what they were given."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from trajnb.attention import figures, study
from trajnb.attention.clips import clip_pairs, distance_px, object_px
from trajnb.attention.maps import controls
from trajnb.figures import save


@pytest.fixture(scope="module")
def distance(clips):
    return distance_px(clips)


@pytest.fixture(scope="module")
def both(clips):
    return clip_pairs(clips, 8)


def test_a_perfect_map_scores_one_and_a_constant_one_what_a_blind_guess_would(distance):
    perfect, constant = (distance <= 0).astype(np.float32), np.full_like(distance, 0.7)
    for score, edge in ((study.pointing_game, study.TOLERANCE_PX), (study.relevance_mass, 0)):
        np.testing.assert_allclose(score(perfect, distance), 1, err_msg=score.__name__)
        np.testing.assert_allclose(score(constant, distance), (distance <= edge).mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(study.relevance_mass(0 * constant, distance), (distance <= 0).mean(axis=(1, 2, 3)))


def test_just_inside_the_tolerance_counts_and_just_outside_does_not(distance):
    for wanted, expected in ((study.TOLERANCE_PX - 0.3, 1), (study.TOLERANCE_PX + 1.2, 0)):
        at = np.zeros_like(distance)
        away = np.abs(distance[:, 5] - wanted).reshape(len(distance), -1).argmin(axis=1)
        at.reshape(len(distance), 16, -1)[np.arange(len(distance)), 5, away] = 1
        assert (study.pointing_game(at, distance) == expected).all()


def test_the_object_is_where_the_pixels_are(clips, distance):
    """No second source of truth: the rendered disc is bright where the distance says inside, dark outside."""
    for clip, away in zip(clips.render(np.arange(len(clips))).astype(float), distance, strict=True):
        assert clip[away < -1].min() > clip[away > 1].mean() + 3 * clip[away > 1].std()


def test_light_and_change_find_a_lone_object_but_not_one_beside_a_decoy(both):
    for kind, (least, most) in {"plain": (0.95, 1), "decoy": (0, 0.9)}.items():
        video = both[kind].batch(np.arange(len(both[kind]))).video / 255
        found, away = controls(video, both[kind].table["index"]), distance_px(both[kind])
        for name in ("brightest_pixel", "motion_energy"):
            frames = (x.reshape(-1, 1, 64, 64) for x in (found[name].cells_BTHW, away))
            assert least <= study.pointing_game(*frames).mean() <= most, (kind, name)


def test_a_decoy_has_as_much_change_and_stays_apart(clips, both):
    plain, decoy = (both[kind].render(np.arange(len(both[kind]))).astype(float) for kind in ("plain", "decoy"))
    assert both["plain"].table["index"].tolist() == both["decoy"].table["index"].tolist()
    distance = distance_px(both["plain"])
    assert (distance[plain != decoy] > 7).all(), "8 px from edge to edge; edges are a pixel wide"
    alone = np.where(distance < 4, plain, np.median(plain))
    energy = [(np.diff(x, axis=1) ** 2).sum(axis=(1, 2, 3)) for x in (decoy - plain, alone)]
    assert np.median(energy[0] / energy[1]) == pytest.approx(1, abs=0.1)
    with pytest.raises(ValueError, match="raise test_clips"):
        clip_pairs(clips.take(np.array([], int)), 4)


@pytest.mark.parametrize(("won", "lost"), [(9, 0), (12, 3), (8, 8), (3, 14)])
def test_flipping_signs_is_mcnemars_exact_test_where_clips_are_won_or_lost(won, lost):
    ahead = np.r_[np.ones(won), -np.ones(lost), np.zeros(40)][:, None]
    (p,) = study.sign_flip_p(ahead, 20_000)
    assert p == pytest.approx(min(2 * binomtest(won, won + lost, alternative="greater").pvalue, 1), abs=0.012)


def test_what_fails_the_randomisation_test_is_crossed_out(tmp_path):
    maps = (("head_class", 0.8, True), ("activation", 0.7, False), ("gradcam", 0.02, False), ("random", 0.02, False))
    rows = [(model, kind, *row) for model in ("transformer", "i3d") for kind in ("plain", "decoy") for row in maps]
    board = pd.DataFrame(rows, columns=["model", "clips", "method", "pointing_game", "passes_randomisation"])
    points = board["pointing_game"]
    figure = figures.pointing_game(board.assign(pointing_game_low=points - 0.02, pointing_game_high=points + 0.1))
    plain, decoy = (line.get_ydata() for line in figure.axes[0].lines)
    assert plain.round().tolist() == decoy.round().tolist() == [1, 2], "activation and gradcam, no control"
    assert (plain < decoy).all(), "plain above decoy: neither is hidden"
    assert len(save(figure, tmp_path, "pointing_game").data) > 3000


def test_a_film_strip_shows_the_object_and_the_map_over_the_frames(both, tmp_path):
    decoy = both["decoy"]
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
