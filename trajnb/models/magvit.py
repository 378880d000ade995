"""MAGVIT: the 3D-VQ video tokenizer. Its latents before the quantiser are the features; its decoder keeps them honest.

Source:   MAGVIT: Masked Generative Video Transformer, section 3.1 and appendix, https://arxiv.org/abs/2212.05199, and
          the authors' code (encoder, decoder, quantiser). Preset `paper` is their BAIR model B for 16 frames of
          64 x 64, 36.60 M parameters with decoder and codebook; UCF101 is their model B for 128 x 128, 40.58 M.
Differs:  trained with reconstruction and quantiser losses alone, no adversarial and no perceptual loss (the latter
          needs an ImageNet network), and from scratch, not inflated from a 2-D tokenizer; the classifier reads the
          tokenizer itself, not a masked transformer on its codes. Convolutions are padded with zeros, as in the
          authors' configurations; section 3.1 says reflect.
          nano and base (`from_scratch`): patches of pixels folded into channels, both ways, so that first and last
          convolution are 1x1x1 there; fewer blocks; fewer levels, in nano one: patches of 4 x 8 x 8 pixels stand for
          the pools, as in the authors' own smallest configuration; a smaller codebook; latents and codes compared by
          direction (an option of theirs), and unit codes passed on, where theirs passes the raw ones; initialisation
          from a normal distribution of the same deviation, where theirs is cut at two; every clip standardised.

    video --> conv --> [ residual x n -> average pool ] x levels --> residual x n --> latents --> features
                                                                                     |
    video' <-- conv <-- [ residual x n <- conv <- nearest ] x levels <-- residual x n <-- quantised

Shapes:   B clips   C channels   T, H, W grid   D width of a latent   N = B x T x H x W latents   K codes
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from trajnb.models.arithmetic import in_float32
from trajnb.models.patches import check_divides, fold, standardise

PRESETS = {
    "nano": {"patch": (4, 8, 8), "widths": (32,), "pools": (), "blocks": 1, "codes": 512, "latent": 32},
    "base": {"patch": (1, 2, 2), "widths": (32, 64, 128)},
    "paper": {"frames": 16, "size": 64, "channels": 3, "from_scratch": False},
}
UCF101 = PRESETS["paper"] | {"size": 128, "widths": (64, 128, 128, 256), "pools": (2, 2, 1)}
TRUNCATED = 0.87962566  # deviation of a standard normal distribution cut at -2 and 2
COMMITMENT, ENTROPY, TEMPERATURE = 0.25, 0.1, 0.01  # the authors' weights of the quantiser's terms


class GroupNorm(nn.GroupNorm):
    """Group normalisation in flax's default of 32 groups, fewer where 32 cannot divide."""

    def __init__(self, width: int):
        super().__init__(math.gcd(32, width), width, eps=1e-6)

    forward = in_float32(nn.GroupNorm.forward)  # bfloat16 takes a CPU four times as long


def conv(inputs: int, outputs: int, kernel: int = 3, bias: bool = False) -> nn.Conv3d:
    # Without a bias where a norm follows: that would take it out again.
    return nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


class Residual(nn.Module):
    """Norm, swish, 3x3x3, twice, added to the input (through 1x1x1 where the width changes)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1, self.conv1 = GroupNorm(inputs), conv(inputs, outputs)
        self.norm2, self.conv2 = GroupNorm(outputs), conv(outputs, outputs)
        # The only path without a norm: what a block adds stays small beside it.
        self.shortcut = conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x_BCTHW):
        y_BCTHW = self.conv1(F.silu(self.norm1(x_BCTHW)))
        y_BCTHW = self.conv2(F.silu(self.norm2(y_BCTHW)))
        return self.shortcut(x_BCTHW) + y_BCTHW


def residuals(inputs: int, outputs: int, blocks: int) -> list[nn.Module]:
    return [Residual(inputs if k == 0 else outputs, outputs) for k in range(blocks)]


def encoder(inputs, widths, pools, blocks, latent, stem_kernel) -> nn.Sequential:
    """Folded pixels -> latents: an average over 2 x 2 cells and `pools[k]` steps after level k."""
    width, layers = widths[0], [conv(inputs, widths[0], stem_kernel)]
    for k, out in enumerate(widths):
        layers += residuals(width, out, blocks)
        width = out
        layers += [nn.AvgPool3d((pools[k], 2, 2))] if k < len(pools) else []
    layers += residuals(width, width, blocks)
    return nn.Sequential(*layers, GroupNorm(width), nn.SiLU(), conv(width, latent, 1, bias=True))


def decoder(outputs, widths, pools, blocks, latent, stem_kernel) -> nn.Sequential:
    """Codes -> folded pixels: the encoder's way back, each cell repeated and a convolution for each pool."""
    layers = [conv(latent, widths[-1], bias=True), *residuals(widths[-1], widths[-1], blocks)]
    width = widths[-1]
    for k in reversed(range(len(widths))):
        layers += residuals(width, widths[k], blocks)
        width = widths[k]
        if k > 0:
            layers += [nn.Upsample(scale_factor=(pools[k - 1], 2, 2)), conv(width, width, bias=True)]
    return nn.Sequential(*layers, GroupNorm(width), nn.SiLU(), conv(width, outputs, stem_kernel, bias=True))


