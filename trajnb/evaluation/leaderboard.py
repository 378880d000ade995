"""The comparison: one row per extractor and preset, then the baselines; no number stands alone.

Shapes:   N test clips   H future frames   K classes   track (u, v, z): u and v in frame widths, z in metres
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from trajnb import files
from trajnb.data import Reordered
from trajnb.evaluation import controls, metrics, oracles, seeds, trackers
from trajnb.models.trained import load_trained
from trajnb.training import predict

COLUMNS = """model kind preset parameters macs training_macs model_mb clips_seen train_seconds clips_per_second device
seeds n_val train_top1 train_loss val_top1 val_loss n_test test_top1 test_top1_low test_top1_high test_nll ece
least_named ade_px fde_px ade_m fde_m top1_over_pixel_oracle ade_over_pixel_oracle latency_ms""".split()
# {name: kind} of all that is no network of the run. An oracle knows more than the pixels or the families of motion.
BASELINES = {"chance": "baseline", "majority": "baseline", "single_frame": "control", "mean_frame": "control"}
BASELINES |= {"motion_energy": "control", "kinematic_true": "oracle", "constant_velocity": "baseline"}
BASELINES |= {"constant_velocity_true": "oracle", "constant_acceleration": "baseline", "kalman": "baseline"}
BASELINES |= {"pixel_oracle": "oracle", "true_oracle": "oracle"}
OWN = """parameters macs training_macs model_mb clips_seen train_seconds clips_per_second device n_val train_top1
train_loss val_top1 val_loss latency_ms""".split()  # cells that a training stage measures
ADDED_UP = ("parameters", "macs", "training_macs", "model_mb", "train_seconds", "latency_ms")  # over an ensemble
ORDERS = {"shuffled": "control", "reversed": "condition"}  # of frames, that trained networks are evaluated on
ASKED = 1000  # test clips of such an order: enough to tell chance from sight


class Said(NamedTuple):
    """What one contender says about every test clip, or about the first ones; None where it says nothing."""

    prob_NK: np.ndarray | None = None
    track_NHx3: np.ndarray | None = None
    logvar_NHx3: np.ndarray | None = None  # of (u, v, log z)


def trainings(cfg):
    """{model: [Config of each of its trainings]}: several when the run has several seeds."""
    wanted = range(cfg.seed, cfg.seed + cfg.seeds)
    return {model: [cfg.replace(model=model, seed=seed) for seed in wanted] for model in cfg.models}


def network(cfg, test):
    """Predictions (Said) of the trained network of one training run for test clips."""
    return said_by(predict(load_trained(cfg), test, cfg))


def control_networks(cfg, test):
    """{name: Said} of networks that should fail: trained ones on frames in another order, and the run's `controls`.

    A control that learned from shuffled frames is asked about shuffled frames, the others about the clips as they are.
    """
    some, found = test.take(slice(ASKED)), {}
    for model, several in trainings(cfg).items():
        for how in ORDERS:
            found[f"{model}_{how}"] = network(several[0], Reordered(some, how))
        for control in cfg.controls:
            clips = Reordered(test, control) if control == "shuffled" else test
            found[f"{model}_trained_{control}"] = network(several[0].replace(control=control), clips)
    return found


def said_by(predictions):
    """Raw predictions (training or test) as probabilities and positions."""
    mean_NHx3 = predictions["mean_NHx3"]
    track_NHx3 = np.concatenate([mean_NHx3[..., :2], np.exp(mean_NHx3[..., 2:])], axis=-1)
    return Said(metrics.softmax(predictions["logits_NK"]), track_NHx3, predictions["logvar_NHx3"])


def baselines(train, val, test, cfg):
    """{name: Said} of chance, controls and oracles, in the order of BASELINES."""
    return class_baselines(train, val, test) | tracks(val, test, cfg)


def class_baselines(train, val, test):
    """{name: Said} of those that name a class and no place; kinematic_true is told the true positions."""
    classes = len(train.cfg.motions)
    found = {"chance": np.full((len(test), classes), 1 / classes), "majority": controls.majority(train, test)}
    found |= {"single_frame": controls.single_frame(train, val, test)[0], **controls.picture_controls(train, test)}
    found |= {"kinematic_true": controls.kinematic(train, test)}
    return {name: Said(prob_NK) for name, prob_NK in found.items()}


def tracks(val, test, cfg):
    """{name: Said} of those that say where the object goes: trackers of measured and true positions, and the oracles.

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
    found = {name: Said(None, track_NHx3) for name, track_NHx3 in forecasts.items()}
    return found | {name: Said(prob, metrics.to_track(future, cfg)) for name, (prob, future) in posterior.items()}


