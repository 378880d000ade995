"""Clip and target moved together: left-right mirror, whole-pixel shift, contrast."""

from typing import NamedTuple

import numpy as np
import torch


class Draws(NamedTuple):
    """What a step draws at random for its clips; of a whole epoch with one axis more in front."""

    mirror_B: torch.Tensor  # bool
    shift_Bx2: torch.Tensor  # int64, pixels to the right and down
    factor_B: torch.Tensor  # float32, of the contrast


def draw(cfg, rng: np.random.Generator, clips: int) -> Draws:
    """cfg.mirror: half of the clips; cfg.shift_px: at most so far each way; cfg.contrast: at most this share."""
    mirror_B = rng.random(clips) < 0.5 * cfg.mirror
    shift_Bx2 = rng.integers(-cfg.shift_px, cfg.shift_px + 1, (clips, 2))
    factor_B = rng.uniform(1 - cfg.contrast, 1 + cfg.contrast, clips).astype(np.float32)
    # NumPy's numbers, not the device's: a GPU trains on the same clips as a CPU.
    return Draws(*(torch.from_numpy(drawn) for drawn in (mirror_B, shift_Bx2, factor_B)))


def augment(video_BCTHW, track_BFx3, draws: Draws):
    """uint8 clips and tracks (u, v in frame widths, z) -> float32 clips in [0, 1] and tracks; all on one device.

    Mirrored left-right, shifted with the rim repeated outwards, the range stretched about the clip's mean.
    """
    # Never a vertical flip or a rotation: gravity has a direction, and a parabola upside down is none of our motions.
    mirror_B, shift_Bx2, factor_B = draws
    moved_BCTHW = as_float(take(video_BCTHW, mirror_B, shift_Bx2))
    return stretch(moved_BCTHW, factor_B), move(track_BFx3, video_BCTHW.shape[-1], mirror_B, shift_Bx2)


def as_float(video_BCTHW):
    """uint8 -> float32 in [0, 1]."""
    return video_BCTHW.float().div_(255)  # the smallest step is 1/255, so no subnormal number slows a CPU down


def take(video_BCTHW, mirror_B, shift_Bx2):
    """The clips mirrored first, then shifted by (right, down) pixels."""
    size = video_BCTHW.shape[-1]
    pixel_L = torch.arange(size, device=video_BCTHW.device)
    column_BW, row_BH = (pixel_L - shift_Bx2[:, :, None]).clamp(0, size - 1).unbind(1)  # repeats the rim outwards
    column_BW = torch.where(mirror_B[:, None], size - 1 - column_BW, column_BW)
    # Two gathers, columns then rows, are three times as fast as indexing with both.
    wide = video_BCTHW.gather(-1, column_BW[:, None, None, None, :].expand(video_BCTHW.shape))
    return wide.gather(-2, row_BH[:, None, None, :, None].expand(video_BCTHW.shape))


def stretch(video_BCTHW, factor_B):
    """Contrast about each clip's mean, kept in [0, 1]."""
    mean = video_BCTHW.mean((1, 2, 3, 4), keepdim=True)
    # In place: a batch of clips is the largest array of a step.
    return video_BCTHW.sub_(mean).mul_(factor_B[:, None, None, None, None]).add_(mean).clamp_(0, 1)


def move(track_BFx3, size: int, mirror_B, shift_Bx2):
    """The track of the moved clip: u -> 1 - u where mirrored, then by whole pixels; depth stays."""
    shift_B1x2 = (shift_Bx2 / size)[:, None]
    u_BF, v_BF, z_BF = track_BFx3.unbind(-1)
    u_BF = torch.where(mirror_B[:, None], 1 - u_BF, u_BF)
    return torch.stack([u_BF + shift_B1x2[..., 0], v_BF + shift_B1x2[..., 1], z_BF], dim=-1)