class Quantiser(nn.Module):
    """The nearest of K learned codes for each latent; the gradient passes straight through.

    forward(latents (B, D, T, H, W)) -> (codes in the same shape, their numbers (B, T, H, W), loss).
    `unit`: latents and codes are compared by direction.
    """

    def __init__(self, codes: int, latent: int, unit: bool):
        super().__init__()
        self.unit = unit
        # Variance 1 / K, as in the authors' code.
        self.codebook_KD = nn.Parameter(torch.empty(codes, latent).uniform_(-1, 1) * (3 / codes) ** 0.5)

    @in_float32  # neighbouring codes are nearer to each other than bfloat16's digits
    def forward(self, latent_BDTHW):
        latent_BTHWD = rearrange(latent_BDTHW, "b d t h w -> b t h w d")
        codebook_KD = self.codebook_KD
        if self.unit:
            # By direction, a code that is seldom chosen stays within reach: unused ones do not drift away.
            latent_BTHWD, codebook_KD = F.normalize(latent_BTHWD, dim=-1), F.normalize(codebook_KD, dim=-1)
        distance_NK = square_distance(latent_BTHWD.flatten(0, -2), codebook_KD)
        number_BTHW = distance_NK.argmin(dim=1).view(latent_BTHWD.shape[:-1])
        # A look-up instead of a product with one-hot rows: the same gradient, without an (N, K) matrix.
        code_BTHWD = F.embedding(number_BTHW, codebook_KD)
        # Codes are pulled to latents, and with a quarter of the weight latents to codes.
        loss = F.mse_loss(code_BTHWD, latent_BTHWD.detach())
        loss = loss + COMMITMENT * F.mse_loss(latent_BTHWD, code_BTHWD.detach())
        if self.training:
            loss = loss + ENTROPY * entropy_loss(distance_NK)
        # argmin has no gradient: that of the code goes to the latent as if it were the code.
        passed_BTHWD = latent_BTHWD + (code_BTHWD - latent_BTHWD).detach()
        return rearrange(passed_BTHWD, "b t h w d -> b d t h w"), number_BTHW, loss


def square_distance(x_ND, y_KD):
    """Squared Euclidean distances (N, K)."""
    return x_ND.square().sum(1, keepdim=True) - 2 * x_ND @ y_KD.T + y_KD.square().sum(1)


def entropy_loss(distance_NK):
    """Mean entropy of each latent's choice less the entropy of all choices together, nats; choices are softmaxes."""
    score_NK = distance_NK * (-1 / TEMPERATURE)
    # Not log_softmax(..).exp(): torch's exp is six times as slow where its results are next to zero, as most are.
    choice_NK = F.softmax(score_NK, dim=1)
    # Through the logarithm no gradient passes: weighted by the choices, it sums to their change, which is zero.
    log_NK = F.log_softmax(score_NK.detach(), dim=1)
    # Lowest where every latent is sure of its code and all codes are used.
    each, together_K = -torch.dot(choice_NK.flatten(), log_NK.flatten()) / len(score_NK), choice_NK.mean(0)
    return each + (together_K * (together_K + 1e-5).log()).sum()


class Magvit(nn.Module):
    """Clip (B, C, frames, size, size) in [0, 1] -> grid of latents (B, T, H, W, D) and aux.

    In training aux holds "loss" (mean squared reconstruction error + the quantiser's loss).
    Raises ValueError when the clip does not divide into patches and pools.
    """

    def __init__(
        self,
        *,
        frames: int,
        size: int,
        channels: int = 1,  # a grey clip is copied to them
        patch: tuple[int, int, int] = (1, 1, 1),  # frames, rows, columns of pixels folded into channels
        widths: tuple[int, ...] = (64, 128, 256),  # channels of each level
        pools: tuple[int, ...] = (2, 2),  # steps averaged after each level but the last, beside 2 x 2 cells
        blocks: int = 2,  # residual blocks in each level and after the last
        codes: int = 1024,  # in the codebook
        latent: int = 256,  # width of a code
        from_scratch: bool = True,  # see "Differs" above
    ):
        super().__init__()
        check_divides("frames", frames, patch[0] * math.prod(pools), "patch and pools'")
        check_divides("size", size, patch[1] * 2 ** len(pools), "patch and pools'")
        self.channels, self.patch, self.from_scratch, self.num_features = channels, patch, from_scratch, latent
        folded = channels * patch[0] * patch[1] * patch[2]
        shape = (widths, pools, blocks, latent, 1 if from_scratch else 3)
        self.encoder, self.decoder = encoder(folded, *shape), decoder(folded, *shape)
        self.quantiser = Quantiser(codes, latent, unit=from_scratch)
        # LeCun's initialisation, as in the authors' framework: deviation 1 / sqrt(inputs).
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                std = module.weight[0].numel() ** -0.5
                if from_scratch:
                    nn.init.normal_(module.weight, std=std)
                else:
                    cut = 2 * std / TRUNCATED  # flax divides, so that the deviation is `std` after the cut
                    nn.init.trunc_normal_(module.weight, std=cut / 2, a=-cut, b=cut)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, video_BCTHW):
        # Standardised, an empty clip has a reconstruction error of 1, whatever its light.
        video_BCTHW = standardise(video_BCTHW) if self.from_scratch else video_BCTHW
        folded_BCTHW = fold(video_BCTHW.expand(-1, self.channels, -1, -1, -1), self.patch)
        latent_BDTHW, aux = self.encoder(folded_BCTHW), {}
        if self.training:  # quantiser and decoder teach the encoder; a prediction needs neither
            code_BDTHW, _, loss = self.quantiser(latent_BDTHW)
            aux["loss"] = F.mse_loss(self.decoder(code_BDTHW), folded_BCTHW) + loss
        return rearrange(latent_BDTHW, "b d t h w -> b t h w d"), aux
