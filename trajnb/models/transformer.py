"""Transformer: TimeSformer's divided space-time attention over patches of a clip.

Source:   Is Space-Time Attention All You Need for Video Understanding?, section 3 (divided attention) and the authors'
          code, https://arxiv.org/abs/2102.05095. Preset `paper` is TimeSformer-B: 121,258,752 parameters.
Differs:  the tubelet length is a field (1 in the paper); the grid of patch features is returned, not the class token;
          no stochastic depth. nano and base, which no ImageNet weights precede (`from_scratch`): no class token;
          initialisation with deviation 1 / sqrt(inputs) instead of 0.02, the patch embedding included (theirs keeps a
          convolution's own); temporal_fc starts like the others instead of at zero, the tables of places and moments
          at a sine-cosine code; every clip standardised instead of by a mean of 0.45 and a deviation of 0.225.

    video --> tubelets --> linear --> + where --> + when
          --> [ attention over time -> temporal_fc -> attention over space -> MLP ] x depth --> norm --> grid

Shapes:   B clips   C channels   T tubelets in time (frames before)   P = H x W patches of one moment   D width
"""

import torch
from einops import rearrange, reduce, repeat
from torch import nn

from trajnb.models.attention import Attend, sine_cosine, start
from trajnb.models.patches import check_divides, standardise

PRESETS = {
    "nano": {"tubelet": (2, 8, 8), "width": 56, "depth": 3, "heads": 2, "mlp_ratio": 2},
    "base": {"tubelet": (1, 8, 8), "width": 256, "depth": 9, "heads": 8, "mlp_ratio": 4},
    "paper": {"frames": 8, "size": 224, "channels": 3, "from_scratch": False},
}


class SelfAttention(nn.Module):
    """Every token of a sequence (G, L, D) looks at all tokens of it; (G, L, D) back."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        # One product instead of three narrow ones, each of which would read all tokens again.
        self.qkv = nn.Linear(width, 3 * width)
        self.attend = Attend(width, heads)
        self.proj = nn.Linear(width, width)

    def forward(self, x_GLD):
        return self.proj(self.attend(*self.qkv(x_GLD).chunk(3, dim=-1)))


class Block(nn.Module):
    """Time, then space, then each token by itself; every part pre-normed and added to its input.

    forward(patches (B, T, P, D), class token (B, 1, D) or None) -> both, in the same shapes.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int):
        super().__init__()
        self.temporal_norm = nn.LayerNorm(width, eps=1e-6)
        self.temporal_attention = SelfAttention(width, heads)
        self.temporal_fc = nn.Linear(width, width)  # in the authors' code, not in the paper's equations
        self.spatial_norm = nn.LayerNorm(width, eps=1e-6)
        self.spatial_attention = SelfAttention(width, heads)
        wide = mlp_ratio * width
        layers = [nn.LayerNorm(width, eps=1e-6), nn.Linear(width, wide), nn.GELU(), nn.Linear(wide, width)]
        self.mlp = nn.Sequential(*layers)  # one norm and MLP for patches and class token

    def forward(self, x_BTPD, cls_B1D):
        _, T, P, _ = x_BTPD.shape
        # Time before space, each with weights of its own: "divided" attention, the paper's best (table 1).
        # Each place along its own track. The class token takes no part: the authors' code, not the paper's equation 8.
        track_GTD = rearrange(self.temporal_norm(x_BTPD), "b t p d -> (b p) t d")
        y_GTD = self.temporal_fc(self.temporal_attention(track_GTD))
        x_BTPD = x_BTPD + rearrange(y_GTD, "(b p) t d -> b t p d", p=P)

        # Each moment over its own places.
        seen_BTPD = x_BTPD
        if cls_B1D is not None:  # every moment sees a copy of the class token; the copies are averaged (authors' code)
            seen_BTPD = torch.cat([repeat(cls_B1D, "b one d -> b t one d", t=T), x_BTPD], dim=2)
        y_GPD = self.spatial_attention(rearrange(self.spatial_norm(seen_BTPD), "b t p d -> (b t) p d"))
        y_BTPD = rearrange(y_GPD, "(b t) p d -> b t p d", t=T)
        if cls_B1D is not None:
            cls_B1D = cls_B1D + reduce(y_BTPD[:, :, :1], "b t one d -> b one d", "mean")
            cls_B1D = cls_B1D + self.mlp(cls_B1D)
            y_BTPD = y_BTPD[:, :, 1:]
        x_BTPD = x_BTPD + y_BTPD
        return x_BTPD + self.mlp(x_BTPD), cls_B1D


