"""Scaled dot-product attention with one switch: fused (fast) or readable (its weights can be hooked).

Source:   Attention Is All You Need, equation 1, https://arxiv.org/abs/1706.03762

Shapes:   G independent groups   L queries   S keys   D width = N heads x E
"""

import torch.nn.functional as F
from einops import rearrange
from torch import nn


class Attend(nn.Module):
    """softmax(q k' / sqrt E) v over N heads; no weights of its own.

    `fused` True calls torch's kernel, which never forms the weights; False forms them in `weights`, a module whose
    forward hook receives the attention (G, N, L, S) with rows that sum to 1. Both agree to 1e-5.
    Raises ValueError when the width is not a multiple of the heads.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}: {width} = {heads} x {width / heads:g}")
        self.heads, self.fused = heads, True
        self.weights = nn.Softmax(dim=-1)

    def forward(self, q_GLD, k_GSD, v_GSD):
        q, k, v = (rearrange(x, "g l (n e) -> g n l e", n=self.heads) for x in (q_GLD, k_GSD, v_GSD))
        if self.fused:
            y_GNLE = F.scaled_dot_product_attention(q, k, v)
        else:
            y_GNLE = self.weights(q @ k.mT / q.shape[-1] ** 0.5) @ v
        return rearrange(y_GNLE, "g n l e -> g l (n e)")


def start(module: nn.Module, std: float | None = None):
    """First weights of all linear maps in `module`: truncated normal, zero bias.

    `std` None means 1 / sqrt(inputs), which keeps the scale of what flows through a map of any width; ViT's 0.02 is
    about that for 768 inputs, but so little for 64 that nothing is learnt in the first thousands of clips.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=std or part.in_features**-0.5)
            nn.init.zeros_(part.bias)
