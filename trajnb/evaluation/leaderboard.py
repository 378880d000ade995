"""The comparison: one row per network, then ensembles, and the baselines, controls and oracles that stand beside."""

import numpy as np
import pandas as pd

from trajnb import files
from trajnb.data import Reordered
from trajnb.evaluation import controls, ensembles, metrics, oracles, predictions, statistics, trackers
from trajnb.evaluation.predictions import Predictions

ADDED_UP = ["parameters", "macs", "training_macs", "model_mb", "train_seconds", "latency_ms"]  # over an ensemble
MEASURED = [*ADDED_UP, *"clips_seen clips_per_second train_top1 train_loss val_top1 val_loss".split()]  # by 02_train
COLUMNS = """model kind preset parameters macs training_macs model_mb clips_seen train_seconds clips_per_second device
seeds train_top1 train_loss val_top1 val_loss n_test test_top1 test_top1_low test_top1_high test_nll ece ade_px fde_px
ade_m fde_m top1_over_pixel_oracle ade_over_pixel_oracle latency_ms""".split()
# {name: kind} of all that is no network of the run. An oracle knows more than the pixels or the families of motion.
KINDS = {"chance": "baseline", "mean_frame": "control", "motion_energy": "control"}
KINDS |= {"constant_velocity": "baseline", "pixel_oracle": "oracle", "true_oracle": "oracle"}
ORDERS = {"shuffled": "control", "reversed": "condition"}  # of frames, that trained networks are evaluated on
ORDER_CLIPS = 500  # test clips of such an order, at most half: enough to tell accuracy from chance


def control_networks(cfg, test):
    """{name: Predictions} of networks that should fail: trained ones on reordered frames, and the run's `controls`, of
    which those trained on shuffled frames are evaluated on shuffled frames, the others on the clips as they are."""
    some = test.take(slice(min(ORDER_CLIPS, len(test) // 2)))
    conditions = {order: ("none", Reordered(some, order)) for order in ORDERS}
    for control in cfg.controls:
        conditions[f"trained_{control}"] = control, Reordered(test, control) if control == "shuffled" else test
    found = {}
    for model, (run, *_) in predictions.training_runs(cfg).items():
        for condition, (control, clips) in conditions.items():
            found[f"{model}_{condition}"] = predictions.of_training_run(run.replace(control=control), clips)
    return found


def baselines(train, val, test, cfg):
    """{name: Predictions} of chance, controls, constant velocity and oracles, in the order of KINDS; the pixel
    oracle's measurement error is that of validation clips."""
    found = {"chance": Predictions(np.full((len(test), len(cfg.motions)), 1 / len(cfg.motions)))}
    classifiers, pictures = controls.picture_trees(train), controls.pictures(test)
    found |= {name: Predictions(fitted.predict_proba(pictures[name])) for name, fitted in classifiers.items()}
    measured, measured_val = (trackers.measured_track(clips, cfg) for clips in (test, val))
    velocity_NHx3 = trackers.constant_velocity(trackers.track(*measured, cfg), cfg.horizon)
    found["constant_velocity"] = Predictions(None, velocity_NHx3)
    sds = oracles.measurement_sds(val.xyz_NFx3[:, : cfg.frames], measured_val, cfg)
    posteriors = {"pixel_oracle": oracles.infer(*measured, sds, cfg), "true_oracle": oracles.true_oracle(test, cfg)}
    for name, (prob_NK, future_NHx3) in posteriors.items():
        found[name] = Predictions(prob_NK, metrics.to_track(future_NHx3, cfg))
    return found


def board(networks, others, test, cfg):
    """The leaderboard (pandas), a row of COLUMNS for each of `networks` {model: [Predictions of each seed]}, their
    ensembles and `others` {baseline or control: Predictions}. Costs and scores are means over seeds, an ensemble costs
    what its members cost together; the interval of accuracy is Wilson's for one seed, else Student's t."""
    rows, joined = [], ensembles.join_all(networks)
    for name, several in (networks | joined).items():
        row = {"model": name, "kind": "network", "preset": cfg.preset, "seeds": len(several)}
        if name in joined:
            members = [member for member in rows if member["model"] in ensembles.of_run(cfg.models)[name]]
            row |= {"kind": "ensemble", "clips_seen": members[0]["clips_seen"]}
            row |= {cost: sum(member[cost] for member in members) for cost in ADDED_UP}
        else:
            runs = predictions.training_runs(cfg)[name]
            measured = [files.read_json(run.stage_dir(run.train_stage) / "metrics.json") for run in runs]
            row["device"] = measured[0]["device"]
            row |= {column: float(np.mean([of_run[column] for of_run in measured])) for column in MEASURED}
        of_seeds = pd.DataFrame([scores(one, test, cfg) for one in several])
        row |= of_seeds.mean().to_dict()
        if len(several) > 1:
            low, high = np.clip(statistics.student_interval(of_seeds["test_top1"]), 0, 1)
            row |= {"test_top1_low": low, "test_top1_high": high}
        rows.append(row)
    for name, one in others.items():
        kind = KINDS.get(name) or ORDERS.get(name.rsplit("_", 1)[1], "control")
        rows.append({"model": name, "kind": kind} | scores(one, test, cfg))
    table = pd.DataFrame(rows, columns=COLUMNS)
    for ratio, score in {"top1_over_pixel_oracle": "test_top1", "ade_over_pixel_oracle": "ade_px"}.items():
        for reference in table.loc[table["model"] == "pixel_oracle", score]:
            table[ratio] = table[score] / reference
    return table


def scores(one, test, cfg):
    """The test cells of one row; chance gets no interval, as nothing was measured."""
    clips = predictions.clips_of(one, test)
    row, label_N = {"n_test": len(clips)}, clips.label_N
    if one.prob_NK is not None:
        row["test_nll"] = metrics.class_nll(one.prob_NK, label_N)
        if np.ptp(one.prob_NK) == 0:
            row["test_top1"] = 1 / one.prob_NK.shape[1]
        else:
            low, high = metrics.wilson(metrics.correct(one, clips).sum(), len(clips))
            row |= {"test_top1": metrics.top1(one.prob_NK, label_N), "test_top1_low": low, "test_top1_high": high}
            row["ece"] = metrics.ece(one.prob_NK, label_N)
    if one.track_NHx3 is not None:
        for unit, displacement in {"px": metrics.displacement_px, "m": metrics.displacement_m}.items():
            error_NH = displacement(one.track_NHx3, metrics.future(clips), cfg)
            row |= {f"ade_{unit}": float(error_NH.mean()), f"fde_{unit}": float(error_NH[:, -1].mean())}
    return row