class Transformer(nn.Module):
    """Clip (B, C, frames, size, size) in [0, 1] -> grid (B, T, H, W, D) and an empty dict.

    Raises ValueError when the clip does not divide into tubelets or the width into heads.
    """

    def __init__(
        self,
        *,
        frames: int,
        size: int,
        channels: int = 1,  # a grey clip is copied to them
        tubelet: tuple[int, int, int] = (1, 16, 16),  # frames, rows, columns of pixels in one patch
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: int = 4,  # width of the MLP over that of a token
        from_scratch: bool = True,  # see "Differs" above
    ):
        super().__init__()
        for name, whole, part in zip(("frames", "size", "size"), (frames, size, size), tubelet, strict=True):
            check_divides(name, whole, part, "the tubelet's")
        steps, rows, columns = frames // tubelet[0], size // tubelet[1], size // tubelet[2]
        self.num_features, self.channels, self.tubelet, self.rows = width, channels, tubelet, rows
        self.from_scratch = from_scratch
        # Reshape and one matrix product: the same map as a convolution with stride = kernel, and faster on a CPU.
        self.embed = nn.Linear(channels * tubelet[0] * tubelet[1] * tubelet[2], width)
        self.cls_11D = None if from_scratch else nn.Parameter(torch.empty(1, 1, width))
        self.where_LD = nn.Parameter(torch.empty((not from_scratch) + rows * columns, width))
        self.when_T1D = nn.Parameter(torch.empty(steps, 1, width))
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.reset()

    @torch.no_grad()
    def reset(self):
        """Initialisation as in TimeSformer's code, or `from_scratch`."""
        start(self, std=None if self.from_scratch else 0.02)
        if not self.from_scratch:
            self.embed.reset_parameters()  # torch's own of a linear map is that of a convolution of as many inputs
        for table in (self.cls_11D, self.where_LD, self.when_T1D):
            if table is not None:
                nn.init.trunc_normal_(table, std=0.02)
        if self.from_scratch:
            # Neighbours alike from the start: random tables have to learn from a few thousand clips what is near what.
            self.where_LD += sine_cosine(1, self.rows, self.rows, self.num_features)
            self.when_T1D[:, 0] += sine_cosine(len(self.when_T1D), 1, 1, self.num_features)
        else:
            # The network begins as one that looks at every moment alone, which is what its ImageNet weights can do.
            nn.init.zeros_(self.when_T1D)
            for block in self.blocks:
                nn.init.zeros_(block.temporal_fc.weight)

    def forward(self, video_BCTHW):
        k, p, q = self.tubelet
        video_BCTHW = standardise(video_BCTHW) if self.from_scratch else (video_BCTHW - 0.45) / 0.225
        # A view: the copies that three-channel weights expect take no memory.
        video_BCTHW = video_BCTHW.expand(-1, self.channels, -1, -1, -1)
        x_BTPK = rearrange(video_BCTHW, "b c (t k) (h p) (w q) -> b t (h w) (c k p q)", k=k, p=p, q=q)
        x_BTPD = self.embed(x_BTPK) + (self.where_LD[-x_BTPK.shape[2] :] + self.when_T1D)
        cls_B1D = self.cls_11D
        if cls_B1D is not None:  # it has a place of its own, the first
            cls_B1D = (cls_B1D + self.where_LD[:1]).expand(x_BTPD.shape[0], -1, -1)
        for block in self.blocks:
            x_BTPD, cls_B1D = block(x_BTPD, cls_B1D)
        # Every patch, not a pooled vector: the head has to find where and when.
        return rearrange(self.norm(x_BTPD), "b t (h w) d -> b t h w d", h=self.rows), {}
