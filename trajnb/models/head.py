"""The head all four extractors share: learned queries pool the grid, so that a difference in score is one in features.

Source:   attention pooling as in Set Transformer, section 3.2, https://arxiv.org/abs/1810.00825.

    grid --> linear --> norm --> + where and when --> keys, values --.
    queries: class, one per future frame ----------------------------+--> [ pool -> MLP ] x depth --> logits, futures
             in training also one per observed frame ----------------'                            --> observed positions

Shapes:   B clips   T, H, W grid   S = T x H x W cells   D width   Q queries   K classes   F future frames
"""

import functools
import math
from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn.functional import softplus

from trajnb.models.arithmetic import in_float32
from trajnb.models.attention import Attend, sine_cosine, start

# Positions are predicted in standard units, (u - 0.5) / 0.25, (v - 0.5) / 0.25, (log z - log 3) / 0.25, which are of
# order 1 for an object 2 to 4 m away; outside the head everything is in frame widths and log metres.
CENTRE = (0.5, 0.5, math.log(3.0))
SCALE = 0.25
LOG_VARIANCE_FLOOR = -8.0  # standard units: no deviation below exp(-4) x 0.25 x 64 px = 0.29 px


class Output(NamedTuple):
    """Logits; mean (first 3) and log-variance (last 3) of the future (u, v, log z): frame widths and log metres."""

    logits_BK: Tensor
    future_BFx6: Tensor
    observed_BTx3: Tensor | None  # (u, v, log z) of the observed frames; None outside training


class Pool(nn.Module):
    """Queries (B, Q, D) gather from the cells (B, S, D), each then by itself through an MLP; (B, Q, D) back."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.attend = Attend(width, heads)
        self.proj = nn.Linear(width, width)
        layers = [nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)]
        self.mlp = nn.Sequential(*layers)

    def forward(self, query_BQD, cell_BSD):
        # Queries never look at one another: leaving out the observed ones changes nothing in the others.
        key_BSD, value_BSD = self.key_value(cell_BSD).chunk(2, dim=-1)
        query_BQD = query_BQD + self.proj(self.attend(self.query(self.norm(query_BQD)), key_BSD, value_BSD))
        return query_BQD + self.mlp(query_BQD)


class Head(nn.Module):
    """Grid (B, T, H, W, features) -> Output, in float32 whatever the extractor's arithmetic.

    `frames` observed, `horizon` future frames, `classes` motions. Raises ValueError for a width that 6 does not divide.
    """

    def __init__(self, *, features, classes, frames, horizon, width: int = 96, depth: int = 2, heads: int = 6):
        super().__init__()
        if width % 6:
            raise ValueError(f"head width {width} is not a multiple of 6: sine and cosine of three axes share it")
        self.horizon = horizon
        # Normed: extractors differ in the scale of their features, and none should gain by it.
        self.into = nn.Sequential(nn.Linear(features, width), nn.LayerNorm(width))
        self.query_QD = nn.Parameter(torch.empty(1 + horizon, width))
        self.observed_query_TD = nn.Parameter(torch.empty(frames, width))
        # Twice: the second look depends on what the first has found.
        self.pools = nn.ModuleList(Pool(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.to_class = nn.Linear(width, classes)
        # A mean and a log-variance for each of u, v and log z.
        self.to_future = nn.Linear(width, 6)
        self.to_observed = nn.Linear(width, 3)
        start(self)
        # Small output maps: unsure at first, near 1 / K, near the middle of the frame.
        maps = [layer.weight for layer in (self.to_class, self.to_future, self.to_observed)]
        for weight in (*maps, self.query_QD, self.observed_query_TD):
            nn.init.trunc_normal_(weight, std=0.02)

    @in_float32
    def forward(self, grid_BTHWD) -> Output:
        B, T, H, W, _ = grid_BTHWD.shape
        cell_BSD = self.into(rearrange(grid_BTHWD, "b t h w d -> b (t h w) d"))
        cell_BSD = cell_BSD + sine_cosine(T, H, W, cell_BSD.shape[-1], cell_BSD.device)
        # The observed queries are a training signal only: the same for all extractors, and absent at inference.
        query_QD = torch.cat([self.query_QD, self.observed_query_TD]) if self.training else self.query_QD
        query_BQD = repeat(query_QD, "q d -> b q d", b=B)
        for pool in self.pools:
            query_BQD = pool(query_BQD, cell_BSD)
        class_B1D, future_BFD, observed_BTD = self.norm(query_BQD).tensor_split([1, 1 + self.horizon], dim=1)
        mean_BFx3, raw_BFx3 = self.to_future(future_BFD).chunk(2, dim=-1)
        # A smooth floor: a clamped variance would have no gradient to come back from below it.
        log_variance_BFx3 = LOG_VARIANCE_FLOOR + softplus(raw_BFx3 - LOG_VARIANCE_FLOOR)
        future_BFx6 = torch.cat([absolute(mean_BFx3), log_variance_BFx3 + 2 * math.log(SCALE)], dim=-1)
        observed_BTx3 = absolute(self.to_observed(observed_BTD)) if self.training else None
        return Output(self.to_class(class_B1D[:, 0]), future_BFx6, observed_BTx3)


def absolute(standard_x3):
    """Standard units -> (u, v, log z) in frame widths and log metres."""
    return standard_x3 * SCALE + centre(standard_x3.device, standard_x3.dtype)


def standard(position_x3):
    """(u, v, log z) in frame widths and log metres -> standard units."""
    return (position_x3 - centre(position_x3.device, position_x3.dtype)) / SCALE


@functools.cache
def centre(device, dtype):
    """CENTRE as a tensor, moved to a GPU once: a copy in every step would make the host wait."""
    with torch.inference_mode(False):  # a tensor made for inference could not be used in training
        return torch.tensor(CENTRE, device=device, dtype=dtype)
