"""Which clips are shown, by rule, and their maps.

Shapes:   N clips   T frames   S pixels a side
"""

from typing import get_args

import numpy as np
import torch

from trajnb.attention import clips as asked
from trajnb.attention import sanity
from trajnb.attention.maps import head, methods
from trajnb.attention.stages import device
from trajnb.attention.table import CONTROLS, passes
from trajnb.config import Attention

PROBED = 600  # clips that probes learn from, and as many that they are asked about


def first(scored, clips, cfg, right, kind="plain") -> dict:
    """{(model, motion): row of `clips`, or None}: the first of each class that a network names right (or wrong)."""
    found, numbers = {}, clips.table["index"].tolist()
    for model in cfg.models:
        mine = scored[(scored["model"] == model) & (scored["clips"] == kind) & (scored["right"] == right)]
        for motion in cfg.motions:
            index = mine[mine["motion"] == motion]["index"]
            found[model, motion] = numbers.index(index.iloc[0]) if len(index) else None
    return found


def own_method(board, model) -> str:
    """A network's map with the highest pointing score with a decoy, among those that pass the sanity check if any do.

    Maps of the futures' queries are left out: they are not about the class.
    """
    mine = board[(board["model"] == model) & (board["clips"] == "decoy") & ~board["method"].isin(CONTROLS)]
    mine = mine[~mine["method"].str.contains("future")].set_index("method")
    passed = mine[[passes(row) for _, row in mine.iterrows()]]
    return (passed if len(passed) else mine)["pointing_game"].idxmax()


def one(explained, clips, row, name) -> np.ndarray:
    """The map `name` (T, S, S) of one clip, for the class that the network names."""
    return several(explained, clips.take([row]), name)[0]


def several(explained, clips, name) -> np.ndarray:
    """The map `name` (N, T, S, S) of clips, for the classes that the network names."""
    video_NCTHW = asked.video(clips, device(explained))
    with torch.no_grad():
        target_N = explained(video_NCTHW).argmax(dim=1)
    kind = kind_of(name)
    found = methods(explained, [kind])[kind](explained, video_NCTHW, target_N)
    return found[name].stretched(video_NCTHW.shape[2:])


def queries(explained, clips, row) -> dict:
    """{query: map (T, S, S)} of one clip for every query of the head: the class, then the future frames."""
    video_1CTHW = asked.video(clips.take([row]), device(explained))
    found = head(explained, video_1CTHW, None)
    return {name: one.stretched(video_1CTHW.shape[2:])[0] for name, one in found.items()}


def kind_of(name) -> str:
    """The kind in cfg.attention_methods that makes the map `name`."""
    if name.endswith(("_time", "_space")):
        return "attention_parts"
    return next(kind for kind in get_args(Attention) if name.startswith(kind))


def names(explained, clips, cfg) -> list[str]:
    """Names of all maps that a network has."""
    video_1CTHW = asked.video(clips.take([0]), device(explained))
    target_1 = torch.zeros(1, dtype=torch.long, device=video_1CTHW.device)
    return list(sanity.all_maps(explained, video_1CTHW, target_1, cfg.attention_methods))


def maps(networks, clips, chosen, names) -> dict:
    """{(model, motion): (T, S, S)} of the chosen rows, each network's map as `names` {model: map} has it."""
    found = {key: row for key, row in chosen.items() if row is not None}
    return {(model, motion): one(networks[model], clips, row, names[model]) for (model, motion), row in found.items()}


def profiles(networks, clips, name):
    """Means over clips: {motion: acceleration (T,) in px a frame squared}, {model: {motion: share (T,) of a map}}."""
    uv_NTx2 = asked.object_px(clips)[0]
    size_NT = np.full(uv_NTx2.shape[:2], np.nan)
    size_NT[:, 1:-1] = np.linalg.norm(np.diff(uv_NTx2, n=2, axis=1), axis=2)
    of_class = {motion: clips.label_N == k for k, motion in enumerate(clips.cfg.motions)}
    acceleration, shares = {motion: size_NT[rows].mean(axis=0) for motion, rows in of_class.items()}, {}
    for model, explained in networks.items():
        sum_NT = several(explained, clips, name).sum(axis=(2, 3))
        share_NT = sum_NT / np.maximum(sum_NT.sum(axis=1, keepdims=True), 1e-30)
        shares[model] = {motion: share_NT[rows].mean(axis=0) for motion, rows in of_class.items()}
    return acceleration, shares
