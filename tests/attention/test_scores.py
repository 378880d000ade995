"""Scores of a perfect and of a constant map are what they must be."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, spearmanr
from torch import nn

from trajnb.attention import scores
from trajnb.attention.clips import clip_pairs, decoy_distance_px, distance_px
from trajnb.attention.clips import video as as_video
from trajnb.attention.maps import controls


@pytest.fixture(scope="module")
def distance(clips):
    return distance_px(clips)


def test_a_perfect_map_scores_one(clips, distance):
    perfect = (distance <= 0).astype(np.float32)
    for score in (scores.pointing_game, scores.pointing_game_per_frame, scores.relevance_mass, scores.relevance_rank):
        np.testing.assert_allclose(score(perfect, distance), 1, err_msg=score.__name__)


def test_a_constant_map_scores_what_a_blind_guess_would(clips, distance):
    constant = np.full_like(distance, 0.7)
    near, inside = ((distance <= edge).mean(axis=(1, 2, 3)) for edge in (scores.TOLERANCE_PX, 0))
    for score in (scores.pointing_game, scores.pointing_game_per_frame):
        np.testing.assert_allclose(score(constant, distance), near, rtol=1e-4)
    for score in (scores.relevance_mass, scores.relevance_rank):
        np.testing.assert_allclose(score(constant, distance), inside, rtol=1e-4)
    np.testing.assert_allclose(scores.relevance_mass(0 * constant, distance), inside)


def test_just_inside_the_tolerance_counts_and_just_outside_does_not(distance):
    for wanted, expected in ((scores.TOLERANCE_PX - 0.3, 1), (scores.TOLERANCE_PX + 1.2, 0)):
        at = np.zeros_like(distance)
        away = np.abs(distance[:, 5] - wanted).reshape(len(distance), -1).argmin(axis=1)
        at.reshape(len(distance), 16, -1)[np.arange(len(distance)), 5, away] = 1
        assert (scores.pointing_game(at, distance) == expected).all()


def test_the_object_is_where_the_pixels_are(clips, distance):
    """No second source of truth: the rendered disc is bright where the distance says inside, dark outside."""
    for clip, away in zip(clips.render(np.arange(len(clips))).astype(float), distance, strict=True):
        assert clip[away < -1].min() > clip[away > 1].mean() + 3 * clip[away > 1].std()


def test_light_and_change_find_a_lone_object_but_not_one_beside_a_decoy(clips):
    both = clip_pairs(clips, 8)
    for kind, expected in (("plain", 1.0), ("decoy", 0.9)):
        found = controls(as_video(both[kind]), both[kind].table["index"])
        away = distance_px(both[kind])
        for name in ("brightest_pixel", "motion_energy"):
            share = scores.pointing_game_per_frame(found[name].cells_BTHW, away).mean()
            assert share > 0.95 if kind == "plain" else share < expected, (kind, name)


def test_a_decoy_has_as_much_change_and_stays_apart(clips):
    both = clip_pairs(clips, 8)
    plain, decoy = (both[kind].render(np.arange(len(both[kind]))).astype(float) for kind in ("plain", "decoy"))
    assert both["plain"].table["index"].tolist() == both["decoy"].table["index"].tolist()
    assert (decoy_distance_px(both["plain"]) > 8).all()
    alone = np.where(distance_px(both["plain"]) < 4, plain, np.median(plain))
    energy = [(np.diff(x, axis=1) ** 2).sum(axis=(1, 2, 3)) for x in (decoy - plain, alone)]
    assert np.median(energy[0] / energy[1]) == pytest.approx(1, abs=0.1)


def test_clips_whose_decoys_all_come_near_raise(clips):
    with pytest.raises(ValueError, match="raise test_clips"):
        clip_pairs(clips.take(np.array([], int)), 4)


def test_the_temporal_profile_follows_the_acceleration_where_that_changes():
    frame = np.arange(16.0)
    uv = np.repeat(np.stack([np.cumsum(np.cumsum(frame**2)), 0 * frame], axis=1)[None], 3, axis=0)
    profile = np.zeros((3, 16))
    profile[:, 1:-1] = np.linalg.norm(np.diff(uv, n=2, axis=1), axis=2)
    profile[1], profile[2] = profile[1].max() - profile[1], 1
    maps = np.broadcast_to(profile[..., None, None], (3, 16, 4, 4))
    np.testing.assert_allclose(scores.temporal_correlation(maps, uv), [1, -1, np.nan])
    # A parabola's is the same in all frames but for perspective: ranks of that would be ranks of next to nothing.
    parabola = np.stack([frame, 0.5 * frame**2 + 1e-4 * frame**3], axis=1)[None]
    turn = np.stack([frame, np.abs(frame - 7)], axis=1)[None]
    assert np.isnan(scores.temporal_correlation(maps[:1], parabola))
    assert np.isfinite(scores.temporal_correlation(maps[:1], turn))


@pytest.mark.parametrize(("won", "lost"), [(9, 0), (12, 3), (8, 8), (3, 14)])
def test_flipping_signs_is_mcnemars_exact_test_where_clips_are_won_or_lost(won, lost):
    ahead = np.r_[np.ones(won), -np.ones(lost), np.zeros(40)][:, None]
    (p,) = scores.sign_flip_p(ahead, 20_000)
    assert p == pytest.approx(min(2 * binomtest(won, won + lost, alternative="greater").pvalue, 1), abs=0.012)


def test_a_difference_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        scores.sign_flip_p(np.array([[np.nan], [-0.5]]), 100)


def test_rank_correlation_is_spearmans():
    one, other = np.random.default_rng(0).integers(0, 5, (2, 3, 40))
    expected = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(scores.rank_correlation(one, other), expected)


class Watcher(nn.Module):
    """Sure of class 1 when enough light is in one corner of the clip: deletion there must undo it."""

    def forward(self, video_BCTHW):
        lit_B = video_BCTHW[:, 0, :, :8, :8].mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(lit_B), 40 * (lit_B - 0.4)], dim=1)


def test_deleting_and_inserting_what_counts_first_is_best():
    video = 0.2 + 0.02 * torch.rand(3, 1, 16, 64, 64, generator=torch.Generator().manual_seed(0))
    video[:, :, :, :8, :8] = 0.7
    right, wrong = np.zeros((3, 16, 64, 64), np.float32), np.zeros((3, 16, 64, 64), np.float32)
    right[:, :, :8, :8], wrong[:, :, 40:, 40:] = 1, 1
    target, net = torch.ones(3, dtype=torch.long), Watcher()
    both_ends = scores.curve_ends(net, video, target)
    assert (both_ends[0] > 0.99).all() and (both_ends[1] < 0.01).all()
    good, bad = (scores.curves(net, video, one, target, both_ends) for one in (right, wrong))
    assert (scores.area(good[0]) < scores.area(bad[0]) - 0.3).all(), "deletion: the sooner it falls the better"
    assert (scores.area(good[1]) > scores.area(bad[1]) + 0.3).all(), "insertion: the sooner it rises the better"
    for curve in (*good, *bad):
        assert curve.shape == (3, len(scores.SHARES))
    np.testing.assert_allclose(scores.area(np.ones((2, 6))), 1)
    np.testing.assert_allclose(scores.area(np.array([[0.0, 1.0, 1.0]])), 0.75)


def test_tubelets_are_ordered_from_the_most_relevant_and_equal_ones_at_random():
    one = np.zeros((1, 16, 64, 64), np.float32)
    one[0, 2:4, 8:12, 20:24] = 2
    one[0, 6:8, 60:, 60:] = 1
    place = scores.tubelet_ranks(one)
    assert place.shape == (1, 8, 16, 16)
    assert (place[0, 1, 2, 5], place[0, 3, 15, 15]) == (0, 1)
    assert sorted(place.ravel()) == list(range(2048))
    rest = place[0].ravel()[place[0].ravel() > 1]
    assert (np.diff(rest) < 0).mean() > 0.3, "no order where there is none"


def test_an_interval_leaves_out_clips_without_a_value():
    value = np.random.default_rng(0).normal(3, 1, 400)
    low, high = scores.interval(value)
    assert low < 3 < high and high - low == pytest.approx(4 * 1 / np.sqrt(400), rel=0.15)
    assert scores.interval(np.r_[value, np.nan]) == (low, high)
    assert np.isnan(scores.interval(np.array([np.nan]))).all()
