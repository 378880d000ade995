"""Linear probes: what can be read off an extractor's features by a linear map, the class and the last position.

Source:   control tasks and selectivity, https://arxiv.org/abs/1909.03368: a probe that does as well on answers drawn at
          random for each recipe has memorised the recipes, whatever the features hold.
Differs:  recipes instead of words, seen again under other sensor noise; COMPONENTS principal components, so that not
          every recipe can be memorised; the control has the penalty of the real task, or it would learn nothing.

Shapes:   N clips   D features   C components
"""

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trajnb.attention.clips import object_px, video
from trajnb.attention.layers import device, outputs
from trajnb.data import ClipSet
from trajnb.models.i3d import I3D, Mixed
from trajnb.models.magvit import Magvit, Residual
from trajnb.models.slowfast import SlowFast
from trajnb.models.transformer import Transformer

CLIPS = 600  # training and test clips of a probe
COMPONENTS = 32
PENALTIES = np.logspace(-1, 5, 7)
BATCH = 50  # clips in a forward pass
OTHER_NOISE = 1  # added to the renderer's seed: the same recipe, other sensor noise
LAST_TWO = {
    Transformer: lambda net: [[block] for block in net.blocks[-2:]],
    I3D: lambda net: [[block] for block in [layer for layer in net.layers if isinstance(layer, Mixed)][-2:]],
    SlowFast: lambda net: [list(pair) for pair in zip(net.slow, net.fast, strict=True)][-2:],
    Magvit: lambda net: [[[part for part in net.encoder if isinstance(part, Residual)][-1]], [net.encoder]],
}


def probe(explained, train, test) -> pd.DataFrame:
    """Top-1 and error (px) of the last observed position of linear probes of the last two layers, a row each.

    `train_top1`, `control_top1` and their difference, `selectivity`: on the training recipes under other noise.
    `top1`: on new recipes, where a probe of permuted labels reaches `chance_top1`.
    """
    again = ClipSet(train.cfg, train.seed + OTHER_NOISE, train.table, train.xyz_NFx3)
    features = [layer_features(explained, clips) for clips in (train, test, again)]
    return pd.DataFrame([row(k, *layer, train, test) for k, layer in enumerate(zip(*features, strict=True), 1)])


def row(number, train_NxD, test_NxD, again_NxD, train, test) -> dict:
    """The scores of one layer; `again`: features of the training clips under other noise."""
    components = make_pipeline(StandardScaler(), PCA(COMPONENTS, random_state=0), StandardScaler()).fit(train_NxD)
    train_NxC, test_NxC, again_NxC = (components.transform(x) for x in (train_NxD, test_NxD, again_NxD))
    mixed_N = np.random.default_rng(0).permutation(len(train))
    label_N, (place_Nx2, test_Nx2) = train.label_N, (object_px(clips)[0][:, -1] for clips in (train, test))
    classifier = RidgeClassifierCV(PENALTIES).fit(train_NxC, label_N)
    regressor = RidgeCV(PENALTIES).fit(train_NxC, place_Nx2)
    control_class = RidgeClassifier(alpha=classifier.alpha_).fit(train_NxC, label_N[mixed_N])
    control_place = Ridge(alpha=regressor.alpha_).fit(train_NxC, place_Nx2[mixed_N])
    top1, control = classifier.score(again_NxC, label_N), control_class.score(again_NxC, label_N[mixed_N])
    return {
        "layer": f"{number} of the last 2",
        "features": train_NxD.shape[1],
        "top1": classifier.score(test_NxC, test.label_N),
        "chance_top1": control_class.score(test_NxC, test.label_N),
        "train_top1": top1,
        "control_top1": control,
        "selectivity": top1 - control,
        "error_px": error_px(regressor.predict(test_NxC), test_Nx2),
        "control_error_px": error_px(control_place.predict(again_NxC), place_Nx2[mixed_N]),
        "mean_place_error_px": error_px(place_Nx2.mean(axis=0), test_Nx2),
        "n": len(test),
    }


def error_px(predicted_Nx2, true_Nx2) -> float:
    """Mean distance in pixels."""
    return float(np.linalg.norm(predicted_Nx2 - true_Nx2, axis=1).mean())


@torch.no_grad()
def layer_features(explained, clips) -> list[np.ndarray]:
    """Features (N, D) of the last two layers: all cells, the pathways of a layer side by side."""
    extractor, batches = explained.net.extractor, []
    layers = LAST_TWO[type(extractor)](extractor)
    modules = {(k, n): part for k, layer in enumerate(layers) for n, part in enumerate(layer)}
    with outputs(modules) as found:
        for start in range(0, len(clips), BATCH):
            extractor(video(clips.take(slice(start, start + BATCH)), device(extractor)))
            flat = {key: (x[0] if isinstance(x, tuple) else x).flatten(1).cpu().numpy() for key, x in found.items()}
            batches.append([np.concatenate([flat[key] for key in modules if key[0] == k], axis=1) for k in range(2)])
    return [np.concatenate(layer) for layer in zip(*batches, strict=True)]
