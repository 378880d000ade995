"""Controls: accuracy without understanding motion. A network that does not beat them has learned nothing of it.

Shapes:   N clips   T observed frames   K classes   S pixels a side
"""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from trajnb.evaluation.measure import CHUNK
from trajnb.world import families, recipes

PICTURES = ("mean_frame", "motion_energy")
CELLS, COMPONENTS = 16, 24  # a side of a control's picture, and how many principal components its trees get
NUISANCES = ("place_u", "place_v", "size", "extent", "brightness", "background", "noise")
PLACES = {"occluder_place": "occluder_px", "decoy_x": "decoy", "decoy_y": "decoy"}  # visible only where that is on


def nuisance_table(clips):
    """What must not tell the class, as a viewer could see it: one row a clip.

    Place is the middle of the box around the observed path, size the mean apparent radius, both in pixels; then
    whatever else differs from clip to clip: factors on size and speed, optional nuisances, and their places.
    """
    cfg, observed_NTx3 = clips.cfg, clips.xyz_NFx3[:, : clips.cfg.frames]
    uv_NTx2 = observed_path(clips)
    middle_Nx2 = (uv_NTx2.min(axis=1) + uv_NTx2.max(axis=1)) / 2
    size_N = (cfg.focal_px * cfg.radius_m / observed_NTx3[..., 2]).mean(axis=1) * clips.table["size_factor"].to_numpy()
    light_Nx3 = clips.table[["brightness", "background", "noise"]].to_numpy()
    table = pd.DataFrame(np.column_stack([middle_Nx2, size_N, recipes.extent(uv_NTx2), light_Nx3]), columns=NUISANCES)
    more = ["size_factor", "speed_factor", *recipes.OPTIONAL, *(name for name in PLACES if getattr(cfg, PLACES[name]))]
    varying = [name for name in more if name in clips.table and clips.table[name].nunique() > 1]
    return table.join(clips.table[varying].astype(float))


def observed_path(clips):
    """Observed image path (N, T, 2) in pixels."""
    return clips.track_NFx3[:, : clips.cfg.frames, :2].astype(float) * clips.cfg.size


def nuisance_top1(clips, folds=3):
    """Cross-validated top-1 of boosted trees on all nuisances together: chance when they tell nothing."""
    return validated_top1(nuisance_table(clips).to_numpy(), clips, folds)


def single_frame_top1(clips, folds=3):
    """Cross-validated top-1 (T,) of boosted trees on place and size of the object in one frame, for each frame."""
    return np.array([validated_top1(frame_features(clips, t), clips, folds) for t in range(clips.cfg.frames)])


# On so few clips several threads mostly wait for one another; their number changes no result.
one_thread = threadpool_limits.wrap(limits=1, user_api="openmp")


@one_thread
def validated_top1(feature_ND, clips, folds):
    return float((cross_val_predict(trees(), feature_ND, clips.label_N, cv=folds) == clips.label_N).mean())


def trees():
    """The classifier of all controls: gradient-boosted trees, fixed seed."""
    return HistGradientBoostingClassifier(max_iter=60, learning_rate=0.08, random_state=0)


def frame_features(clips, frame):
    """One frame's content (N, 5): centre in frame widths, apparent size, brightness, background; without any error."""
    light_Nx2 = clips.table[["brightness", "background"]].to_numpy()
    track_Nx3 = clips.track_NFx3[:, frame].astype(float)
    return np.column_stack([track_Nx3[:, :2], 1 / track_Nx3[:, 2], light_Nx2])


@one_thread
def single_frame(train, val, test):
    """Class probabilities (N, K) for test clips from the single frame that is best on validation clips; its number."""
    fitted = [trees().fit(frame_features(train, t), train.label_N) for t in range(train.cfg.frames)]
    best = int(np.argmax([one.score(frame_features(val, t), val.label_N) for t, one in enumerate(fitted)]))
    return fitted[best].predict_proba(frame_features(test, best)), best


def majority(train, test):
    """Class probabilities (N, K) for test clips: the class shares of training, whatever the clip."""
    share_K = np.bincount(train.label_N, minlength=len(train.cfg.motions)) / len(train)
    return np.tile(share_K, (len(test), 1))


@one_thread
def picture_controls(train, test):
    """{name: class probabilities (N, K)} for test clips of trees on one picture of each clip, without order in time."""
    fitted = picture_trees(train)
    return {name: fitted[name].predict_proba(grey_NxD) for name, grey_NxD in pictures(test).items()}


@one_thread
def picture_trees(train):
    """{name: trees on the principal components of one of PICTURES, fitted to training clips}."""
    pipelines = {name: make_pipeline(PCA(COMPONENTS, random_state=0), trees()) for name in PICTURES}
    return {name: pipelines[name].fit(grey_NxD, train.label_N) for name, grey_NxD in pictures(train).items()}


def pictures(clips):
    """{name: (N, CELLS * CELLS)} grey levels, averaged to CELLS x CELLS, of two pictures of each clip.

    mean_frame: the mean of its frames; motion_energy: the mean absolute difference of successive frames.
    """
    parts, block = {name: [] for name in PICTURES}, clips.cfg.size // CELLS
    for rows in np.split(np.arange(len(clips)), range(CHUNK, len(clips), CHUNK)):
        video_NTSS = clips.render(rows).astype(np.float32)
        pair = video_NTSS.mean(axis=1), np.abs(np.diff(video_NTSS, axis=1)).mean(axis=1)
        for name, picture_NSS in zip(PICTURES, pair, strict=True):
            grey_NCC = picture_NSS.reshape(-1, CELLS, block, CELLS, block).mean(axis=(2, 4))
            parts[name].append(grey_NCC.reshape(-1, CELLS * CELLS))
    return {name: np.concatenate(part) for name, part in parts.items()}


@one_thread
def kinematic(train, test):
    """Class probabilities (N, K) of trees on kinematic features of the true image path: no pixels, no network."""
    train_NxD, test_NxD = (path_features(observed_path(clips), clips.cfg) for clips in (train, test))
    return trees().fit(train_NxD, train.label_N).predict_proba(test_NxD)


def path_features(uv_NTx2, cfg):
    """Features (N, 11) of image paths in pixels: misfits of line, quadratic, ellipse; speed, acceleration, turning."""
    step_NTx2 = np.diff(uv_NTx2, axis=1)
    change_NTx2, speed_NT = np.diff(step_NTx2, axis=1), np.linalg.norm(step_NTx2, axis=2)
    turn_NT = np.diff(np.unwrap(np.arctan2(step_NTx2[..., 1], step_NTx2[..., 0]), axis=1), axis=1)
    misfits = [family(uv_NTx2, cfg) for family in families.FAMILIES.values()]
    moments = [speed_NT.mean(axis=1), speed_NT.std(axis=1), *change_NTx2.mean(axis=1).T, *change_NTx2.std(axis=1).T]
    return np.column_stack([*misfits, *moments, turn_NT.sum(axis=1), turn_NT.std(axis=1)])
