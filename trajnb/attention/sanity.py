"""The parameter-randomisation test: does a map depend on what the network has learned? Weights become random from the
logits down; a map that hardly changes fails.

Source:   Sanity Checks for Saliency Maps, section 3, https://arxiv.org/abs/1810.03292.

Shapes:   B clips of a batch   N clips
"""

import copy

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn

from trajnb import models
from trajnb.attention.clips import video
from trajnb.attention.layers import Explained, device, load_explained, outputs
from trajnb.attention.maps import Map, all_maps
from trajnb.attention.scores import rank_correlation

RANDOMISED = ("logits", "head", "upper half", "all")  # what is random at each step, all earlier ones included
SIMILAR = 0.3  # a mean rank correlation from here up is not weak: the map fails
SEED, DRAWS = 1_000_003, 5  # added to the seed of a random network; how many random networks there are
CLIPS = 64  # clips of the test: each costs all maps once more for every random network
BATCH = 32  # clips whose maps are in memory together


def randomisation(explained, clips, cfg) -> pd.DataFrame:
    """Rank correlations of maps with those of random networks and of a `permuted` control, a row for each clip."""
    video_NCTHW, names, rows = video(clips, device(explained)), cfg.attention_methods, []
    target_N = explained.predicted(video_NCTHW)
    random = [models.build(cfg.replace(seed=cfg.seed + SEED + draw)) for draw in range(DRAWS)]
    others = {(part, 0): randomised(explained, random[0], part) for part in RANDOMISED}
    others |= {("all", draw): randomised(explained, random[draw], "all") for draw in range(1, DRAWS)}
    if "permuted" in cfg.controls:
        others["permuted", 0] = load_explained(cfg.replace(control="permuted"))
    for start in range(0, len(clips), BATCH):
        part = slice(start, start + BATCH)
        trained = all_maps(explained, video_NCTHW[part], target_N[part], names)
        for (against, draw), other in others.items():
            maps = all_maps(other, video_NCTHW[part], target_N[part], names)
            about = {"against": against, "draw": draw, "index": clips.table["index"][part]}
            for name, one in trained.items():
                row = {"method": name, **about, "rank_correlation": map_correlation(one, maps[name])}
                rows.append(pd.DataFrame(row))
    return pd.concat(rows, ignore_index=True)


def map_correlation(one: Map, other: Map) -> np.ndarray:
    """Rank correlation (B,) of two maps, cell by cell; NaN where one is constant, which is no sign of learning."""
    return rank_correlation(*(x.cells_BTHW.reshape(len(x.cells_BTHW), -1) for x in (one, other)))


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


def randomised(explained: Explained, random: nn.Module, part: str) -> Explained:
    """A copy with the weights of `random` in a part of the network, from the logits down (RANDOMISED)."""
    prefixes = {"logits": ("head.to_class.",), "head": ("head.",), "all": ("",)}
    prefixes["upper half"] = ("head.", *(f"{name}." for name in upper_half(explained)))
    net = copy.deepcopy(explained.net)
    weights = {name: x for name, x in random.state_dict().items() if name.startswith(prefixes[part])}
    net.load_state_dict(weights, strict=False)
    return Explained(net, explained.clip_shape)


def upper_half(explained) -> list[str]:
    """Names of the later half of the extractor's modules with weights, in the order of the forward pass."""
    modules = dict(explained.net.extractor.named_modules(prefix="extractor"))
    leaves = {k: m for k, m in modules.items() if not list(m.children()) and list(m.parameters(recurse=False))}
    with torch.no_grad(), outputs(leaves) as called:
        explained.net.extractor(torch.zeros(1, 1, *explained.clip_shape, device=device(explained)))
    return list(called)[len(called) // 2 :]
