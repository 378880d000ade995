"""The record: nothing of the truth is in it, a mirrored clip has the mirrored one, footage its own pixels."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from trajnb import data, files, models, predict
from trajnb.explain import evidence, words
from trajnb.models import trained as weights
from trajnb.predict import trained

MIRRORED = {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}


def test_a_record_does_not_change_when_the_truth_is_scrambled(clips, tmp_path, monkeypatch):
    """Labels permuted, true tracks replaced, the test recipes of the run gone: the same record, byte for byte."""
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    one = clips.cfg.replace(models=["i3d"], model="i3d", clips=200, test_clips=40)
    data.make(one, one.stage_dir("data"))
    weights.save(one.stage_dir(one.train_stage) / weights.FILE, models.build(one), one)
    files.write_json(one.stage_dir(one.train_stage) / "metrics.json", {"val_top1": 0.5})
    test = data.load(one, "test").take(slice(8))
    video_NTSS = test.render(np.arange(8))
    before = evidence.of_clips(evidence.Explainer(one), video_NTSS)
    rng = np.random.default_rng(0)
    table = pd.read_parquet(one.stage_dir("data") / "test.parquet")
    files.write_parquet(one.stage_dir("data") / "test.parquet", table.assign(motion=rng.permutation(table["motion"])))
    test.label_N[:] = rng.permutation(test.label_N)
    test.track_NFx3[:], test.xyz_NFx3[:] = rng.random(test.track_NFx3.shape), rng.random(test.xyz_NFx3.shape)
    assert evidence.of_clips(evidence.Explainer(one), video_NTSS) == before
    (one.stage_dir("data") / "test.parquet").unlink()
    assert evidence.of_clips(evidence.Explainer(one), video_NTSS) == before
    assert before[0] != before[1]


def mirrored(seen):
    """What networks without a preferred side would compute for mirrored clips."""
    path_NTx3, track_NHx3 = seen.path_NTx3.copy(), seen.predicted.track_NHx3.copy()
    path_NTx3[..., 0], track_NHx3[..., 0] = 1 - path_NTx3[..., 0], 1 - track_NHx3[..., 0]
    predicted = seen.predicted._replace(track_NHx3=track_NHx3)
    return seen._replace(predicted=predicted, path_NTx3=path_NTx3, look_Nthw=seen.look_Nthw[..., ::-1])


def test_a_mirrored_clip_is_left_for_right_and_nothing_else(clips, explainer, monkeypatch):
    video_NTSS = clips.render(np.arange(40))
    seen = evidence.look(explainer, video_NTSS)
    # Their true paths, which are as varied as paths are, stand in for those that untrained networks estimate.
    track_NTx3 = clips.track_NFx3[:40, :16]
    seen = seen._replace(path_NTx3=np.log(track_NTx3) * [0, 0, 1] + track_NTx3 * [1, 1, 0])
    sides = explainer.path_RTx2 * [-1, 1] + [clips.cfg.size, 0]
    texts = []
    for one, network, video in (
        (seen, explainer, video_NTSS),
        (mirrored(seen), SimpleNamespace(**vars(explainer) | {"path_RTx2": sides}), video_NTSS[..., ::-1].copy()),
    ):
        monkeypatch.setattr(evidence, "look", lambda network, video, one=one: one)
        texts.append([words.write(each, "page") for each in evidence.of_clips(network, video)])
    for plain, other in zip(*texts, strict=True):
        swapped = [re.sub(r"\b(left|right|(counter)?clockwise)\b", lambda m: MIRRORED[m[0]], s) for s in plain]
        without_x = [[re.sub(r"\(-?\d+, ", "(", s) for s in sorted(text)] for text in (swapped, other)]
        assert without_x[0] == without_x[1]
    assert any("left" in sentence for text in texts[0] for sentence in text)


def test_watched_networks_predict_as_before_and_vote_and_look_together(clips, explainer):
    video_NTSS = clips.render(np.arange(6))
    nets = [trained.Scored(models.build(clips.cfg.replace(model=name))).eval() for name in ("i3d", "magvit")]
    theirs, _ = predict.of_clips(predict.Network(clips.cfg, [net.of_array for net in nets]), video_NTSS)
    seen = evidence.look(explainer, video_NTSS)
    for a, b in zip(seen.predicted, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert seen.path_NTx3.shape == (6, 16, 3) and seen.vote_MN.shape == (2, 6) and seen.look_Nthw.shape == (6, 4, 8, 8)
    np.testing.assert_allclose(seen.look_Nthw.sum(axis=(1, 2, 3)), 1, atol=1e-5)
    records, agree_MN = evidence.of_clips(explainer, video_NTSS), seen.vote_MN == seen.predicted.prob_NK.argmax(axis=1)
    assert [one.votes for one in records] == agree_MN.sum(axis=0).tolist()
    assert records[0].networks == 2


def test_footage_is_described_in_its_own_pixels_and_seconds(clips, explainer):
    video_NTSS = clips.render(np.arange(3))
    plain = evidence.of_clips(explainer, video_NTSS)
    cut = evidence.of_clips(explainer, video_NTSS, [(0.1, (100.0, 50.0), 4.0)] * 3)
    for a, b in zip(plain, cut, strict=True):
        np.testing.assert_allclose(b.path_px, np.array(a.path_px) * 4 + (100, 50))
        np.testing.assert_allclose(b.look_px, np.array(a.look_px) * 4 + (100, 50))
        assert b.speed_px_s == pytest.approx(a.speed_px_s * 4 / 3)
        assert (b.seconds, b.future[-1][0]) == pytest.approx((1.5, 0.5))
        assert (b.turn, b.motion, b.heading) == (pytest.approx(a.turn), a.motion, a.heading)


def test_turns_and_turning_points_are_those_of_the_path():
    angle_T, even_thw, place = np.linspace(0, 2 * np.pi, 16), np.full((4, 8, 8), 1 / 256), (1 / 30, (0, 0), 1)
    circle_Tx2 = np.stack([32 + 10 * np.cos(angle_T), 32 + 10 * np.sin(angle_T)], axis=1)
    circle = evidence.along(circle_Tx2, even_thw, 64, *place)
    assert 300 < circle["turn"] < 360
    assert [ways for _, *ways in circle["turnings"]] == [["down", "up"], ["left", "right"], ["up", "down"]]
    line = evidence.along(np.stack([np.arange(16.0), np.full(16, 5.0)], axis=1), even_thw, 64, *place)
    assert (line["heading"], line["turnings"], line["speed_px_s"]) == ("to the right", [], pytest.approx(30))


def test_a_record_cannot_be_changed(record):
    with pytest.raises(ValueError):
        record.motion = "linear"
