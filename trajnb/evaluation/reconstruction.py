"""How well a tokenizer's decoder reconstructs a clip: measured against the scene without noise, beside simple pictures.

Shapes:   N clips   T observed frames   S pixels a side
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

CLIPS = 400  # enough: the error of the mean is a few per cent of it


class Pictures(NamedTuple):
    """Clips (N, T, S, S) in [0, 1] as observed, without noise, decoded from codes alone; counts of the codes (K,)."""

    observed: np.ndarray
    clean: np.ndarray
    decoded: np.ndarray
    code_use_K: np.ndarray


@torch.inference_mode()
def pictures(net, clips, batch=100) -> Pictures:
    """The first clips of a set, tokenized to code numbers by the extractor of `net` and decoded from them.

    A tokenizer that works on standardised clips gets mean and deviation of each clip back.
    """
    tokenizer, rows = net.eval().extractor, np.arange(min(CLIPS, len(clips)))
    noise_free = type(clips)(clips.cfg, clips.seed, clips.table.iloc[rows].assign(noise=0.0))
    video_N1TSS = clips.batch(rows).video.float() / 255
    decoded, use_K = [], np.zeros(len(tokenizer.quantiser.codebook_KD), int)
    for part_B1TSS in video_N1TSS.to(next(net.parameters()).device).split(batch):
        use_K += np.bincount(tokenizer.tokenize(part_B1TSS).flatten().cpu().numpy(), minlength=len(use_K))
        decoded.append(tokenizer.reconstruct(part_B1TSS)[:, 0].cpu())
    clean_NTSS = noise_free.render(rows).astype(np.float32) / 255
    return Pictures(video_N1TSS[:, 0].numpy(), clean_NTSS, torch.cat(decoded).numpy(), use_K)


def table(pictures: Pictures) -> pd.DataFrame:
    """Mean squared error of four pictures against the noise-free scene, of all pixels and the object's, and as a share.

    The mean clip has each clip's mean grey everywhere; the still clip is the mean over time at every place. The
    object's pixels are those above the middle between darkest and brightest.
    """
    clean, of_clip = pictures.clean, {"axis": (1, 2, 3), "keepdims": True}
    rows = {"mean clip": clean.mean(**of_clip), "still clip": pictures.observed.mean(axis=1, keepdims=True)}
    rows |= {"decoded": pictures.decoded, "observed, with noise": pictures.observed}
    on_object = clean > (clean.min(**of_clip) + clean.max(**of_clip)) / 2
    errors = {name: (picture - clean) ** 2 for name, picture in rows.items()}
    means = {name: (float(error.mean()), float(error[on_object].mean())) for name, error in errors.items()}
    found = pd.DataFrame(means, index=["mse", "object_mse"]).T.rename_axis("picture")
    shares = (found / found.loc["mean clip"]).set_axis(["share_of_mean_clip", "object_share_of_mean_clip"], axis=1)
    return pd.concat([found, shares], axis=1).reset_index()


def code_health(code_use_K) -> dict[str, float]:
    """Share of codes in use, and perplexity exp(entropy): how many codes it would take if all were used alike."""
    share_K = code_use_K / code_use_K.sum()
    entropy = -(share_K[share_K > 0] * np.log(share_K[share_K > 0])).sum()
    return {"codes": len(share_K), "used_share": float((share_K > 0).mean()), "perplexity": float(np.exp(entropy))}
