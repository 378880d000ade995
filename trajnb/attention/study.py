"""The score table: every map of every network beside control maps, on plain clips and on clips with a decoy.

Source:   pointing game, https://arxiv.org/abs/1608.00507; relevance mass, https://arxiv.org/abs/2003.07258.

Shapes:   N clips   B clips of a batch   T frames   S pixels a side   M methods   C control maps
          D voxels of a flat map
"""

import numpy as np
import pandas as pd

from trajnb.attention import maps, sanity
from trajnb.attention.clips import clip_pairs, distance_px, video
from trajnb.attention.layers import device, load_explained
from trajnb.attention.maps import CONTROLS
from trajnb.evaluation.statistics import bootstrap_interval, holm
from trajnb.progress import progress

TOLERANCE_PX = 3.0  # from the disc's edge: that near, a map points at the object
SUM_ERROR = 1e-3  # of a sum over clips in single precision: differences below it count as equal
NOISE = 1e-6  # of a map's range: differences from the maximum below it count as equal
FLIPS = 49_999  # random signs of a test
INTERVALS = ["pointing_game", "relevance_mass"]


def study(cfg, test) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(scores of every map of every clip, rank correlations with maps of random networks) of each first run."""
    pairs, scored, correlations = clip_pairs(test, cfg.attention_clips), [], []
    with progress(len(cfg.models), "attention", "network") as bar:
        for model in cfg.models:
            one = cfg.replace(model=model)
            explained = load_explained(one)
            scored += [score(explained, clips, kind, one).assign(model=model) for kind, clips in pairs.items()]
            some = pairs["plain"].spread(sanity.CLIPS)
            correlations.append(sanity.randomisation(explained, some, one).assign(model=model))
            bar.update()
    return pd.concat(scored, ignore_index=True), pd.concat(correlations, ignore_index=True)


def score(explained, clips, kind, cfg) -> pd.DataFrame:
    """Scores of all maps and control maps of clips of one kind, a row for each clip and map."""
    batches = [clips.take(slice(start, start + sanity.BATCH)) for start in range(0, len(clips), sanity.BATCH)]
    return pd.concat([row for part in batches for row in score_batch(explained, part, kind, cfg)], ignore_index=True)


def score_batch(explained, clips, kind, cfg):
    """The rows of `score` of a few clips, map by map."""
    video_BCTHW, distance_BTSS = video(clips, device(explained)), distance_px(clips)
    target_B, about = explained.predicted(video_BCTHW), {"clips": kind, **clips.table[["index", "motion"]]}
    about["correct"] = target_B.cpu().numpy() == clips.label_N
    found = maps.all_maps(explained, video_BCTHW, target_B, cfg.attention_methods)
    for name, one in (found | maps.controls(video_BCTHW, about["index"])).items():
        row = about | {"method": name, "resolution": "x".join(str(n) for n in one.cells_BTHW.shape[1:])}
        row["constant"] = np.ptp(one.cells_BTHW, axis=(1, 2, 3)) == 0
        map_BTSS = one.upsampled(distance_BTSS.shape[1:])
        row["pointing_game"] = pointing_game(map_BTSS, distance_BTSS)
        row["relevance_mass"] = relevance_mass(map_BTSS, distance_BTSS)
        yield pd.DataFrame(row)


def pointing_game(map_NTSS, distance_NTSS):
    """1 where a clip's highest voxel lies within TOLERANCE_PX of the object, else 0 (N,); of equal ones, the share."""
    flat_ND, near_ND = (x.reshape(len(x), -1) for x in (map_NTSS, distance_NTSS <= TOLERANCE_PX))
    top_N1, low_N1 = flat_ND.max(axis=1, keepdims=True), flat_ND.min(axis=1, keepdims=True)
    highest_ND = flat_ND >= top_N1 - NOISE * (top_N1 - low_N1)
    return (highest_ND & near_ND).sum(axis=1) / highest_ND.sum(axis=1)


