"""The score table: every map of every network beside control maps, on plain clips and on clips with a decoy.

Shapes:   N clips   B clips of a batch   T frames   S pixels a side   M methods   C control maps
"""

import time
from typing import get_args

import numpy as np
import pandas as pd
import torch

from trajnb import files
from trajnb.attention import maps, sanity, scores
from trajnb.attention.clips import clip_pairs, distance_px, object_px, video
from trajnb.attention.layers import device, load_explained
from trajnb.attention.maps import CONTROLS, Map
from trajnb.config import Attention
from trajnb.evaluation.statistics import holm
from trajnb.progress import Progress

BATCH = 32  # clips whose maps are in memory together
FLIPS = 49_999  # random signs of a test
INTERVALS = ("pointing_game", "pointing_game_per_frame", "relevance_mass", "relevance_rank")
INTERVALS += ("insertion_auc", "deletion_auc", "temporal_correlation")
MEANS = {"ideal_pointing_game": "ideal_pointing_game", "ideal_relevance_mass": "ideal_relevance_mass"}
MEANS |= {"constant": "constant_maps", "correct": "accuracy", "ms_per_clip": "ms_per_clip"}


def study(cfg, test) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(scores of every map of every clip, its rank correlations with maps of random networks) of all networks.

    Networks are those of the run's first seed.
    """
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
    batches = [clips.take(slice(start, start + BATCH)) for start in range(0, len(clips), BATCH)]
    return pd.concat([row for part in batches for row in score_batch(explained, part, kind, cfg)], ignore_index=True)


def score_batch(explained, clips, kind, cfg):
    """The rows of `score` of a few clips, map by map."""
    video_BCTHW, distance_BTSS = video(clips, device(explained)), distance_px(clips)
    target_B, uv_BTx2 = explained.predicted(video_BCTHW), object_px(clips)[0]
    correct_B = target_B.cpu().numpy() == clips.label_N
    about = {"clips": kind, "index": clips.table["index"], "motion": clips.table["motion"], "correct": correct_B}
    ends = scores.curve_ends(explained, video_BCTHW, target_B)
    for name, one, ms in timed_maps(explained, video_BCTHW, target_B, clips, cfg):
        row = about | {"method": name, "ms_per_clip": ms, "constant": one.constant()}
        row |= {"resolution": "x".join(str(n) for n in one.cells_BTHW.shape[1:])} | ideal_scores(one, distance_BTSS)
        map_BTSS = one.upsampled(distance_BTSS.shape[1:])
        row |= {score: getattr(scores, score)(map_BTSS, distance_BTSS) for score in INTERVALS[:4]}
        row["temporal_correlation"] = scores.temporal_correlation(map_BTSS, uv_BTx2)
        if kind == "plain" and "future" not in name:  # queries of future frames are not about the class
            deleted, inserted = scores.curves(explained, video_BCTHW, map_BTSS, target_B, ends)
            row |= {"deletion_auc": scores.area(deleted), "insertion_auc": scores.area(inserted)}
        yield pd.DataFrame(row)


def timed_maps(explained, video_BCTHW, target_B, clips, cfg):
    """(name, Map, milliseconds a clip) of every map of the network, then of every control map."""
    methods = list(maps.methods(explained, cfg.attention_methods).values())
    for method in [*methods, lambda *_: maps.controls(video_BCTHW, clips.table["index"])]:
        start = time.perf_counter()
        found = method(explained, video_BCTHW, target_B)
        ms = 1e3 * (time.perf_counter() - start) / len(clips)
        yield from ((name, one, ms) for name, one in found.items())


def ideal_scores(one: Map, distance_BTSS) -> dict:
    """Scores of the best map with such cells: each holds its share of the object."""
    cells, shape = one.cells_BTHW.shape[1:], distance_BTSS.shape[1:]
    weights = [torch.from_numpy(maps.interpolation(*x)).float() for x in zip(one.axes, cells, shape, strict=True)]
    inside = torch.from_numpy((distance_BTSS <= 0).astype(np.float32))
    ideal = Map(torch.einsum("bxyz,xt,yh,zw->bthw", inside, *weights).numpy(), one.axes).upsampled(shape)
    return {
        f"ideal_{name}": getattr(scores, name)(ideal, distance_BTSS) for name in ("pointing_game", "relevance_mass")
    }


def table(scored, correlations) -> pd.DataFrame:
    """The score table: a row for each model, kind of clips and method; means over clips with 95 % intervals.

    The sanity columns are those of the plain clips, their interval is one over random networks. `constant_maps`: share
    of clips whose map is the same everywhere; `sanity_clips`, `temporal_clips`: clips with a value. On clips with a
    decoy, the margin ahead of the hardest control map (`margins`).
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

    Columns model, method, hardest_control, margin (mean difference with _low and _high), p. The hardest control is that
    of the least lower end. p: the largest over the controls, as a map has to beat all of them, after Holm's correction
    for all maps of all networks.
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
    ends = [scores.interval(ahead_N) for ahead_N in ahead_NC.T]
    c = min(range(len(CONTROLS)), key=lambda c: ends[c][0])
    low, high = ends[c]
    return {"hardest_control": CONTROLS[c], "margin": ahead_NC[:, c].mean(), "margin_low": low, "margin_high": high}


