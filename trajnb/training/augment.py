"""Clip and target moved together: left-right mirror, whole-pixel shift, contrast."""

import numpy as np
import torch


def draw(cfg, rng: np.random.Generator, clips: int) -> tuple[torch.Tensor, ...]:
    """What a step draws for its clips: mirror (B,) bool, shift (B, 2) int64 in pixels right and down, contrast (B,).

    cfg.mirror: half of the clips; cfg.shift_px: at most so far each way; cfg.contrast: at most this share.
    """
    mirror_B = rng.random(clips) < 0.5 * cfg.mirror
    shift_Bx2 = rng.integers(-cfg.shift_px, cfg.shift_px + 1, (clips, 2))
    factor_B = rng.uniform(1 - cfg.contrast, 1 + cfg.contrast, clips).astype(np.float32)
    # NumPy's numbers, not the device's: a GPU trains on the same clips as a CPU.
    return torch.from_numpy(mirror_B), torch.from_numpy(shift_Bx2), torch.from_numpy(factor_B)


def augment(video_BCTHW, track_BFx3, draws):
    """uint8 clips and tracks (u, v in frame widths, z) -> float32 clips in [0, 1] and tracks; all on one device.

    Mirrored left-right, then shifted with the rim repeated outwards, the range stretched about the clip's mean.
    """
    # Never a vertical flip or a rotation: gravity has a direction, and a parabola upside down is none of our motions.
    (mirror_B, shift_Bx2, factor_B), size = draws, video_BCTHW.shape[-1]
    pixel_L = torch.arange(size, device=video_BCTHW.device)
    column_BW, row_BH = (pixel_L - shift_Bx2[:, :, None]).clamp(0, size - 1).unbind(1)  # repeats the rim outwards
    column_BW = torch.where(mirror_B[:, None], size - 1 - column_BW, column_BW)
    # Two gathers, columns then rows, are three times as fast as indexing with both.
    moved_BCTHW = video_BCTHW.gather(-1, column_BW[:, None, None, None, :].expand(video_BCTHW.shape))
    moved_BCTHW = moved_BCTHW.gather(-2, row_BH[:, None, None, :, None].expand(video_BCTHW.shape))
    # In place: a batch of clips is the largest array of a step.
    moved_BCTHW = moved_BCTHW.float().div_(255)  # the smallest step is 1/255, so no subnormal number slows a CPU down
    mean = moved_BCTHW.mean((1, 2, 3, 4), keepdim=True)
    moved_BCTHW.sub_(mean).mul_(factor_B[:, None, None, None, None]).add_(mean).clamp_(0, 1)
    u_BF, v_BF, z_BF = track_BFx3.unbind(-1)
    u_BF = torch.where(mirror_B[:, None], 1 - u_BF, u_BF)
    right_B1, down_B1 = (shift_Bx2 / size)[:, :, None].unbind(1)
    return moved_BCTHW, torch.stack([u_BF + right_B1, v_BF + down_B1, z_BF], dim=-1)
