"""Scaled dot-product attention with one switch, and positions that tell its tokens apart.

Source:   Attention Is All You Need, equation 1 and section 3.5, https://arxiv.org/abs/1706.03762; positions here of
          three axes, a third of the width each.

Shapes:   G independent groups   L queries   S keys or cells   D width = N heads x E
"""

import contextlib
import math
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

SHORT = 16  # tokens: of the tiles that a GPU's fused kernels compute for so few, most is empty


class Attend(nn.Module):
    """softmax(q k' / sqrt E) v over N heads; no weights of its own.

    `fused` True calls torch's kernel where it is the faster one; False forms the attention (G, N, L, S) in `weights`,
    whose forward hook receives it, rows summing to 1. Raises ValueError when the width is not a multiple of the heads.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}: {width} = {heads} x {width / heads:g}")
        self.heads, self.fused = heads, True
        self.weights = nn.Softmax(dim=-1)  # a module, because only modules can be hooked

    def forward(self, q_GLD, k_GSD, v_GSD):
        q, k, v = (rearrange(x, "g l (n e) -> g n l e", n=self.heads) for x in (q_GLD, k_GSD, v_GSD))
        # The fused kernels never form the weights, and are several times as fast elsewhere; both agree to 1e-5 in
        # float32. On a CPU those for bfloat16 take three to nine times as long backwards as the products written out.
        slow = {"cuda": k_GSD.shape[1] <= SHORT, "cpu": q_GLD.dtype == torch.bfloat16}
        if self.fused and not slow.get(q_GLD.device.type):
            y_GNLE = F.scaled_dot_product_attention(q, k, v)
        else:
            y_GNLE = self.weights(q @ k.mT / q.shape[-1] ** 0.5) @ v
        return rearrange(y_GNLE, "g n l e -> g l (n e)")


@contextlib.contextmanager
def attention_weights(module: nn.Module):
    """{name: weights (groups, heads, queries, keys)} of all attentions in `module`, filled by forward passes inside.
    Gradients flow through them; afterwards the fast path is back."""
    weights = {}

    def record(name, part, inputs, output):
        weights[name] = output

    with contextlib.ExitStack() as after:
        for name, part in module.named_modules():
            if isinstance(part, Attend):
                part.fused = False
                after.callback(setattr, part, "fused", True)
                after.enter_context(part.weights.register_forward_hook(partial(record, name)))
        yield weights


def start(module: nn.Module, std: float | None = None):
    """Initialise all linear maps in `module`: truncated normal, zero bias; `std` None means 1 / sqrt(inputs)."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            # 1 / sqrt(inputs) keeps the scale at any width. ViT's 0.02 is about that for 768 inputs, but so little for
            # 64 that nothing is learned in the first thousands of clips.
            nn.init.trunc_normal_(part.weight, std=std or part.in_features**-0.5)
            nn.init.zeros_(part.bias)


def sine_cosine(steps: int, rows: int, columns: int, width: int, device=None) -> Tensor:
    """Code (S, width) of the centres of a grid's cells, each axis in [0, 1]; what 6 does not divide stays zero."""
    # Wavelengths from 4 clip lengths to 1/8 on axes in [0, 1]: coarse and fine grids of one clip get codes that agree.
    cycles = torch.logspace(math.log2(0.25), math.log2(8.0), width // 6, base=2, device=device)
    axes = [(torch.arange(n, device=device) + 0.5) / n for n in (steps, rows, columns)]
    place_S3 = torch.cartesian_prod(*axes)
    angle_SA = rearrange(2 * math.pi * place_S3[:, :, None] * cycles, "s three c -> s (three c)")
    code_SD = torch.cat([angle_SA.sin(), angle_SA.cos()], dim=1)
    # Zeros for the rest: any width has a code, and the head insists on one without.
    return F.pad(code_SD, (0, width - code_SD.shape[1]))
