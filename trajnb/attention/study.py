"""The score table: every map of every network beside control maps, on plain clips and on clips with a decoy.

Shapes:   N clips   B clips of a batch   T frames   S pixels a side   M methods   C control maps
"""

import itertools
import time
from typing import get_args

import numpy as np
import pandas as pd

from trajnb.attention import maps, sanity, scores
from trajnb.attention.clips import clip_pairs, distance_px, object_px, video
from trajnb.attention.layers import device, load_explained
from trajnb.attention.maps import CONTROLS
from trajnb.config import Attention
from trajnb.evaluation.statistics import holm
from trajnb.progress import Progress

FLIPS = 49_999  # random signs of a test
INTERVALS = ("pointing_game", "pointing_game_per_frame", "relevance_mass", "relevance_rank")
INTERVALS += ("insertion_auc", "deletion_auc", "temporal_correlation")
IDEAL = ("pointing_game", "relevance_mass")  # scores whose best possible value is given
MEANS = {f"ideal_{name}": f"ideal_{name}" for name in IDEAL}
MEANS |= {"constant": "constant_maps", "correct": "accuracy", "ms_per_clip": "ms_per_clip"}


def study(cfg, test) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(scores of every map of every clip, rank correlations with maps of random networks) of each first run."""
    pairs, scored, correlations = clip_pairs(test, cfg.attention_clips), [], []
    with Progress(len(cfg.models), "attention", "network") as progress:
        for model in cfg.models:
            one = cfg.replace(model=model)
            explained = load_explained(one)
            scored += [score(explained, clips, kind, one).assign(model=model) for kind, clips in pairs.items()]
            some = pairs["plain"].spread(sanity.CLIPS)
            correlations.append(sanity.randomisation(explained, some, one).assign(model=model))
            progress.update()
    return pd.concat(scored, ignore_index=True), pd.concat(correlations, ignore_index=True)


def score(explained, clips, kind, cfg) -> pd.DataFrame:
    """Scores of all maps and control maps of clips of one kind, a row for each clip and map."""
    batches = [clips.take(slice(start, start + sanity.BATCH)) for start in range(0, len(clips), sanity.BATCH)]
    return pd.concat([row for part in batches for row in score_batch(explained, part, kind, cfg)], ignore_index=True)


def score_batch(explained, clips, kind, cfg):
    """The rows of `score` of a few clips, map by map."""
    video_BCTHW, distance_BTSS = video(clips, device(explained)), distance_px(clips)
    target_B, index_B = explained.predicted(video_BCTHW), clips.table["index"]
    correct_B = target_B.cpu().numpy() == clips.label_N
    about = {"clips": kind, "index": index_B, "motion": clips.table["motion"], "correct": correct_B}
    ends = scores.curve_ends(explained, video_BCTHW, target_B)
    methods = list(maps.methods(explained, cfg.attention_methods).values())
    for method in [*methods, lambda *_: maps.controls(video_BCTHW, index_B)]:
        start = time.perf_counter()
        found = method(explained, video_BCTHW, target_B)
        ms = 1e3 * (time.perf_counter() - start) / len(clips)
        for name, one in found.items():
            row = about | {"method": name, "ms_per_clip": ms, "constant": np.ptp(one.cells_BTHW, axis=(1, 2, 3)) == 0}
            row |= {"resolution": "x".join(str(n) for n in one.cells_BTHW.shape[1:])}
            map_BTSS, ideal_BTSS = one.upsampled(distance_BTSS.shape[1:]), one.ideal(distance_BTSS <= 0)
            row |= {score: getattr(scores, score)(map_BTSS, distance_BTSS) for score in INTERVALS[:4]}
            row |= {f"ideal_{score}": getattr(scores, score)(ideal_BTSS, distance_BTSS) for score in IDEAL}
            row["temporal_correlation"] = scores.temporal_correlation(map_BTSS, object_px(clips)[0])
            if kind == "plain" and "future" not in name:  # queries of future frames are not about the class
                deleted, inserted = scores.curves(explained, video_BCTHW, map_BTSS, target_B, ends)
                row |= {"deletion_auc": scores.area(deleted), "insertion_auc": scores.area(inserted)}
            yield pd.DataFrame(row)


def table(scored, correlations) -> pd.DataFrame:
    """The score table: a row for each model, kind of clips and method; means over clips with 95 % intervals.

    The sanity columns are those of the plain clips, the margins those of clips with a decoy. `sanity_clips` and
    `temporal_clips` count the clips with a value.
    """
    rows = []
    for (model, kind, method), part in scored.groupby(["model", "clips", "method"], sort=False):
        row = {"model": model, "clips": kind, "method": method, "resolution": part["resolution"].iloc[0]}
        mine = correlations[(correlations["model"] == model) & (correlations["method"] == method)]
        permuted = mine[mine["against"] == "permuted"]["rank_correlation"]
        for name, value_N in {**part[list(INTERVALS)], "permuted_rank_correlation": permuted}.items():
            row[name] = value_N.mean()
            row[f"{name}_low"], row[f"{name}_high"] = scores.interval(value_N.to_numpy())
        row |= sanity.over_networks(mine[mine["against"] == "all"])
        row["temporal_clips"] = int(part["temporal_correlation"].notna().sum())
        row |= {column: part[name].mean() for name, column in MEANS.items()} | {"n": len(part)}
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
        names = [name for name in part["method"].unique() if name not in CONTROLS]
        ahead_NMC = wide[names].to_numpy()[:, :, None] - wide[list(CONTROLS)].to_numpy()[:, None]
        p_MC = scores.sign_flip_p(ahead_NMC.reshape(len(wide), -1), FLIPS).reshape(len(names), -1)
        for k, name in enumerate(names):
            rows.append({"model": model, "method": name, **hardest(ahead_NMC[:, k]), "p": p_MC[k].max()})
    found = pd.DataFrame(rows)
    return found.assign(p=holm(found["p"].to_numpy(float)))


def hardest(ahead_NC) -> dict:
    """The control map with the least lower end of the margin's interval, and that margin."""
    c, (low, high) = min(enumerate(scores.interval(x) for x in ahead_NC.T), key=lambda control: control[1][0])
    return {"hardest_control": CONTROLS[c], "margin": ahead_NC[:, c].mean(), "margin_low": low, "margin_high": high}


