"""MAGVIT: the 3D-VQ video tokenizer. Its latents before the quantiser are the features; its decoder keeps them honest.

Source:   MAGVIT: Masked Generative Video Transformer, section 3.1 and appendix, https://arxiv.org/abs/2212.05199, and
          the authors' code (encoder, decoder, quantiser). Preset `paper` is their BAIR model B for 16 frames of
          64 x 64, 36.60 M parameters with decoder and codebook; UCF101 is their model B for 128 x 128, 40.58 M.
Differs:  trained with reconstruction and quantiser losses alone, no adversarial and no perceptual loss (the latter
          needs an ImageNet network), and from scratch, not inflated from a 2-D tokenizer; the classifier reads the
          tokenizer itself, not a masked transformer on its codes. Convolutions are padded with zeros, as in the
          authors' configurations; section 3.1 says reflect, which is the option `padding`.
          nano and base: patches of pixels folded into channels, both ways, so that first and last convolution are
          1x1x1 there; fewer blocks; fewer levels, in nano one: patches of 4 x 8 x 8 pixels stand for the pools, as in
          the authors' own smallest configuration; a smaller codebook; latents and codes compared by direction (an
          option of theirs), and unit codes passed on, where theirs passes the raw ones; initialisation from a normal
          distribution of the same deviation, where theirs is cut at two deviations; every clip standardised, so that
          the reconstruction error of an empty clip is 1.

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
from trajnb.models.patches import check_divides, fold, standardise, unfold, unstandardise

SCRATCH = {"stem_kernel": 1, "from_scratch": True, "unit_codes": True}
PRESETS = {
    "nano": SCRATCH
    | {"patch": (4, 8, 8), "width": 32, "multipliers": (1,), "temporal": (), "blocks": 1, "codes": 512, "latent": 32},
    "base": SCRATCH | {"patch": (1, 2, 2), "width": 32},
    "paper": {"frames": 16, "size": 64, "channels": 3},
}
UCF101 = {"frames": 16, "size": 128, "channels": 3, "multipliers": (1, 2, 2, 4), "temporal": (True, True, False)}
TRUNCATED = 0.87962566  # deviation of a standard normal distribution cut at -2 and 2
COMMITMENT, ENTROPY, TEMPERATURE = 0.25, 0.1, 0.01  # the authors' weights of the quantiser's terms


def norm(width: int) -> nn.GroupNorm:
    """Group normalisation in flax's default of 32 groups: single channels at width 32; fewer where 32 cannot divide."""
    return nn.GroupNorm(math.gcd(32, width), width, eps=1e-6)


def conv(inputs: int, outputs: int, kernel: int = 3, bias: bool = False) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


