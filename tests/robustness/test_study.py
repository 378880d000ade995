"""Curves and mean accuracies of models whose predictions are known beforehand."""

import numpy as np
import pytest

from trajnb.config import Config
from trajnb.evaluation import metrics, oracles
from trajnb.figures import save
from trajnb.robustness import conditions, figures, study

CFG = Config(robustness_clips=24)
SEVERITIES = (0.02, 0.05, 0.1, 0.15, 0.2)  # of sensor noise, clean first


@pytest.fixture(scope="module")
def clean():
    return conditions.clean_clips(CFG)


def results(models, top1_MSCN):
    """Results at SEVERITIES of noise; NaN for seeds that a model has not."""
    names = [(conditions.CLEAN, 0.0), *(("noise", x) for x in SEVERITIES[1:])]
    return study.Results(models, names, {"noise": SEVERITIES[0]}, top1_MSCN, 0 * top1_MSCN + 1)


def test_the_mean_accuracy_is_the_area_under_the_curve():
    fall = [1 - (x - 0.02) / 0.18 for x in SEVERITIES]
    curves = {"fall": fall, "flat": [1] * 5, "late": [1, 1, 1, 0, 0], "part": [1, 1, 1, np.nan, np.nan]}
    top1_MSCN = np.array(list(curves.values()))[:, None, :, None].repeat(4, axis=3)
    found = study.severity_means(results(list(curves), top1_MSCN)).set_index(["corruption", "model"]).loc["noise"]
    # Severities weigh by their distance; there is no mean without all of them.
    assert found["mean_accuracy"].to_dict() == pytest.approx({"fall": 0.5, "flat": 1, "late": 0.105 / 0.18})
    assert found.loc["flat", ["mean_accuracy_low", "mean_accuracy_high"]].tolist() == [1, 1]


def test_intervals_shrink_with_seeds_and_seeds_are_averaged():
    top1_MSCN = (np.random.default_rng(0).uniform(size=(2, 2, len(SEVERITIES), 200)) < 0.6).astype(float)
    two, top1_MSCN[1, 1] = top1_MSCN[0], np.nan
    found = study.curves(results(["two", "one"], top1_MSCN))
    lines = found[found["severity"] == 0.1].set_index("model")
    assert lines["seeds"].to_dict() == {"two": 2, "one": 1}
    assert (lines["n"] == 200).all()
    assert ((lines["top1_low"] < lines["top1"]) & (lines["top1"] < lines["top1_high"])).all()
    assert lines.loc["two", "top1"] == pytest.approx(two[:, 2].mean())
    width = lines["top1_high"] - lines["top1_low"]
    assert width["two"] < width["one"]


def test_the_pixel_oracle_knows_the_measurement_error_of_its_condition(clean):
    shaken = conditions.corrupted(clean, "jitter", 1.0)
    predicted = study.references(shaken, 16)
    assert metrics.top1(predicted["true_oracle"].prob_NK, clean.label_N) == 1
    assert metrics.top1(predicted["pixel_oracle"].prob_NK, clean.label_N) > 0.85
    unaware, _ = oracles.infer(*oracles.measured_track(shaken, shaken.cfg), [oracles.PIXEL_SD], shaken.cfg)
    assert metrics.top1(unaware, clean.label_N) < 0.6


def test_an_oracle_of_few_frames_knows_how_little_a_circle_turns_in_them(clean):
    four, two = (study.references(conditions.corrupted(clean, "observed", n), n) for n in (4, 2))
    assert metrics.top1(four["true_oracle"].prob_NK, clean.label_N) > 0.9
    assert set(two) == {"constant_velocity"}


def perfect(net, clips, cfg):
    """Raw predictions of a network that knows class and trained horizon."""
    clips.batch(np.arange(2))  # it looks at them
    mean_NHx3 = np.concatenate([clips.track_NFx3[:, 16:21, :2], np.log(clips.track_NFx3[:, 16:21, 2:])], axis=2)
    logits_NK, logvar_NHx3 = 9.0 * np.eye(4)[clips.label_N], np.zeros((len(clips), 5, 3))
    return {"logits_NK": logits_NK, "mean_NHx3": mean_NHx3, "logvar_NHx3": logvar_NHx3}


def test_every_model_and_seed_is_evaluated_under_every_condition(clean, monkeypatch, tmp_path):
    two = {name: conditions.CORRUPTIONS[name] for name in ("noise", "observed")}
    rendered, render, clips = [], conditions.ClipSet.render, conditions.ClipSet
    monkeypatch.setattr(conditions, "CORRUPTIONS", two)
    monkeypatch.setattr(study, "predict", perfect)
    monkeypatch.setattr(clips, "render", lambda self, rows: rendered.append(len(rows)) or render(self, rows))
    found, total = study.evaluate({"i3d": [object(), object()]}, {}, CFG), 1 + 4 + 6
    assert rendered == [24] * total, "each condition is rendered once"
    assert found.models == ["i3d", "constant_velocity", "pixel_oracle", "true_oracle"]
    assert found.top1.shape == (4, 2, total, 24)
    assert (found.top1[0] == 1).all() and found.ade_px[0].max() < 1e-3
    assert np.isnan(found.top1[1]).all() and np.isfinite(found.ade_px[1, 0]).all(), "a tracker has no class"
    assert np.isnan(found.ade_px[1:, 1]).all(), "nor a second seed"
    curves = study.curves(found)
    assert len(curves) == 2 * total + 2 * (total - 2), "no oracle of three or two frames"
    first = figures.accuracy_curves(curves).axes[0].lines[0]
    assert first.get_xdata().tolist() == list(SEVERITIES), "clean is the first severity"
    shown = curves.groupby("corruption")["clean_severity"].max()
    assert (shown["noise"], shown["observed"]) == (0.02, 16)
    each = figures.accuracy_curves(curves), figures.accuracy_curves(curves, "ade_px"), figures.examples(clean)
    for number, figure in enumerate(each):
        assert len(save(figure, tmp_path, f"{number}").data) > 3000
