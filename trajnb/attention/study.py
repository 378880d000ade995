"""The score table: every map of every network beside control maps, on plain clips and on clips with a decoy.

In it the parameter-randomisation test: does a map depend on what the network has learned? A map that is hardly another
one in networks with random weights fails.

Sources:  pointing game, https://arxiv.org/abs/1608.00507; relevance mass, https://arxiv.org/abs/2003.07258;
          parameter randomisation, section 3 of https://arxiv.org/abs/1810.03292.

Shapes:   N clips (B of a batch)   T frames   S pixels a side   C control maps   D cells of a map   K random networks
"""

import copy

import numpy as np
import pandas as pd
from scipy import stats

from trajnb import models
from trajnb.attention import maps
from trajnb.attention.clips import clip_pairs, distance_px
from trajnb.attention.layers import Explained, load_explained
from trajnb.attention.maps import CONTROLS, Map
from trajnb.evaluation.statistics import holm, interval
from trajnb.progress import progress

BATCH = 32  # clips whose maps are in memory together
TOLERANCE_PX = 3.0  # from the disc's edge: that near, a map points at the object
SUM_ERROR = 1e-3  # of a sum over clips in single precision: differences below it count as equal
NOISE = 1e-6  # of a map's range: differences from the maximum below it count as equal
FLIPS = 49_999  # random signs of a test
INTERVALS = ["pointing_game", "relevance_mass"]
SIMILAR = 0.3  # a mean rank correlation from here up is not weak: the map fails
RANDOM_SEED, DRAWS = 1_000_003, 5  # added to the seed of a random network; how many random networks there are
RANDOM_CLIPS = 32  # clips of the randomisation test: each costs all maps once more for every random network


def study(cfg, test) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(scores of every map of every clip, rank correlations with maps of random networks) of each first run."""
    pairs, scored, correlations = clip_pairs(test, cfg.attention_clips), [], []
    with progress(len(cfg.models), "attention", "network") as bar:
        for model in cfg.models:
            one = cfg.replace(model=model)
            explained = load_explained(one)
            scored += [score(explained, clips, kind).assign(model=model) for kind, clips in pairs.items()]
            some = pairs["plain"].spread(RANDOM_CLIPS)
            correlations.append(randomisation(explained, some, one).assign(model=model))
            bar.update()
    return pd.concat(scored, ignore_index=True), pd.concat(correlations, ignore_index=True)


def score(explained, clips, kind) -> pd.DataFrame:
    """Scores of all maps and control maps of clips of one kind, a row for each clip and map."""
    tables = []
    for start in range(0, len(clips), BATCH):
        part = clips.take(slice(start, start + BATCH))
        (video_BCTSS, target_B), distance_BTSS = explained.predict(part), distance_px(part)
        about = {"clips": kind, **part.table[["index", "motion"]], "correct": target_B.cpu().numpy() == part.label_N}
        found = maps.all_maps(explained, video_BCTSS, target_B)
        for name, one in (found | maps.controls(video_BCTSS, about["index"])).items():
            row = about | {"method": name, "resolution": "x".join(str(n) for n in one.cells_BTHW.shape[1:])}
            row["constant"] = np.ptp(one.cells_BTHW, axis=(1, 2, 3)) == 0
            map_BTSS = one.upsampled(distance_BTSS.shape[1:])
            row["pointing_game"] = pointing_game(map_BTSS, distance_BTSS)
            row["relevance_mass"] = relevance_mass(map_BTSS, distance_BTSS)
            tables.append(pd.DataFrame(row))
    return pd.concat(tables, ignore_index=True)


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


def randomisation(explained, clips, cfg) -> pd.DataFrame:
    """Rank correlations of maps with those of DRAWS random networks, a row for each clip."""
    (video_NCTSS, target_N), tables = explained.predict(clips), []
    random = [randomised(explained, cfg.replace(seed=cfg.seed + RANDOM_SEED + draw)) for draw in range(DRAWS)]
    for start in range(0, len(clips), BATCH):
        part = slice(start, start + BATCH)
        trained = maps.all_maps(explained, video_NCTSS[part], target_N[part])
        for draw, other in enumerate(random):
            found = maps.all_maps(other, video_NCTSS[part], target_N[part])
            for name, one in trained.items():
                row = {"method": name, "draw": draw, "index": clips.table["index"][part]}
                tables.append(pd.DataFrame(row | {"rank_correlation": rank_correlation(one, found[name])}))
    return pd.concat(tables, ignore_index=True)


def randomised(explained: Explained, cfg) -> Explained:
    """A copy with the weights that cfg's network has before training."""
    net = copy.deepcopy(explained.net)
    net.load_state_dict(models.build(cfg).state_dict())
    return Explained(net, explained.clip_shape)