class Residual(nn.Module):
    """Norm, swish, 3x3x3, twice, added to the input (through 1x1x1 where the width changes)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs), conv(inputs, outputs)
        self.norm2, self.conv2 = norm(outputs), conv(outputs, outputs)
        self.shortcut = conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x_BCTHW):
        y_BCTHW = self.conv1(F.silu(self.norm1(x_BCTHW)))
        y_BCTHW = self.conv2(F.silu(self.norm2(y_BCTHW)))
        return self.shortcut(x_BCTHW) + y_BCTHW


def residuals(inputs: int, outputs: int, blocks: int) -> list[nn.Module]:
    return [Residual(inputs if k == 0 else outputs, outputs) for k in range(blocks)]


class Down(nn.Module):
    """Average over 2 x 2 cells, and over 2 steps where `temporal`."""

    def __init__(self, temporal: bool):
        super().__init__()
        self.kernel = (2 if temporal else 1, 2, 2)

    def forward(self, x_BCTHW):
        return F.avg_pool3d(x_BCTHW, self.kernel)


class Up(nn.Module):
    """Every cell repeated 2 x 2 times, and over 2 steps where `temporal`; then 3x3x3."""

    def __init__(self, width: int, temporal: bool):
        super().__init__()
        self.scale, self.conv = (2 if temporal else 1, 2, 2), conv(width, width, bias=True)

    def forward(self, x_BCTHW):
        return self.conv(F.interpolate(x_BCTHW, scale_factor=self.scale, mode="nearest"))


def encoder(inputs, width, multipliers, temporal, blocks, latent, stem_kernel) -> nn.Sequential:
    """Folded pixels -> latents."""
    widths, layers = [width * m for m in multipliers], [conv(inputs, width, stem_kernel)]
    for k, out in enumerate(widths):
        layers += residuals(width, out, blocks)
        width = out
        layers += [Down(temporal[k])] if k < len(temporal) else []
    layers += residuals(width, width, blocks)
    return nn.Sequential(*layers, norm(width), nn.SiLU(), conv(width, latent, 1, bias=True))


def decoder(outputs, width, multipliers, temporal, blocks, latent, stem_kernel) -> nn.Sequential:
    """Codes -> folded pixels: the encoder's way back, an upsampling with a convolution of its own for each pool."""
    widths = [width * m for m in multipliers]
    layers = [conv(latent, widths[-1], bias=True), *residuals(widths[-1], widths[-1], blocks)]
    width = widths[-1]
    for k in reversed(range(len(widths))):
        layers += residuals(width, widths[k], blocks)
        width = widths[k]
        layers += [Up(width, temporal[k - 1])] if k > 0 else []
    return nn.Sequential(*layers, norm(width), nn.SiLU(), conv(width, outputs, stem_kernel, bias=True))


class Quantiser(nn.Module):
    """The nearest of K learned codes for each latent; the gradient passes straight through.

    forward(latents (B, D, T, H, W)) -> (codes in the same shape, their numbers (B, T, H, W), loss).
    The loss pulls codes to latents and, with a quarter of the weight, latents to codes; its entropy term wants every
    latent sure of its code and all codes used. `unit`: latents and codes are compared by direction. All of it is
    computed in float32, in a network of bfloat16 too: neighbouring codes are nearer to each other than its digits.
    """

    def __init__(self, codes: int, latent: int, unit: bool):
        super().__init__()
        self.unit = unit
        self.codebook_KD = nn.Parameter(torch.empty(codes, latent).uniform_(-1, 1) * (3 / codes) ** 0.5)

    @in_float32
    def forward(self, latent_BDTHW):
        latent_BTHWD = rearrange(latent_BDTHW, "b d t h w -> b t h w d")
        codebook_KD = self.codebook_KD
        if self.unit:
            latent_BTHWD, codebook_KD = F.normalize(latent_BTHWD, dim=-1), F.normalize(codebook_KD, dim=-1)
        distance_NK = square_distance(latent_BTHWD.flatten(0, -2), codebook_KD)
        number_BTHW = distance_NK.argmin(dim=1).view(latent_BTHWD.shape[:-1])
        code_BTHWD = F.embedding(number_BTHW, codebook_KD)
        loss = F.mse_loss(code_BTHWD, latent_BTHWD.detach())
        loss = loss + COMMITMENT * F.mse_loss(latent_BTHWD, code_BTHWD.detach())
        if self.training:
            loss = loss + ENTROPY * entropy_loss(distance_NK)
        passed_BTHWD = latent_BTHWD + (code_BTHWD - latent_BTHWD).detach()
        return rearrange(passed_BTHWD, "b t h w d -> b d t h w"), number_BTHW, loss

    def codes(self, number_BTHW):
        """The codes (B, D, T, H, W) of given numbers: what the decoder reads."""
        codebook_KD = F.normalize(self.codebook_KD, dim=-1) if self.unit else self.codebook_KD
        return rearrange(F.embedding(number_BTHW, codebook_KD), "b t h w d -> b d t h w")


def square_distance(x_ND, y_KD):
    """Squared Euclidean distances (N, K)."""
    return x_ND.square().sum(1, keepdim=True) - 2 * x_ND @ y_KD.T + y_KD.square().sum(1)


