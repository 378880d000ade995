"""The score table: every map of every network beside maps that no network has made, on plain clips and with a decoy.

Shapes:   B clips of a batch   T frames   S pixels a side
"""

import time

import numpy as np
import pandas as pd
import torch

from trajnb import files, models
from trajnb.attention import clips as asked
from trajnb.attention import sanity, scores
from trajnb.attention.controls import controls
from trajnb.attention.maps import Map, between, methods
from trajnb.attention.stages import Explained, device
from trajnb.evaluation.statistics import holm
from trajnb.models.trained import load_trained
from trajnb.progress import Progress

AT_ONCE = 32  # clips whose maps are in memory together
CHECKED = 64  # clips whose maps are compared with those of random networks: each of these costs all maps once more
FRESH, DRAWS = 1_000_003, 5  # added to the seed of a network with first weights; how many such networks there are
FLIPS = 49_999  # random signs of a test
LEVEL = 0.05  # what p after Holm has to stay below
SCORES = "pointing_game following relevance_mass relevance_rank insertion_auc deletion_auc temporal_profile".split()
PLAIN = ("ideal_pointing", "ideal_mass", "level", "right", "ms_per_clip")  # means without an interval
CONTROLS = ("random", "centre", "brightest_pixel", "motion_energy")


def study(cfg, test) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(scores of every map of every clip, rank correlations of the sanity checks of every clip) of all networks.

    Reads the trained weights of the run's first seed, and those of its control `permuted` where it has one.
    """
    sets, scored, checked = asked.both(test, cfg.attention_clips), [], []
    path = cfg.stage_dir("attention") / "progress.json"
    with Progress(len(cfg.models), "attention", "network", path) as progress:
        for model in cfg.models:
            one = cfg.replace(model=model)
            explained = network(one)
            scored += [score(explained, part, kind, one).assign(model=model) for kind, part in sets.items()]
            checked.append(check(explained, sets["plain"].spread(CHECKED), one).assign(model=model))
            progress.update()
    return pd.concat(scored, ignore_index=True), pd.concat(checked, ignore_index=True)


def network(cfg) -> Explained:
    """The trained network of one training, ready to be explained."""
    return Explained(load_trained(cfg), (cfg.frames, cfg.size, cfg.size))


def score(explained, clips, kind, cfg) -> pd.DataFrame:
    """Scores of all maps and controls, a row for each clip and map."""
    batches = [clips.take(slice(start, start + AT_ONCE)) for start in range(0, len(clips), AT_ONCE)]
    return pd.concat([score_batch(explained, part, kind, cfg) for part in batches], ignore_index=True)


def score_batch(explained, clips, kind, cfg) -> pd.DataFrame:
    """`score` for a few clips."""
    video_BCTHW, distance_BTSS = asked.video(clips, device(explained)), asked.distance_px(clips)
    with torch.no_grad():
        target_B = explained(video_BCTHW).argmax(dim=1)
    about = {"clips": kind, "index": clips.table["index"], "motion": clips.table["motion"]}
    about["right"] = target_B.cpu().numpy() == clips.label_N
    both_ends, rows = scores.ends(explained, video_BCTHW, target_B), []
    for name, seen, ms in seen_by(explained, video_BCTHW, target_B, clips, cfg):
        level_B = np.ptp(seen.cells_BTHW, axis=(1, 2, 3)) == 0
        row = about | {"method": name, "ms_per_clip": ms, "level": level_B} | placed(seen, distance_BTSS)
        map_BTSS = seen.stretched(distance_BTSS.shape[1:])
        row |= located(map_BTSS, distance_BTSS, asked.object_px(clips)[0])
        if kind == "plain" and "future" not in name:  # the class is not what a future's query is about
            deleted, inserted = scores.curves(explained, video_BCTHW, map_BTSS, target_B, both_ends)
            row |= {"deletion_auc": scores.area(deleted), "insertion_auc": scores.area(inserted)}
        rows.append(pd.DataFrame(row))
    return pd.concat(rows)


def seen_by(explained, video_BCTHW, target_B, clips, cfg):
    """(name, Map, milliseconds a clip) of every map of the network, then of every control."""
    for method in methods(explained, cfg.attention_methods).values():
        start = time.perf_counter()
        found = method(explained, video_BCTHW, target_B)
        ms = 1e3 * (time.perf_counter() - start) / len(video_BCTHW)
        yield from ((name, seen, ms) for name, seen in found.items())
    start = time.perf_counter()
    found = controls(video_BCTHW, clips.table["index"])
    ms = 1e3 * (time.perf_counter() - start) / len(video_BCTHW)
    yield from ((name, Map(np.ascontiguousarray(cells)), ms) for name, cells in found.items())


def located(map_BTSS, distance_BTSS, uv_BTx2) -> dict:
    """The scores that need no network."""
    return {
        "pointing_game": scores.pointing(map_BTSS, distance_BTSS),
        "following": scores.following(map_BTSS, distance_BTSS),
        "relevance_mass": scores.mass(map_BTSS, distance_BTSS),
        "relevance_rank": scores.rank(map_BTSS, distance_BTSS),
        "temporal_profile": scores.temporal(map_BTSS, uv_BTx2),
    }


def placed(seen, distance_BTSS) -> dict:
    """A map's true resolution, and the scores of the best map with these cells: each holds its share of the object."""
    cells, shape = seen.cells_BTHW.shape[1:], distance_BTSS.shape[1:]
    weights = [torch.from_numpy(between(*one)).float() for one in zip(seen.axes, cells, shape, strict=True)]
    inside = torch.from_numpy((distance_BTSS <= 0).astype(np.float32))
    ideal = Map(torch.einsum("bxyz,xt,yh,zw->bthw", inside, *weights).numpy(), seen.axes).stretched(shape)
    best = {"ideal_pointing": scores.pointing(ideal, distance_BTSS), "ideal_mass": scores.mass(ideal, distance_BTSS)}
    return {"resolution": "x".join(str(n) for n in cells)} | best


