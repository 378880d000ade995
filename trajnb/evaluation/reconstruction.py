"""Does a tokenizer's decoder give the clip back? Measured against the scene without noise, beside simple pictures.

Shapes:   N clips   T seen frames   S pixels a side
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

CLIPS = 400  # enough: the error of the mean is a few per cent of it
COLUMNS = ("picture", "mse", "share_of_mean_clip", "object_mse", "object_share_of_mean_clip")


class Pictures(NamedTuple):
    """Clips (N, T, S, S) in [0, 1]: as seen, without noise, decoded from codes alone; and the codes' use (K,)."""

    seen: np.ndarray
    clean: np.ndarray
    decoded: np.ndarray
    code_use_K: np.ndarray


@torch.inference_mode()
def pictures(net, clips, batch=100) -> Pictures:
    """What the extractor of `net` makes of the first clips of a set: tokenized to code numbers, decoded from them.

    A tokenizer that works on standardised clips gets mean and deviation of each clip back, two numbers of its own.
    """
    tokenizer, rows = net.eval().extractor, np.arange(min(CLIPS, len(clips)))
    device = next(net.parameters()).device
    quiet = type(clips)(clips.cfg, clips.seed, clips.table.iloc[rows].assign(noise=0.0))
    video_N1TSS = clips.batch(rows).video.float() / 255
    decoded, use_K = [], np.zeros(len(tokenizer.quantiser.codebook_KD), int)
    for part_B1TSS in video_N1TSS.to(device).split(batch):
        use_K += np.bincount(tokenizer.tokenize(part_B1TSS).flatten().cpu().numpy(), minlength=len(use_K))
        decoded.append(tokenizer.reconstruct(part_B1TSS)[:, 0].cpu())
    clean_NTSS = quiet.render(rows).astype(np.float32) / 255
    return Pictures(video_N1TSS[:, 0].numpy(), clean_NTSS, torch.cat(decoded).numpy(), use_K)


def table(pictures: Pictures) -> pd.DataFrame:
    """Mean squared error of four pictures against the noise-free scene, all pixels and the object's (COLUMNS).

    The mean clip has each clip's mean grey everywhere: an empty clip of the right brightness. The still clip is the
    mean over time at every place. The object's pixels are those above the middle between darkest and brightest.
    """
    clean, empty = pictures.clean, pictures.clean.mean(axis=(1, 2, 3), keepdims=True) + 0 * pictures.clean
    still = pictures.seen.mean(axis=1, keepdims=True) + 0 * clean
    low, high = clean.min(axis=(1, 2, 3), keepdims=True), clean.max(axis=(1, 2, 3), keepdims=True)
    on_object = clean > (low + high) / 2
    rows = {"mean clip": empty, "still clip": still, "decoded": pictures.decoded, "seen, with noise": pictures.seen}
    errors = {name: (picture - clean) ** 2 for name, picture in rows.items()}
    found = pd.DataFrame({"mse": {k: float(e.mean()) for k, e in errors.items()}})
    found["object_mse"] = {name: float(error[on_object].mean()) for name, error in errors.items()}
    for name in ("mse", "object_mse"):
        found[name.replace("mse", "share_of_mean_clip")] = found[name] / found.loc["mean clip", name]
    return found.rename_axis("picture").reset_index()[list(COLUMNS)]


def code_health(code_use_K) -> dict[str, float]:
    """Share of codes in use, and perplexity exp(entropy): how many codes it would take if all were used alike."""
    share_K = code_use_K / code_use_K.sum()
    entropy = -(share_K[share_K > 0] * np.log(share_K[share_K > 0])).sum()
    return {"codes": len(share_K), "used_share": float((share_K > 0).mean()), "perplexity": float(np.exp(entropy))}