def entropy_loss(distance_NK):
    """Mean entropy of each latent's choice less the entropy of all choices together, nats; choices are softmaxes."""
    log_NK = F.log_softmax(-distance_NK / TEMPERATURE, dim=1)
    choice_NK = log_NK.exp()
    each, together_K = -(choice_NK * log_NK).sum(1).mean(), choice_NK.mean(0)
    return each + (together_K * (together_K + 1e-5).log()).sum()


class Magvit(nn.Module):
    """Clip (B, C, frames, size, size) in [0, 1] -> grid of latents (B, T, H, W, D) and aux.

    In training aux holds "loss" (mean squared reconstruction error + the quantiser's loss). `tokenize` and
    `reconstruct` are the tokenizer itself. `width` x `multipliers` channels in each level, a pool after each but the
    last, over time too where `temporal`; `blocks` residual blocks each time; `codes` x `latent` the codebook. `after`
    gives the features after the quantiser instead of before it. `padding` of all convolutions: "zeros" or "reflect".
    Raises ValueError when the clip does not divide into patches and pools.
    """

    def __init__(
        self,
        *,
        frames: int,
        size: int,
        channels: int = 1,
        patch: tuple[int, int, int] = (1, 1, 1),
        stem_kernel: int = 3,
        width: int = 64,
        multipliers: tuple[int, ...] = (1, 2, 4),
        temporal: tuple[bool, ...] = (True, True),
        blocks: int = 2,
        codes: int = 1024,
        latent: int = 256,
        unit_codes: bool = False,
        padding: str = "zeros",
        after: bool = False,
        from_scratch: bool = False,
    ):
        super().__init__()
        check_divides("frames", frames, patch[0] * 2 ** sum(temporal), "patch and pools'")
        check_divides("size", size, patch[1] * 2 ** len(temporal), "patch and pools'")
        self.channels, self.patch, self.after, self.from_scratch = channels, patch, after, from_scratch
        self.num_features = latent
        folded = channels * patch[0] * patch[1] * patch[2]
        shape = (width, multipliers, temporal, blocks, latent, stem_kernel)
        self.encoder, self.decoder = encoder(folded, *shape), decoder(folded, *shape)
        self.quantiser = Quantiser(codes, latent, unit_codes)
        self.reset()
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                module.padding_mode = padding

    def reset(self):
        """LeCun's initialisation, as in the authors' framework: deviation 1 / sqrt(inputs)."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                std = module.weight[0].numel() ** -0.5
                if self.from_scratch:
                    nn.init.normal_(module.weight, std=std)
                else:
                    cut = 2 * std / TRUNCATED
                    nn.init.trunc_normal_(module.weight, std=cut / 2, a=-cut, b=cut)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, video_BCTHW):
        folded_BCTHW = self.folded(video_BCTHW)
        latent_BDTHW, aux = self.encoder(folded_BCTHW), {}
        features_BDTHW = latent_BDTHW
        if self.training or self.after:
            code_BDTHW, _, loss = self.quantiser(latent_BDTHW)
            features_BDTHW = code_BDTHW if self.after else latent_BDTHW
        if self.training:
            aux["loss"] = F.mse_loss(self.decoder(code_BDTHW), folded_BCTHW) + loss
        return rearrange(features_BDTHW, "b d t h w -> b t h w d"), aux

    def folded(self, video_BCTHW):
        """The clip as the tokenizer sees it: standardised where `from_scratch`, folded into patches."""
        video_BCTHW = standardise(video_BCTHW) if self.from_scratch else video_BCTHW
        return fold(video_BCTHW.expand(-1, self.channels, -1, -1, -1), self.patch)

    def tokenize(self, video_BCTHW):
        """Numbers (B, T, H, W) of the codes of a clip."""
        return self.quantiser(self.encoder(self.folded(video_BCTHW)))[1]

    def reconstruct(self, video_BCTHW):
        """The clip (B, C, T, H, W) decoded from its codes' numbers alone, in [0, 1] like the clip, not clamped."""
        said_BCTHW = unfold(self.decoder(self.quantiser.codes(self.tokenize(video_BCTHW))), self.patch)
        return unstandardise(said_BCTHW, video_BCTHW) if self.from_scratch else said_BCTHW
