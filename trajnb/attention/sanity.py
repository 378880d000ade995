"""Whether a map depends on what the network has learned: weights are made random from the logits down, and maps of
another network, or of none, must not look the same.

Source:   Sanity Checks for Saliency Maps, section 3, https://arxiv.org/abs/1810.03292.

Shapes:   B clips
"""

import copy

import numpy as np
import torch
from scipy import stats
from torch import nn

from trajnb.attention.maps import Map, methods
from trajnb.attention.scores import rank_correlation
from trajnb.attention.stages import Explained, device

LEVELS = ("logits", "head", "upper half", "all")  # what is random at each step: all that came before is, too
SIMILAR = 0.3  # a mean rank correlation from here up is no weak one: the map has survived


def likeness(one: Map, other: Map) -> np.ndarray:
    """Rank correlation (B,) of two maps, cell by cell; NaN where one of them is level: that is no sign of learning."""
    flat = (x.cells_BTHW.reshape(len(x.cells_BTHW), -1) for x in (one, other))
    return rank_correlation(*flat)


def over_networks(checked) -> dict:
    """Mean rank correlation with its 95 % interval over random networks (Student's t), and clips that say something.

    checked: rows of one method for each clip and draw of a network. The clips of one network share its luck: an
    interval over clips would be a tenth of this one and tell of that network alone.
    """
    mean_K = checked.groupby("draw")["rank_correlation"].mean().dropna()
    low, high = stats.t.interval(0.95, len(mean_K) - 1, mean_K.mean(), mean_K.sem())  # NaN from fewer than two
    known = checked.dropna(subset="rank_correlation")["index"].nunique()
    found = {"": mean_K.mean(), "_low": low, "_high": high}
    return {f"sanity_rank_correlation{end}": value for end, value in found.items()} | {"sanity_n": known}


def all_maps(explained, video_BCTHW, target_B, names) -> dict[str, Map]:
    """Every map of the methods named `names`."""
    found = {}
    for method in methods(explained, names).values():
        found |= method(explained, video_BCTHW, target_B)
    return found


def randomised(explained: Explained, fresh: nn.Module, level: str) -> Explained:
    """A copy whose weights down to `level` are those of `fresh`."""
    net, first = copy.deepcopy(explained.net), fresh.state_dict()
    weights = net.state_dict()
    names = taken(explained, level, weights)
    net.load_state_dict({name: first[name] if name in names else weight for name, weight in weights.items()})
    return Explained(net, explained.clip_shape)


def taken(explained, level, weights) -> set[str]:
    """Names of the weights that are random at `level`."""
    head = {name for name in weights if name.startswith("head.")}
    if level == "logits":
        return {name for name in head if name.startswith("head.to_class.")}
    if level == "all":
        return set(weights)
    upper = tuple(f"{name}." for name in upper_half(explained)) if level == "upper half" else ()
    return head | {name for name in weights if name.startswith(upper)} if upper else head


def upper_half(explained) -> list[str]:
    """Names of the extractor's modules with weights that come last in a forward pass, half of them."""
    called = []
    leaves = {f"extractor.{name}": part for name, part in explained.net.extractor.named_modules() if own(part)}
    hooks = [part.register_forward_hook(lambda *_, name=name: called.append(name)) for name, part in leaves.items()]
    with torch.no_grad():
        explained.net.extractor(torch.zeros(1, 1, *explained.clip_shape, device=device(explained)))
    for hook in hooks:
        hook.remove()
    return called[len(called) // 2 :]


def own(module: nn.Module) -> bool:
    """Whether a module has weights of its own and is called: no container."""
    return not list(module.children()) and bool(list(module.parameters(recurse=False)))