def board(networks, others, test, cfg, ensembles=None):
    """The leaderboard (pandas): `networks` {model: [Said of each seed]}, `others` {baseline or control: Said}.

    `ensembles` {name: [trajnb.evaluation.ensembles.Ensemble of each seed]} stand between them.
    """
    rows = [network_row(model, said, test, cfg) for model, said in networks.items()]
    rows += [ensemble_row(name, several, rows, test, cfg) for name, several in (ensembles or {}).items()]
    rows += [{"model": name, "kind": kind(name)} | scores(said, test, cfg) for name, said in others.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for ratio, cell in {"top1_over_pixel_oracle": "test_top1", "ade_over_pixel_oracle": "ade_px"}.items():
        for reference in table.loc[table["model"] == "pixel_oracle", cell]:
            table[ratio] = table[cell] / reference
    return table


def network_row(model, said, test, cfg):
    """One extractor's row: costs and scores are means over its seeds."""
    own = [files.read_json(one.stage_dir(one.train_stage) / "metrics.json") for one in trainings(cfg)[model]]
    row = {"model": model, "kind": "network", "preset": cfg.preset}
    row |= {name: own[0][name] if name == "device" else float(np.mean([o[name] for o in own])) for name in OWN}
    return row | over_seeds(said, test, cfg)


def ensemble_row(name, several, rows, test, cfg):
    """The row of an ensemble [of each seed]: it costs what its members cost together, from their rows."""
    members = [row for row in rows if row["model"] in several[0].members]
    row = {"model": name, "kind": "ensemble", "preset": cfg.preset, "clips_seen": members[0]["clips_seen"]}
    row |= {cost: sum(one[cost] for one in members) for cost in ADDED_UP}
    return row | over_seeds([one.said for one in several], test, cfg)


def over_seeds(several, test, cfg):
    """The test cells of [Said of each seed]: means; the interval is Wilson's for one seed, Student's t for several."""
    found = pd.DataFrame([scores(one, test, cfg) for one in several])
    row = {"seeds": len(several)} | found.mean().to_dict()
    if len(several) > 1:
        row["test_top1_low"], row["test_top1_high"] = np.clip(seeds.interval(found["test_top1"]), 0, 1)
    return row


def kind(name):
    """The kind of a row that is no network and no ensemble: one of BASELINES, or a network on changed clips."""
    return BASELINES.get(name) or ORDERS.get(name.rsplit("_", 1)[1], "control")


def scores(said, test, cfg):
    """The test cells of one row; chance gets no interval, as nothing was measured."""
    clips = asked(said, test)
    row = metrics.class_scores(said.prob_NK, clips.label_N) if said.prob_NK is not None else {}
    if row and np.ptp(said.prob_NK) == 0:
        row = {"test_top1": 1 / said.prob_NK.shape[1], "test_nll": row["test_nll"]}
    if said.track_NHx3 is not None:
        row |= metrics.position_scores(said.track_NHx3, clips.track_NFx3[:, cfg.frames :], cfg)
    return row | {"n_test": len(clips)}


def asked(said, test):
    """The clips that `said` is about: all test clips, or the first ones."""
    return test.take(slice(len(said.track_NHx3 if said.prob_NK is None else said.prob_NK)))


def per_class(contenders, test, cfg):
    """Top-1 and ADE (pixels) of every contender {name: Said} for each class: one row each."""
    rows = []
    for name, said in contenders.items():
        error_N = right_N = None
        if said.track_NHx3 is not None:
            error_N = metrics.displacement_px(said.track_NHx3, test.track_NFx3[:, cfg.frames :], cfg).mean(axis=1)
        if said.prob_NK is not None and np.ptp(said.prob_NK):
            right_N = said.prob_NK.argmax(axis=1) == test.label_N
        for number, motion in enumerate(cfg.motions):
            of_class = test.label_N == number
            row = {"contender": name, "motion": motion, "n": int(of_class.sum())}
            row["top1"] = right_N[of_class].mean() if right_N is not None else np.nan
            row["ade_px"] = error_N[of_class].mean() if error_N is not None else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def per_step(contenders, test, cfg, motion=None):
    """Mean image error (pixels), of all clips or one motion's: a row per future frame, a column per contender."""
    rows = slice(None) if motion is None else test.label_N == cfg.motions.index(motion)
    true_NHx3, steps = test.track_NFx3[rows, cfg.frames :], range(1, cfg.horizon + 1)
    table = {
        name: metrics.displacement_px(said.track_NHx3[rows], true_NHx3, cfg).mean(axis=0)
        for name, said in contenders.items()
        if said.track_NHx3 is not None
    }
    return pd.DataFrame(table, index=pd.Index(steps, name="step"))


def region_radii(said, val, cfg):
    """{level: squared radii (H,) in predicted deviations} of regions that cover what they claim on validation clips."""
    square_NH = metrics.square_distance(said.track_NHx3, said.logvar_NHx3, val.track_NFx3[:, cfg.frames :])
    return {level: metrics.conformal_radius(square_NH, level) for level in metrics.LEVELS}


def coverage(said, test, cfg, radii=None):
    """Share of true future positions inside the predicted regions: a row per claimed level, all and each class.

    The regions are the network's own Gaussians, or those of `radii` (`region_radii`).
    """
    square_NH, rows = metrics.square_distance(said.track_NHx3, said.logvar_NHx3, test.track_NFx3[:, cfg.frames :]), []
    for level in metrics.LEVELS:
        inside_NH = square_NH <= (metrics.gaussian_radius(level) if radii is None else radii[level])
        shares = {name: inside_NH[test.label_N == k].mean() for k, name in enumerate(cfg.motions)}
        rows.append({"claimed": level, "all": inside_NH.mean(), **shares})
    return pd.DataFrame(rows)


def prediction_table(said, test, cfg):
    """Predictions clip by clip: index, motion, predicted class, probabilities, future (u, v, z) of every step."""
    table = asked(said, test).table[["index", "motion"]].copy()
    if said.prob_NK is not None:
        table["predicted"] = np.array(cfg.motions)[said.prob_NK.argmax(axis=1)]
        table[[f"p_{motion}" for motion in cfg.motions]] = said.prob_NK
    if said.track_NHx3 is not None:
        names = [f"{axis}{step}" for step in range(1, cfg.horizon + 1) for axis in "uvz"]
        table[names] = said.track_NHx3.reshape(len(table), -1)
        if said.logvar_NHx3 is not None:
            table[[f"log_var_{name}" for name in names]] = said.logvar_NHx3.reshape(len(table), -1)
    return table


def numbered(networks, cfg):
    """{model-sSEED: Said} of {model: [Said of each seed]}."""
    return {f"{model}-s{cfg.seed + k}": said for model, all_ in networks.items() for k, said in enumerate(all_)}


def save_validation(networks, val, cfg):
    """Write what {model: [Said of each seed]} say about validation clips into predictions/val of the stage."""
    for name, said in numbered(networks, cfg).items():
        path = cfg.stage_dir("evaluate") / "predictions" / "val" / f"{name}.parquet"
        files.write_parquet(path, prediction_table(said, val, cfg))


def kept(path, cfg):
    """What a network said (Said), from the Parquet file that `save` has left; FileNotFoundError if it has not."""
    table = pd.read_parquet(path)
    names = [f"{axis}{step}" for step in range(1, cfg.horizon + 1) for axis in "uvz"]
    track, spread = (table[[before + n for n in names]].to_numpy() for before in ("", "log_var_"))
    shape = len(table), cfg.horizon, 3
    return Said(table[[f"p_{m}" for m in cfg.motions]].to_numpy(), track.reshape(shape), spread.reshape(shape))


def kept_networks(cfg, where="predictions"):
    """{model: [Said of each of its trainings]} as 03_evaluate has kept them; `where`: or "predictions/val"."""
    folder = cfg.stage_dir("evaluate") / where
    return {
        model: [kept(folder / f"{model}-s{one.seed}.parquet", cfg) for one in several]
        for model, several in trainings(cfg).items()
    }


def save(table, networks, others, test, cfg, pairs=None):
    """Write leaderboard.csv and comparisons.csv (`pairs`) into the run's folder, all predictions into the stage's."""
    for name, said in {**numbered(networks, cfg), **others}.items():
        path = cfg.stage_dir("evaluate") / "predictions" / f"{name}.parquet"
        files.write_parquet(path, prediction_table(said, test, cfg))
    mark = files.mark(cfg.stage_dir("evaluate"))
    files.write_csv(cfg.run_dir / "leaderboard.csv", table.assign(mark=mark) if mark else table)
    if pairs is not None:
        files.write_csv(cfg.run_dir / "comparisons.csv", pairs.assign(mark=mark) if mark else pairs)