def check(explained, clips, cfg) -> pd.DataFrame:
    """Rank correlations of maps with those of networks whose weights are random, or were taught permuted labels."""
    video_NCTHW, names, rows = asked.video(clips, device(explained)), cfg.attention_methods, []
    with torch.no_grad():
        target_N = explained(video_NCTHW).argmax(dim=1)
    fresh = [models.build(cfg.replace(seed=cfg.seed + FRESH + draw)) for draw in range(DRAWS)]
    others = {(level, 0): sanity.randomised(explained, fresh[0], level) for level in sanity.LEVELS}
    others |= {("all", draw): sanity.randomised(explained, fresh[draw], "all") for draw in range(1, DRAWS)}
    if "permuted" in cfg.controls:
        others["permuted", 0] = network(cfg.replace(control="permuted"))
    for start in range(0, len(clips), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        trained = sanity.all_maps(explained, video_NCTHW[part], target_N[part], names)
        for (against, draw), other in others.items():
            maps = sanity.all_maps(other, video_NCTHW[part], target_N[part], names)
            index = clips.table["index"][part]
            for name, seen in trained.items():
                row = {"method": name, "against": against, "draw": draw, "index": index}
                rows.append(pd.DataFrame(row | {"rank_correlation": sanity.likeness(seen, maps[name])}))
    return pd.concat(rows, ignore_index=True)


def board(scored, checked) -> pd.DataFrame:
    """The table (pandas): a row for each model, kind of clips and method; means over clips with 95 % intervals.

    The sanity columns are those of the plain clips, and stand in both rows of a method; with `all` weights random, the
    interval is one over random networks. `level`: share of clips whose map is the same everywhere; `sanity_n`,
    `temporal_n`: clips for which these scores say something.
    """
    rows = []
    for (model, kind, method), part in scored.groupby(["model", "clips", "method"], sort=False):
        row = {"model": model, "clips": kind, "method": method, "resolution": part["resolution"].iloc[0]}
        mine = checked[(checked["model"] == model) & (checked["method"] == method)]
        permuted = mine[mine["against"] == "permuted"]["rank_correlation"]
        for name, found in {**part[SCORES], "permuted_rank_correlation": permuted}.items():
            row[name] = found.mean()
            row[f"{name}_low"], row[f"{name}_high"] = scores.interval(found.to_numpy())
        row |= sanity.over_networks(mine[mine["against"] == "all"])
        row["temporal_n"] = int(part["temporal_profile"].notna().sum())
        rows.append(row | {name: part[name].mean() for name in PLAIN} | {"n": len(part)})
    return pd.DataFrame(rows)


def margins(scored) -> pd.DataFrame:
    """How much oftener each method points at the object than its hardest control, on the same clips with a decoy: mean
    difference with its interval, and p.

    The hardest is the one against which the interval's lower end is least. p: the largest over the controls, as a map
    has to beat all of them, corrected for the number of all maps of all networks (Holm).
    """
    rows, some = [], scored[scored["clips"] == "decoy"]
    for model, part in some.groupby("model", sort=False):
        wide = part.pivot(index="index", columns="method", values="pointing_game")
        names = [name for name in part["method"].unique() if name not in CONTROLS]
        ahead_NMC = wide[names].to_numpy()[:, :, None] - wide[list(CONTROLS)].to_numpy()[:, None]
        p_M = scores.sign_flip(ahead_NMC.reshape(len(wide), -1), FLIPS).reshape(len(names), -1).max(axis=1)
        for k, (name, p) in enumerate(zip(names, p_M, strict=True)):
            rows.append({"model": model, "method": name, **hardest(ahead_NMC[:, k]), "p": p})
    table = pd.DataFrame(rows)
    return table.assign(p=holm(table["p"].to_numpy(float)))


def hardest(ahead_NC) -> dict:
    """The control that a map is least ahead of, by the lower end of the interval; how far ahead."""
    ends = [scores.interval(ahead_N) for ahead_N in ahead_NC.T]
    k = min(range(len(CONTROLS)), key=lambda k: ends[k][0])
    return {"control": CONTROLS[k], "ahead": ahead_NC[:, k].mean(), "low": ends[k][0], "high": ends[k][1]}


def verdict(ahead, board) -> list[str]:
    """For each network: which methods beat every control on clips with a decoy and pass the sanity check; or that
    none does, with the one that came closest. `ahead`: what `margins` found."""
    return [sentence(model, part, board) for model, part in ahead.groupby("model", sort=False)]


def sentence(model, ahead, board) -> str:
    """What the table shows of one network."""
    mine = board[(board["model"] == model) & (board["clips"] == "decoy")].set_index("method")
    told = f"{model} names the motion of {mine['right'].iloc[0]:.2f} of the clips with a decoy. "
    beat = ahead[ahead["p"] < LEVEL]
    good = [name for name in beat["method"] if passes(mine.loc[name])]
    if good:
        return told + f"Ahead of every control and undone by random weights: {', '.join(good)}."
    best = (beat if len(beat) else ahead).set_index("method")["low"].idxmax()
    how = mine.loc[best]
    undone = "it survives random weights" if enough(how) else "too few maps are other than level to check it"
    return told + (
        f"No method shows that it looks at the object rather than at the decoy: {best} comes closest, points at the "
        f"object in {how['pointing_game']:.2f} of them (best control {mine['pointing_game'][list(CONTROLS)].max():.2f})"
        f" and is {f'ahead of every control, but {undone}' if len(beat) else 'not ahead of every control'} "
        f"(rank correlation {how['sanity_rank_correlation']:.2f})."
    )


def enough(row) -> bool:
    """Whether half of the clips checked have maps, with and without random weights, that can be compared."""
    return 2 * row["sanity_n"] >= min(row["n"], CHECKED)


def passes(row) -> bool:
    """Whether a row of the table shows a map that random weights undo."""
    return bool(row["sanity_rank_correlation_high"] < sanity.SIMILAR) and enough(row)


def save(cfg, scored, checked, table):
    """Write scores.csv, and the scores and rank correlations of every clip as Parquet, into the stage's folder.

    Times stand in scores.csv alone: the rest is the same bytes whenever it is computed again.
    """
    folder, mark = cfg.stage_dir("attention"), files.mark(cfg.stage_dir("attention"))
    files.write_parquet(folder / "clips.parquet", scored.drop(columns="ms_per_clip"))
    files.write_parquet(folder / "sanity.parquet", checked)
    files.write_csv(folder / "scores.csv", table.assign(mark=mark) if mark else table)
