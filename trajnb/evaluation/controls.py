"""Controls: accuracy without understanding motion. A network that does not beat them has learned nothing of it.

Shapes:   N clips   T observed frames   K classes   S pixels a side
"""

from functools import partial

import numpy as np
import pandas as pd
from einops import reduce
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from trajnb.evaluation import trackers
from trajnb.world import recipes

PICTURES = ("mean_frame", "motion_energy")
CELLS, COMPONENTS = 16, 24  # a side of a control's picture, and how many principal components its trees get
NUISANCES = ("place_u", "place_v", "size", "extent", "brightness", "background", "noise")
PLACES = {"occluder_place": "occluder_px", "decoy_x": "decoy", "decoy_y": "decoy"}  # visible only where that is on
# On so few clips several threads mostly wait for one another; their number changes no result.
one_thread = threadpool_limits.wrap(limits=1, user_api="openmp")
trees = partial(HistGradientBoostingClassifier, max_iter=60, learning_rate=0.08, random_state=0)


def nuisance_table(clips):
    """What must not tell the class, as a viewer could see it: one row a clip. Place is the middle of the box around
    the observed path, size the mean apparent radius, both in pixels; then light, noise and whatever else differs from
    clip to clip: factors on size and speed, optional nuisances, and their places."""
    cfg, observed_NTx3 = clips.cfg, clips.xyz_NFx3[:, : clips.cfg.frames]
    uv_NTx2 = clips.track_NFx3[:, : cfg.frames, :2].astype(float) * cfg.size
    middle_Nx2 = (uv_NTx2.min(axis=1) + uv_NTx2.max(axis=1)) / 2
    size_N = (cfg.focal_px * cfg.radius_m / observed_NTx3[..., 2]).mean(axis=1) * clips.table["size_factor"].to_numpy()
    light_Nx3 = clips.table[["brightness", "background", "noise"]].to_numpy()
    table = pd.DataFrame(np.column_stack([middle_Nx2, size_N, recipes.extent(uv_NTx2), light_Nx3]), columns=NUISANCES)
    more = ["size_factor", "speed_factor", *recipes.OPTIONAL, *(name for name in PLACES if getattr(cfg, PLACES[name]))]
    varying = [name for name in more if name in clips.table and clips.table[name].nunique() > 1]
    return table.join(clips.table[varying].astype(float))


@one_thread
def nuisance_top1(clips, folds=3):
    """Cross-validated top-1 of boosted trees on all nuisances together: chance when they tell nothing."""
    predicted_N = cross_val_predict(trees(), nuisance_table(clips).to_numpy(), clips.label_N, cv=folds)
    return float((predicted_N == clips.label_N).mean())


@one_thread
def picture_trees(train):
    """{name: trees on the principal components of one of PICTURES of each training clip, without order in time}."""
    found = {name: make_pipeline(PCA(COMPONENTS, random_state=0), trees()) for name in PICTURES}
    return {name: found[name].fit(grey_NxD, train.label_N) for name, grey_NxD in pictures(train).items()}


def pictures(clips):
    """{name: (N, CELLS * CELLS)} grey levels, averaged to CELLS x CELLS, of two pictures of each clip: mean_frame, the
    mean of its frames, and motion_energy, the mean absolute difference of successive frames."""
    parts = []
    for video_NTSS in trackers.rendered(clips):
        video_NTSS = video_NTSS.astype(np.float32)
        pair = video_NTSS.mean(axis=1), np.abs(np.diff(video_NTSS, axis=1)).mean(axis=1)
        parts.append([reduce(x_NSS, "n (h a) (w b) -> n (h w)", "mean", h=CELLS, w=CELLS) for x_NSS in pair])
    return dict(zip(PICTURES, map(np.concatenate, zip(*parts, strict=True)), strict=True))
