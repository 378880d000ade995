"""Where and when a cell of a grid is, in numbers that tell neighbours apart and keep them close.

Source:   sine-cosine positions, Attention Is All You Need, section 3.5, https://arxiv.org/abs/1706.03762; here of three
          axes, a third of the width each.

Shapes:   S = steps x rows x columns cells
"""

import math

import torch
from einops import rearrange
from torch import Tensor


def sine_cosine(steps: int, rows: int, columns: int, width: int, device=None) -> Tensor:
    """Code (S, width) of the centres of a grid's cells, each axis in [0, 1]; what 6 does not divide stays zero.

    Wavelengths run from 4 clip lengths to 1/8, so that coarse and fine grids of the same clip get codes that agree.
    """
    cycles = torch.logspace(math.log2(0.25), math.log2(8.0), width // 6, base=2, device=device)
    axes = [(torch.arange(n, device=device) + 0.5) / n for n in (steps, rows, columns)]
    place_S3 = torch.cartesian_prod(*axes)
    angle_SA = rearrange(2 * math.pi * place_S3[:, :, None] * cycles, "s three c -> s (three c)")
    code_SD = torch.cat([angle_SA.sin(), angle_SA.cos()], dim=1)
    return torch.nn.functional.pad(code_SD, (0, width - code_SD.shape[1]))