def relevance_mass(map_NTSS, distance_NTSS):
    """Share (N,) of a map's sum that lies on the object; a map of zeros counts as constant."""
    inside_NTSS, total_N = distance_NTSS <= 0, map_NTSS.sum(axis=(1, 2, 3))
    share_N = (map_NTSS * inside_NTSS).sum(axis=(1, 2, 3)) / np.maximum(total_N, 1e-30)
    return np.where(total_N > 0, share_N, inside_NTSS.mean(axis=(1, 2, 3)))


def table(scored, correlations) -> pd.DataFrame:
    """The score table: a row for each model, kind of clips and method; means over clips with 95 % intervals.

    The sanity columns are those of the plain clips, the margins those of clips with a decoy. `sanity_clips` counts the
    clips with a rank correlation.
    """
    rows = []
    for (model, kind, method), part in scored.groupby(["model", "clips", "method"], sort=False):
        row = {"model": model, "clips": kind, "method": method, "resolution": part["resolution"].iloc[0]}
        mine = correlations[(correlations["model"] == model) & (correlations["method"] == method)]
        for name in INTERVALS:
            row |= zip((name, f"{name}_low", f"{name}_high"), bootstrap_interval(part[name].to_numpy()), strict=True)
        row |= sanity.over_networks(mine)
        row |= {"constant_maps": part["constant"].mean(), "accuracy": part["correct"].mean(), "n": len(part)}
        rows.append(row | {"passes_randomisation": method not in CONTROLS and sanity.passes(row)})
    keys = ["model", "clips", "method"]
    return pd.DataFrame(rows).merge(margins(scored).assign(clips="decoy"), on=keys, how="left")


def margins(scored) -> pd.DataFrame:
    """How much more often each method points at the object than its hardest control map, on the same decoy clips.

    p: the largest over the controls, as a map has to beat all of them, after Holm's correction for all maps of all
    networks.
    """
    rows, decoy = [], scored[scored["clips"] == "decoy"]
    for model, part in decoy.groupby("model", sort=False):
        wide = part.pivot(index="index", columns="method", values="pointing_game")
        for name in part.loc[~part["method"].isin(CONTROLS), "method"].unique():
            ahead_NC = wide[[name]].to_numpy() - wide[list(CONTROLS)].to_numpy()
            p = sign_flip_p(ahead_NC, FLIPS).max()
            rows.append({"model": model, "method": name, **hardest(ahead_NC), "p": p})
    found = pd.DataFrame(rows)
    return found.assign(p=holm(found["p"].to_numpy(float)))


def sign_flip_p(difference_NC, flips, seed=0):
    """p (C,) of each column's mean being above 0: how often random signs of the clips reach it, doubled, at most 1.

    Doubled, so that 0.05 means what a 95 % interval means.
    Source: R. A. Fisher, The Design of Experiments, 1935, section 21.
    """
    coin = np.random.default_rng(seed).integers(2, size=(flips, len(difference_NC)), dtype=np.int8)
    sign = 2 * coin.astype(np.float32) - 1
    reached = sign @ difference_NC.astype(np.float32) >= difference_NC.sum(axis=0) - SUM_ERROR
    return np.minimum(2 * (1 + reached.sum(axis=0)) / (1 + flips), 1)


def hardest(ahead_NC) -> dict:
    """The control map with the least lower end of the margin's interval, and that margin."""
    margins = [bootstrap_interval(ahead_N) for ahead_N in ahead_NC.T]
    c = min(range(len(margins)), key=lambda c: margins[c][1])
    return {"hardest_control": CONTROLS[c]} | dict(
        zip(("margin", "margin_low", "margin_high"), margins[c], strict=True)
    )


def maps_of(explained, clips, name) -> np.ndarray:
    """The map `name` (N, T, S, S) of clips for the predicted classes, at the clips' resolution."""
    video_NCTHW = video(clips, device(explained))
    method = next(kind for kind in maps.METHODS if name.startswith(kind))
    found = maps.all_maps(explained, video_NCTHW, explained.predicted(video_NCTHW), [method])
    return found[name].upsampled(video_NCTHW.shape[2:])