def best_method(board, model) -> str:
    """A network's map with the highest pointing score on decoy clips, among those that pass the sanity check if any do.

    Maps of the queries of future frames are left out: they are not about the class.
    """
    mine = board[(board["model"] == model) & (board["clips"] == "decoy") & ~board["method"].isin(CONTROLS)]
    mine = mine[~mine["method"].str.contains("future")].set_index("method")
    passing = mine[mine["passes_randomisation"].astype(bool)]
    return (passing if len(passing) else mine)["pointing_game"].idxmax()


def first_examples(scored, clips, cfg, correct, kind="plain") -> dict:
    """{(motion, model): row of `clips`, or None}: the first of each class that a network classifies (in)correctly."""
    chosen = scored[(scored["clips"] == kind) & (scored["correct"] == correct)]
    first = chosen.groupby(["motion", "model"])["index"].first()
    rows = {index: row for row, index in enumerate(clips.table["index"])}
    return {(motion, model): rows.get(first.get((motion, model))) for motion in cfg.motions for model in cfg.models}


def maps_of(explained, clips, name) -> np.ndarray:
    """The map `name` (N, T, S, S) of clips for the predicted classes, at the clips' resolution."""
    video_NCTHW = video(clips, device(explained))
    found = maps.all_maps(explained, video_NCTHW, explained.predicted(video_NCTHW), [method_of(name)])
    return found[name].upsampled(video_NCTHW.shape[2:])


def example_maps(networks, clips, rows, method) -> dict:
    """{(motion, model): (row, map (T, S, S)), or None} of `first_examples` under each network's map {model: name}."""
    return {
        key: row if row is None else (row, maps_of(networks[key[1]], clips.take([row]), method[key[1]])[0])
        for key, row in rows.items()
    }


def method_of(name) -> str:
    """The entry of cfg.attention_methods that makes the map `name`."""
    parts = name.endswith(("_time", "_space"))
    return "attention_parts" if parts else next(kind for kind in get_args(Attention) if name.startswith(kind))


def save(cfg, scored, correlations, board):
    """Write scores.csv, and the scores and rank correlations of every clip as Parquet, into the stage's folder.

    Times are in scores.csv alone: the other files are the same bytes whenever they are computed again.
    """
    folder = cfg.stage_dir("attention")
    files.write_parquet(folder / "clips.parquet", scored.drop(columns="ms_per_clip"))
    files.write_parquet(folder / "sanity.parquet", correlations)
    files.write_csv(folder / "scores.csv", board)