def rank_correlation(one: Map, other: Map) -> np.ndarray:
    """Spearman's correlation (B,) of two maps, cell by cell; NaN where one is constant, no sign of learning."""
    flat = (x.cells_BTHW.reshape(len(x.cells_BTHW), -1) for x in (one, other))
    ranks = [stats.rankdata(x_BD, axis=1) - (x_BD.shape[1] + 1) / 2 for x_BD in flat]
    with np.errstate(invalid="ignore"):
        return (ranks[0] * ranks[1]).sum(axis=1) / np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))


def over_networks(correlations) -> dict:
    """Mean rank correlation of one method's rows, its 95 % interval, and the clips that have one. Student's t over
    networks: the clips of one are not independent, an interval over them would hold for it alone."""
    mean_K = correlations.groupby("draw")["rank_correlation"].mean().dropna()
    low, high = stats.t.interval(0.95, len(mean_K) - 1, mean_K.mean(), mean_K.sem())  # NaN from fewer than two
    columns = {"": mean_K.mean(), "_low": low, "_high": high}
    clips = correlations.dropna(subset="rank_correlation")["index"].nunique()
    return {f"sanity_rank_correlation{end}": value for end, value in columns.items()} | {"sanity_clips": clips}


def passes(row) -> bool:
    """Whether the map of a row of the score table changes with random weights, shown in half of the clips or more."""
    known = 2 * row["sanity_clips"] >= min(row["n"], RANDOM_CLIPS)
    return bool(row["sanity_rank_correlation_high"] < SIMILAR and known)


def table(scored, correlations) -> pd.DataFrame:
    """The score table: a row for each model, kind of clips and method; means over clips with 95 % intervals. Sanity
    columns are those of plain clips (`sanity_clips`: with a rank correlation), margins those of clips with a decoy."""
    rows = []
    for (model, kind, method), part in scored.groupby(["model", "clips", "method"], sort=False):
        row = {"model": model, "clips": kind, "method": method, "resolution": part["resolution"].iloc[0]}
        for name in INTERVALS:
            row |= interval(name, part[name].to_numpy())
        row |= over_networks(correlations[(correlations["model"] == model) & (correlations["method"] == method)])
        row |= {"constant_maps": part["constant"].mean(), "accuracy": part["correct"].mean(), "n": len(part)}
        rows.append(row | {"passes_randomisation": method not in CONTROLS and passes(row)})
    keys = ["model", "clips", "method"]
    return pd.DataFrame(rows).merge(margins(scored).assign(clips="decoy"), on=keys, how="left")


def margins(scored) -> pd.DataFrame:
    """How much more often each method points at the object than its hardest control map, the one that leaves the least
    lower end of the margin's interval, on the same decoy clips. p: the largest over the controls, as a map has to beat
    all of them, after Holm's correction for all maps of all networks."""
    rows, decoy = [], scored[scored["clips"] == "decoy"]
    for model, part in decoy.groupby("model", sort=False):
        wide = part.pivot(index="index", columns="method", values="pointing_game")
        for name in part.loc[~part["method"].isin(CONTROLS), "method"].unique():
            ahead_NC = wide[[name]].to_numpy() - wide[list(CONTROLS)].to_numpy()
            intervals = [interval("margin", ahead_N) for ahead_N in ahead_NC.T]
            hardest = int(np.argmin([one["margin_low"] for one in intervals]))
            row = {"model": model, "method": name, "hardest_control": CONTROLS[hardest]}
            rows.append(row | intervals[hardest] | {"p": sign_flip_p(ahead_NC, FLIPS).max()})
    found = pd.DataFrame(rows)
    return found.assign(p=holm(found["p"].to_numpy(float)))


def sign_flip_p(difference_NC, flips, seed=0):
    """p (C,) of each column's mean being above 0: how often random signs of the clips reach it (R. A. Fisher, The
    Design of Experiments, 1935, section 21), doubled, so that 0.05 means what a 95 % interval means, at most 1."""
    coin = np.random.default_rng(seed).integers(2, size=(flips, len(difference_NC)), dtype=np.int8)
    sign = 2 * coin.astype(np.float32) - 1
    reached = sign @ difference_NC.astype(np.float32) >= difference_NC.sum(axis=0) - SUM_ERROR
    return np.minimum(2 * (1 + reached.sum(axis=0)) / (1 + flips), 1)


def maps_of(explained, clips, name) -> np.ndarray:
    """The map `name` (N, T, S, S) of clips for the predicted classes, at the clips' resolution."""
    video_NCTSS, target_N = explained.predict(clips)
    return maps.all_maps(explained, video_NCTSS, target_N)[name].upsampled(video_NCTSS.shape[2:])
