"""Controls: what can be had without understanding motion. A network that does not beat them has learned nothing.

Shapes:   N clips   T seen frames   H future frames   K classes
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict

from trajnb.world import recipes

NUISANCES = ("place_u", "place_v", "size", "extent", "brightness", "background", "noise")


def nuisance_table(clips):
    """What must not tell the class, as a viewer could see it: one row a clip.

    Place is the middle of the box around the seen path, size the mean apparent radius, both in pixels.
    """
    cfg, seen = clips.cfg, clips.xyz_NFx3[:, : clips.cfg.frames]
    uv_NTx2 = clips.track_NFx3[:, : cfg.frames, :2].astype(float) * cfg.size
    middle_Nx2 = (uv_NTx2.min(axis=1) + uv_NTx2.max(axis=1)) / 2
    size_N = (cfg.focal_px * cfg.radius_m / seen[..., 2]).mean(axis=1)
    light_Nx3 = clips.table[["brightness", "background", "noise"]].to_numpy()
    return pd.DataFrame(np.column_stack([middle_Nx2, size_N, recipes.extent(uv_NTx2), light_Nx3]), columns=NUISANCES)


def nuisance_top1(clips, folds=3):
    """Top-1 of boosted trees on all nuisances together, cross-validated: chance when they tell nothing."""
    return cross_validated(nuisance_table(clips).to_numpy(), clips.label_N, folds)


def single_frame_top1(clips, folds=3):
    """Top-1 (T,) of boosted trees that see place and size of the object in one frame, for each frame."""
    return np.array([cross_validated(frame_features(clips, t), clips.label_N, folds) for t in range(clips.cfg.frames)])


def cross_validated(feature_NxD, label_N, folds):
    """Share of clips whose class is predicted from features by trees that have not seen the clip."""
    return float((cross_val_predict(trees(), feature_NxD, label_N, cv=folds) == label_N).mean())


def trees():
    """The classifier all controls share: gradient-boosted trees, fixed seed."""
    return HistGradientBoostingClassifier(max_iter=60, learning_rate=0.08, random_state=0)


def frame_features(clips, frame):
    """What one frame shows (N, 5): centre in frame widths, apparent size, brightness, background; without any error."""
    light_Nx2 = clips.table[["brightness", "background"]].to_numpy()
    track_Nx3 = clips.track_NFx3[:, frame].astype(float)
    return np.column_stack([track_Nx3[:, :2], 1 / track_Nx3[:, 2], light_Nx2])


def single_frame(train, val, test):
    """Class probabilities (N, K) for test clips from the best single frame, and its number.

    Sixteen classifiers learn on training clips; validation clips pick the frame; test clips are looked at once.
    """
    frames = range(train.cfg.frames)
    fitted = [trees().fit(frame_features(train, t), train.label_N) for t in frames]
    best = int(np.argmax([fitted[t].score(frame_features(val, t), val.label_N) for t in frames]))
    return fitted[best].predict_proba(frame_features(test, best)), best


def constant_velocity(uv_NTx2, z_NT, horizon):
    """Forecast (N, H, 3) of (u, v, z) in the units given: the last step, repeated."""
    track_NTx3 = np.concatenate([uv_NTx2, z_NT[..., None]], axis=2)
    step_N1x3 = track_NTx3[:, -1:] - track_NTx3[:, -2:-1]
    return track_NTx3[:, -1:] + step_N1x3 * np.arange(1, horizon + 1)[:, None]
