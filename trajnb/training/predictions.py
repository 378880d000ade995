"""What a network predicts for every clip of a set, and how good that is on the validation clips."""

import numpy as np
import torch
from torch.nn import functional as F

from trajnb.training.losses import as_target, position_nll

BATCH = 50  # clips at once; larger batches leave the cache of two cores: I3D 463 clips/s at 200, 666 at 50
GPU_PIXELS = 500 * 16 * 64**2  # smaller batches would keep a GPU waiting for the host


@torch.inference_mode()
def predict(net, clips, cfg) -> dict[str, np.ndarray]:
    """Class logits (N, K), and mean and log-variance (N, H, 3) of the future positions, in the set's order.

    Positions are (u, v, log z) in frame widths and log metres. The net is left in eval mode and computes where it is
    and in its own arithmetic, net.precision, whatever cfg says.
    """
    net.eval()  # running averages instead of the batch's: a prediction depends on its clip alone
    device = next(net.parameters()).device
    # Collected on the device: fetching each would make a GPU wait.
    outputs, batch = [], BATCH if device.type == "cpu" else max(1, GPU_PIXELS // (cfg.frames * cfg.size**2))
    for start in range(0, len(clips), batch):
        video_BCTHW = clips.batch(np.arange(start, min(start + batch, len(clips)))).video.to(device)
        output, _ = net(video_BCTHW.float() / 255)
        outputs.append((output.logits_BK, output.future_BFx6))
    logits_NK, future_NHx6 = (torch.cat(part).cpu().numpy() for part in zip(*outputs, strict=True))
    return {"logits_NK": logits_NK, "mean_NHx3": future_NHx6[..., :3], "logvar_NHx3": future_NHx6[..., 3:]}


def validate(net, val_set, cfg) -> dict[str, float]:
    """Loss (class NLL + position NLL, nats), top-1 accuracy, ADE in pixels."""
    logits_NK, mean_NHx3, logvar_NHx3 = map(torch.from_numpy, predict(net, val_set, cfg).values())
    label_N, track_NFx3 = torch.from_numpy(val_set.label_N), torch.from_numpy(val_set.track_NFx3)
    target_NHx3 = as_target(track_NFx3)[:, cfg.frames :]
    # No auxiliary terms and no beta: the loss of one architecture has to compare with that of another.
    position = position_nll(torch.cat([mean_NHx3, logvar_NHx3], dim=-1), target_NHx3).mean()
    return {
        "val_loss": (F.cross_entropy(logits_NK, label_N) + position).item(),
        "val_top1": (logits_NK.argmax(1) == label_N).float().mean().item(),
        "val_ade_px": (mean_NHx3 - target_NHx3)[..., :2].norm(dim=-1).mean().item() * cfg.size,
    }