def best_method(board, model) -> str:
    """A network's map of the class with the highest pointing score on decoy clips, of those that pass if any do."""
    about_class = ~board["method"].isin(CONTROLS) & ~board["method"].str.contains("future")
    mine = board[(board["model"] == model) & (board["clips"] == "decoy") & about_class].set_index("method")
    passing = mine[mine["passes_randomisation"].astype(bool)]
    return (passing if len(passing) else mine)["pointing_game"].idxmax()


def examples(networks, clips, scored, names, correct=True) -> dict:
    """{(motion, model): (row of `clips`, map (T, S, S)), or None}: the first clip of each class that a network
    classifies (in)correctly, under its map `names[model]`; scored: the rows of `score` of these clips."""
    first = scored[scored["correct"] == correct].groupby(["motion", "model"])["index"].first()
    found, rows = {}, {index: row for row, index in enumerate(clips.table["index"])}
    for motion, model in itertools.product(clips.cfg.motions, networks):
        row = rows.get(first.get((motion, model)))
        map_1TSS = None if row is None else maps_of(networks[model], clips.take([row]), names[model])
        found[motion, model] = None if row is None else (row, map_1TSS[0])
    return found


def maps_of(explained, clips, name) -> np.ndarray:
    """The map `name` (N, T, S, S) of clips for the predicted classes, at the clips' resolution."""
    video_NCTHW = video(clips, device(explained))
    method = next(kind for kind in get_args(Attention) if name.startswith(kind))
    found = maps.all_maps(explained, video_NCTHW, explained.predicted(video_NCTHW), [method])
    return found[name].upsampled(video_NCTHW.shape[2:])
