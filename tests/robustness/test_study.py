"""Curves, mean accuracies and their tests for models whose predictions are known beforehand."""

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


def results(**top1):
    """Results of models {name: top1 (S, L, N) at SEVERITIES of noise}; NaN for seeds that a model has not."""
    seeds = max(len(x) for x in top1.values())
    shape = len(top1), seeds, len(SEVERITIES), next(iter(top1.values())).shape[-1]
    top1_MSCN, ade_px_MSCN = np.full((2, *shape), np.nan)
    for m, value_SLN in enumerate(top1.values()):
        top1_MSCN[m, : len(value_SLN)], ade_px_MSCN[m, : len(value_SLN)] = value_SLN, 1
    names = [(conditions.CLEAN, 0.0), *(("noise", x) for x in SEVERITIES[1:])]
    return study.Results(list(top1), names, {"noise": SEVERITIES[0]}, top1_MSCN, ade_px_MSCN)


def constant(*values, clips=4):
    """One seed whose clips all have these values, one for each severity."""
    return np.repeat(np.array(values, float)[None, :, None], clips, axis=2)


def drawn(rng, *accuracies, clips=300):
    """A seed for each accuracy."""
    return np.stack([(rng.uniform(size=(len(SEVERITIES), clips)) < x).astype(float) for x in accuracies])


def mean_accuracy(found, model="i3d"):
    return study.severity_means(found).set_index(["corruption", "model"]).loc[("noise", model)]


def test_the_mean_accuracy_is_the_area_under_the_curve():
    fall = constant(*(1 - (x - 0.02) / 0.18 for x in SEVERITIES))
    assert mean_accuracy(results(i3d=fall))["mean_accuracy"] == pytest.approx(0.5)
    flat = mean_accuracy(results(i3d=constant(1, 1, 1, 1, 1)))
    assert flat["mean_accuracy"] == flat["mean_accuracy_low"] == flat["mean_accuracy_high"] == pytest.approx(1)
    late = mean_accuracy(results(i3d=constant(1, 1, 1, 0, 0)))
    assert late["mean_accuracy"] == pytest.approx(0.105 / 0.18), "severities weigh by their distance"
    part = study.severity_means(results(i3d=constant(1, 1, 1, 1, 1), pixel_oracle=constant(1, 1, 1, np.nan, np.nan)))
    assert set(part.loc[part["corruption"] == "noise", "model"]) == {"i3d"}, "no mean without all severities"


def test_intervals_shrink_with_seeds_and_seeds_are_averaged():
    rng = np.random.default_rng(0)
    two, one = drawn(rng, 0.6, 0.6, clips=200), drawn(rng, 0.6, clips=200)
    found = study.curves(results(two=two, one=one))
    lines = found[found["severity"] == 0.1].set_index("model")
    assert lines["seeds"].to_dict() == {"two": 2, "one": 1}
    assert (lines["n"] == 200).all()
    assert ((lines["top1_low"] < lines["top1"]) & (lines["top1"] < lines["top1_high"])).all()
    assert lines.loc["two", "top1"] == pytest.approx(two[:, 2].mean())
    width = lines["top1_high"] - lines["top1_low"]
    assert width["two"] < width["one"]


def test_the_pixel_oracle_knows_the_measurement_error_of_its_condition(clean):
    shaken = conditions.Condition("jitter", 1.0, conditions.refilmed(clean, jitter_px=1.0))
    predicted = study.references(shaken)
    assert metrics.top1(predicted["true_oracle"].prob_NK, clean.label_N) == 1
    assert metrics.top1(predicted["pixel_oracle"].prob_NK, clean.label_N) > 0.85
    measured = oracles.measured_track(shaken.clips, shaken.clips.cfg)
    unaware = oracles.infer(*measured, [oracles.PIXEL_SD], shaken.clips.cfg)[0]
    assert metrics.top1(unaware, clean.label_N) < 0.6


def test_an_oracle_of_few_frames_knows_how_little_a_circle_turns_in_them(clean):
    def observed(count):
        clips = conditions.CORRUPTIONS["observed"].apply(clean, count)
        return study.references(conditions.Condition("observed", float(count), clips))

    assert metrics.top1(observed(8)["true_oracle"].prob_NK, clean.label_N) > 0.8
    assert study.with_frames(clean.cfg, 8).sweep_max_deg == pytest.approx(400 * 7 / 15)
    assert set(observed(2)) == {"constant_velocity"}


def perfect(net, clips, cfg):
    """Raw predictions of a network that knows class and trained horizon."""
    clips.batch(np.arange(2))
    mean_NHx3 = np.concatenate([clips.track_NFx3[:, 16:21, :2], np.log(clips.track_NFx3[:, 16:21, 2:])], axis=2)
    logits_NK, logvar_NHx3 = 9.0 * np.eye(4)[clips.label_N], np.zeros((len(clips), 5, 3))
    return {"logits_NK": logits_NK, "mean_NHx3": mean_NHx3, "logvar_NHx3": logvar_NHx3}


def test_every_model_and_seed_is_evaluated_under_every_condition(clean, monkeypatch, tmp_path):
    two = {name: conditions.CORRUPTIONS[name] for name in ("noise", "observed")}
    rendered, render, clips = [], conditions.ClipSet.render, conditions.ClipSet
    monkeypatch.setattr(conditions, "CORRUPTIONS", two)
    monkeypatch.setattr(study, "predict", perfect)
    monkeypatch.setattr(clips, "render", lambda self, rows: rendered.append(len(rows)) or render(self, rows))
    networks = {"i3d": [object(), object()]}
    found = study.evaluate(networks, {}, CFG)
    total = 1 + 4 + 6
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
