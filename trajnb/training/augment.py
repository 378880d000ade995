"""Clip and target moved together: left-right mirror, whole-pixel shift, contrast."""

import numpy as np
import torch


def augment(video_BCTHW, track_BFx3, cfg, rng: np.random.Generator):
    """uint8 clips and tracks (u, v in frame widths, z) -> float32 clips in [0, 1] and tracks, on the clips' device.

    cfg.mirror: half of the clips left-right; cfg.shift_px: up to so many pixels each way, the rim repeated outwards;
    cfg.contrast: range stretched about the clip's mean by up to this share. All draws come from `rng`.
    """
    B, *_, size = video_BCTHW.shape
    # Never a vertical flip or a rotation: gravity has a direction, and a parabola upside down is none of our motions.
    mirror_B = rng.random(B) < 0.5 * cfg.mirror
    shift_Bx2 = rng.integers(-cfg.shift_px, cfg.shift_px + 1, (B, 2))
    factor_B = rng.uniform(1 - cfg.contrast, 1 + cfg.contrast, B).astype(np.float32)

    video_BCTHW = as_float(take(video_BCTHW, mirror_B, shift_Bx2))
    return stretch(video_BCTHW, torch.from_numpy(factor_B)), move(track_BFx3, size, mirror_B, shift_Bx2)


def as_float(video_BCTHW):
    """uint8 -> float32 in [0, 1]."""
    return video_BCTHW.float().div_(255)  # the smallest step is 1/255, so no subnormal number slows a CPU down


def take(video_BCTHW, mirror_B, shift_Bx2):
    """The clips mirrored first, then shifted by (right, down) pixels."""
    size = video_BCTHW.shape[-1]
    old_Bx2xL = np.clip(np.arange(size) - shift_Bx2[:, :, None], 0, size - 1)  # clipping repeats the rim outwards
    column_BW, row_BH = np.where(mirror_B[:, None], size - 1 - old_Bx2xL[:, 0], old_Bx2xL[:, 0]), old_Bx2xL[:, 1]
    column, row = (torch.from_numpy(index).to(video_BCTHW.device) for index in (column_BW, row_BH))
    # Two gathers, columns then rows, are three times as fast as indexing with both.
    wide = video_BCTHW.gather(-1, column[:, None, None, None, :].expand(video_BCTHW.shape))
    return wide.gather(-2, row[:, None, None, :, None].expand(video_BCTHW.shape))


def stretch(video_BCTHW, factor_B):
    """Contrast about each clip's mean, kept in [0, 1]."""
    factor = factor_B.to(video_BCTHW.device)[:, None, None, None, None]
    mean = video_BCTHW.mean((1, 2, 3, 4), keepdim=True)
    # In place: a batch of clips is the largest array of a step.
    return video_BCTHW.sub_(mean).mul_(factor).add_(mean).clamp_(0, 1)


def move(track_BFx3, size: int, mirror_B, shift_Bx2):
    """The track of the moved clip: u -> 1 - u where mirrored, then by whole pixels; depth stays."""
    shift_Bx2 = (shift_Bx2 / size).astype(np.float32)
    mirror_B1, shift_B1x2 = (torch.from_numpy(x)[:, None].to(track_BFx3.device) for x in (mirror_B, shift_Bx2))
    u_BF, v_BF, z_BF = track_BFx3.unbind(-1)
    u_BF = torch.where(mirror_B1, 1 - u_BF, u_BF)
    return torch.stack([u_BF + shift_B1x2[..., 0], v_BF + shift_B1x2[..., 1], z_BF], dim=-1)
