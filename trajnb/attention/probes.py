"""What can be read off an extractor's features by a linear map: the class, and the last seen position.

Source:   control tasks and selectivity, https://arxiv.org/abs/1909.03368: a probe that does as well on answers drawn at
          random for each recipe has learned the recipes, not what the features say.
Differs:  what stands for a word there is a recipe here, seen in training and in the test under other sensor noise. The
          probe reads COMPONENTS principal components of all features, so that it cannot know every recipe; its control
          has the penalty that suited the question itself: left to choose, it takes the largest, and learns nothing.

Shapes:   N clips   D features   C components
"""

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trajnb.attention import clips as asked
from trajnb.attention.recorder import keep
from trajnb.attention.stages import device
from trajnb.data import ClipSet
from trajnb.models.i3d import I3D, Mixed
from trajnb.models.magvit import Magvit, Residual
from trajnb.models.slowfast import SlowFast
from trajnb.models.transformer import Transformer

COMPONENTS = 32
PENALTIES = np.logspace(-1, 5, 7)
AT_ONCE = 50  # clips in a forward pass
OTHER_NOISE = 1  # added to the renderer's seed: the same recipe, other sensor noise
LAST_TWO = {
    Transformer: lambda net: [[block] for block in net.blocks[-2:]],
    I3D: lambda net: [[block] for block in [layer for layer in net.layers if isinstance(layer, Mixed)][-2:]],
    SlowFast: lambda net: [list(pair) for pair in zip(net.slow, net.fast, strict=True)][-2:],
    Magvit: lambda net: [[[part for part in net.encoder if isinstance(part, Residual)][-1]], [net.encoder]],
}


def probe(explained, train, test) -> pd.DataFrame:
    """A row for each of the last two stages: top-1 and error in pixels of linear probes, and of their control tasks.

    Position is that of the last seen frame. `seen_top1`: of the recipes the probe has learned from, under other noise;
    selectivity is that less `control_top1`. `top1`: of new recipes, to be compared with `chance_top1`, what a probe of
    permuted labels has there.
    """
    again = ClipSet(train.cfg, train.seed + OTHER_NOISE, train.table, train.xyz_NFx3)
    features = [stage_features(explained, clips) for clips in (train, test, again)]
    return pd.DataFrame([row(k, *stage, train, test) for k, stage in enumerate(zip(*features, strict=True), 1)])


def row(number, seen_NxD, new_NxD, again_NxD, train, test) -> dict:
    """One stage's scores; `again`: features of the training clips under other noise."""
    read = make_pipeline(StandardScaler(), PCA(COMPONENTS, random_state=0), StandardScaler()).fit(seen_NxD)
    seen_NxC, new_NxC, again_NxC = (read.transform(x) for x in (seen_NxD, new_NxD, again_NxD))
    mixed_N = np.random.default_rng(0).permutation(len(train))
    label_N, place_Nx2, end_Nx2 = train.label_N, last_px(train), last_px(test)
    named, placed = RidgeClassifierCV(PENALTIES).fit(seen_NxC, label_N), RidgeCV(PENALTIES).fit(seen_NxC, place_Nx2)
    by_heart = RidgeClassifier(alpha=named.alpha_).fit(seen_NxC, label_N[mixed_N])
    there = Ridge(alpha=placed.alpha_).fit(seen_NxC, place_Nx2[mixed_N])
    again, control = named.score(again_NxC, label_N), by_heart.score(again_NxC, label_N[mixed_N])
    return {
        "stage": f"{number} of the last 2",
        "features": seen_NxD.shape[1],
        **{"top1": named.score(new_NxC, test.label_N), "chance_top1": by_heart.score(new_NxC, test.label_N)},
        **{"seen_top1": again, "control_top1": control, "selectivity": again - control},
        "error_px": error_px(placed, new_NxC, end_Nx2),
        "control_error_px": error_px(there, again_NxC, place_Nx2[mixed_N]),
        "mean_place_error_px": float(np.linalg.norm(end_Nx2 - place_Nx2.mean(axis=0), axis=1).mean()),
        "n": len(test),
    }


def error_px(fitted, new_NxC, true_Nx2) -> float:
    """Mean distance in pixels of positions read off linearly from true ones."""
    return float(np.linalg.norm(fitted.predict(new_NxC) - true_Nx2, axis=1).mean())


def last_px(clips):
    """The object's position (N, 2) in pixels in the last seen frame."""
    return asked.object_px(clips)[0][:, -1]


def stage_features(explained, clips) -> list[np.ndarray]:
    """Features (N, D) of the last two stages, every cell's, of all modules of a stage side by side."""
    extractor, found = explained.net.extractor, {}
    modules = LAST_TWO[type(extractor)](extractor)
    named = {(k, n): part for k, together in enumerate(modules) for n, part in enumerate(together)}
    hooks = [part.register_forward_hook(keep(found, key)) for key, part in named.items()]
    rows = []
    for start in range(0, len(clips), AT_ONCE):
        with torch.no_grad():
            extractor(asked.video(clips.take(slice(start, start + AT_ONCE)), device(extractor)))
        outputs = {key: x[0] if isinstance(x, tuple) else x for key, x in found.items()}
        rows.append([np.concatenate([flat(outputs[k, n]) for n in range(len(modules[k]))], axis=1) for k in range(2)])
    for hook in hooks:
        hook.remove()
    return [np.concatenate(stage) for stage in zip(*rows, strict=True)]


def flat(x) -> np.ndarray:
    return x.flatten(1).cpu().numpy()
