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
ORDER_CLIPS = 1000  # test clips of such an order: enough to tell chance from sight


def control_networks(cfg, test):
    """{name: Predictions} of networks that should fail: trained ones on frames in another order, and the run's `controls`.

    A control that learned from shuffled frames is asked about shuffled frames, the others about the clips as they are.
    """
    some, found = test.take(slice(ORDER_CLIPS)), {}
    for model, several in predictions.training_runs(cfg).items():
        for how in ORDERS:
            found[f"{model}_{how}"] = predictions.of_training_run(several[0], Reordered(some, how))
        for control in cfg.controls:
            clips = Reordered(test, control) if control == "shuffled" else test
            found[f"{model}_trained_{control}"] = predictions.of_training_run(
                several[0].replace(control=control), clips
            )
    return found


def baselines(train, val, test, cfg):
    """{name: Predictions} of chance, controls and oracles, in the order of KINDS."""
    return class_baselines(train, val, test) | tracks(val, test, cfg)


def class_baselines(train, val, test):
    """{name: Predictions} of those that name a class and no place; kinematic_true is told the true positions."""
    classes = len(train.cfg.motions)
    found = {"chance": np.full((len(test), classes), 1 / classes), "majority": controls.majority(train, test)}
    found |= {"single_frame": controls.single_frame(train, val, test)[0], **controls.picture_controls(train, test)}
    found |= {"kinematic_true": controls.kinematic(train, test)}
    return {name: Predictions(prob_NK) for name, prob_NK in found.items()}


def tracks(val, test, cfg):
    """{name: Predictions} of those that say where the object goes: trackers of measured and true positions, and the oracles.

    The Kalman filter's noise is chosen on validation clips, and the pixel oracle's measurement error is theirs.
    """
    uv_NTx2, z_NT = oracles.measured_track(test, cfg)
    measured_NTx3, true_NTx3 = trackers.track(uv_NTx2, z_NT, cfg), test.track_NFx3[:, : cfg.frames].astype(float)
    measured_val = oracles.measured_track(val, cfg)
    noise = trackers.best_noise(trackers.track(*measured_val, cfg), val)
    sds = oracles.measurement_sds(val.xyz_NFx3[:, : cfg.frames], measured_val, cfg)
    forecasts = {
        "constant_velocity": trackers.constant_velocity(measured_NTx3, cfg.horizon),
        "constant_velocity_true": trackers.constant_velocity(true_NTx3, cfg.horizon),
        "constant_acceleration": trackers.constant_acceleration(measured_NTx3, cfg.horizon),
        "kalman": trackers.kalman(measured_NTx3, cfg.horizon, noise),
    }
    posterior = {
        "pixel_oracle": oracles.infer(uv_NTx2, z_NT, sds, cfg),
        "true_oracle": oracles.true_oracle(test, cfg),
    }
    found = {name: Predictions(None, track_NHx3) for name, track_NHx3 in forecasts.items()}
    return found | {
        name: Predictions(prob, metrics.to_track(future, cfg)) for name, (prob, future) in posterior.items()
    }
