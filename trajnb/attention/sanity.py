"""The parameter-randomisation test: does a map depend on what the network has learned? A map that is hardly another one
in networks with random weights fails.

Source:   Sanity Checks for Saliency Maps, section 3, https://arxiv.org/abs/1810.03292.

Shapes:   B clips of a batch   N clips
"""

import copy

import numpy as np
import pandas as pd
from scipy import stats

from trajnb import models
from trajnb.attention.clips import video
from trajnb.attention.layers import Explained, device
from trajnb.attention.maps import Map, all_maps

SIMILAR = 0.3  # a mean rank correlation from here up is not weak: the map fails
SEED, DRAWS = 1_000_003, 5  # added to the seed of a random network; how many random networks there are
CLIPS = 64  # clips of the test: each costs all maps once more for every random network
BATCH = 32  # clips whose maps are in memory together


def randomisation(explained, clips, cfg) -> pd.DataFrame:
    """Rank correlations of maps with those of DRAWS random networks, a row for each clip."""
    video_NCTHW, names, rows = video(clips, device(explained)), cfg.attention_methods, []
    target_N = explained.predicted(video_NCTHW)
    random = [randomised(explained, cfg.replace(seed=cfg.seed + SEED + draw)) for draw in range(DRAWS)]
    for start in range(0, len(clips), BATCH):
        part = slice(start, start + BATCH)
        trained = all_maps(explained, video_NCTHW[part], target_N[part], names)
        for draw, other in enumerate(random):
            found = all_maps(other, video_NCTHW[part], target_N[part], names)
            for name, one in trained.items():
                row = {"method": name, "draw": draw, "index": clips.table["index"][part]}
                rows.append(pd.DataFrame(row | {"rank_correlation": rank_correlation(one, found[name])}))
    return pd.concat(rows, ignore_index=True)


def rank_correlation(one: Map, other: Map) -> np.ndarray:
    """Spearman's correlation (B,) of two maps, cell by cell; NaN where one is constant, no sign of learning."""
    flat = (x.cells_BTHW.reshape(len(x.cells_BTHW), -1) for x in (one, other))
    ranks = [stats.rankdata(x_BD, axis=1) - (x_BD.shape[1] + 1) / 2 for x_BD in flat]
    with np.errstate(invalid="ignore"):
        return (ranks[0] * ranks[1]).sum(axis=1) / np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))


def over_networks(correlations) -> dict:
    """Mean rank correlation of one method's rows, its 95 % interval, and the clips that have one.

    Student's t over networks: the clips of one are not independent, an interval over them would hold for it alone.
    """
    mean_K = correlations.groupby("draw")["rank_correlation"].mean().dropna()
    low, high = stats.t.interval(0.95, len(mean_K) - 1, mean_K.mean(), mean_K.sem())  # NaN from fewer than two
    columns = {"": mean_K.mean(), "_low": low, "_high": high}
    clips = correlations.dropna(subset="rank_correlation")["index"].nunique()
    return {f"sanity_rank_correlation{end}": value for end, value in columns.items()} | {"sanity_clips": clips}


def passes(row) -> bool:
    """Whether the map of a row of the score table changes with random weights, shown in half of the clips or more."""
    return bool(row["sanity_rank_correlation_high"] < SIMILAR and 2 * row["sanity_clips"] >= min(row["n"], CLIPS))


def randomised(explained: Explained, cfg) -> Explained:
    """A copy with the weights that cfg's network has before training."""
    net = copy.deepcopy(explained.net)
    net.load_state_dict(models.build(cfg).state_dict())
    return Explained(net, explained.clip_shape)
