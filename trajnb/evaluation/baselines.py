"""Baselines, controls and oracles that stand beside the networks."""

import numpy as np

from trajnb.data import Reordered
from trajnb.evaluation import controls, metrics, oracles, predictions, trackers
from trajnb.evaluation.predictions import Predictions

# {name: kind} of all that is no network of the run. An oracle knows more than the pixels or the families of motion.
KINDS = {"chance": "baseline", "majority": "baseline", "single_frame": "control", "mean_frame": "control"}
KINDS |= {"motion_energy": "control", "kinematic_true": "oracle", "constant_velocity": "baseline"}
KINDS |= {"constant_velocity_true": "oracle", "constant_acceleration": "baseline", "kalman": "baseline"}
KINDS |= {"pixel_oracle": "oracle", "true_oracle": "oracle"}
ORDERS = {"shuffled": "control", "reversed": "condition"}  # of frames, that trained networks are evaluated on
ORDER_CLIPS = 1000  # test clips of such an order: enough to tell accuracy from chance


def kind(name):
    """The kind of a row that is no network and no ensemble: one of KINDS, or of a network on other clips."""
    return KINDS.get(name) or ORDERS.get(name.rsplit("_", 1)[1], "control")


def control_networks(cfg, test):
    """{name: Predictions} of networks that should fail: trained ones on reordered frames, and the run's `controls`.

    A control trained on shuffled frames is evaluated on shuffled frames, the others on the clips as they are.
    """
    conditions = {order: ("none", Reordered(test.take(slice(ORDER_CLIPS)), order)) for order in ORDERS}
    for control in cfg.controls:
        conditions[f"trained_{control}"] = control, Reordered(test, control) if control == "shuffled" else test
    first, found = {model: several[0] for model, several in predictions.training_runs(cfg).items()}, {}
    for condition, (control, clips) in conditions.items():
        runs = {f"{model}_{condition}": [run.replace(control=control)] for model, run in first.items()}
        found |= {name: one for name, (one,) in predictions.of_training_runs(runs, clips).items()}
    return {f"{model}_{condition}": found[f"{model}_{condition}"] for model in first for condition in conditions}


def baselines(train, val, test, cfg):
    """{name: Predictions} of chance, controls and oracles, in the order of KINDS."""
    classes = len(train.cfg.motions)
    found = {"chance": np.full((len(test), classes), 1 / classes), "majority": controls.majority(train, test)}
    found |= {"single_frame": controls.single_frame(train, val, test)[0], **controls.picture_controls(train, test)}
    found |= {"kinematic_true": controls.kinematic(train, test)}
    return {name: Predictions(prob_NK) for name, prob_NK in found.items()} | tracks(val, test, cfg)


def tracks(val, test, cfg):
    """{name: Predictions} of trackers on measured and true positions, and of the oracles.

    The Kalman filter's noise is chosen on validation clips, and the pixel oracle's measurement error is theirs.
    """
    measured, measured_val = oracles.measured_track(test, cfg), oracles.measured_track(val, cfg)
    track_NTx3, true_NTx3 = trackers.track(*measured, cfg), test.track_NFx3[:, : cfg.frames].astype(float)
    noise = trackers.best_noise(trackers.track(*measured_val, cfg), val)
    sds = oracles.measurement_sds(val.xyz_NFx3[:, : cfg.frames], measured_val, cfg)
    forecasts = {
        "constant_velocity": trackers.constant_velocity(track_NTx3, cfg.horizon),
        "constant_velocity_true": trackers.constant_velocity(true_NTx3, cfg.horizon),
        "constant_acceleration": trackers.constant_acceleration(track_NTx3, cfg.horizon),
        "kalman": trackers.kalman(track_NTx3, cfg.horizon, noise),
    }
    found = {name: Predictions(None, track_NHx3) for name, track_NHx3 in forecasts.items()}
    posteriors = {"pixel_oracle": oracles.infer(*measured, sds, cfg), "true_oracle": oracles.true_oracle(test, cfg)}
    for name, (prob_NK, future_NHx3) in posteriors.items():
        found[name] = Predictions(prob_NK, metrics.to_track(future_NHx3, cfg))
    return found
