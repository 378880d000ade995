"""I3D: Inception-v1 with every filter and pool inflated into time.

Source:   Quo Vadis, Action Recognition?, figure 3, https://arxiv.org/abs/1705.07750, and the authors' code. Preset
          `paper` is its RGB backbone for 64 frames of 224 x 224: 12,287,264 parameters, the count of its PyTorch port.
Differs:  batch normalisation has a scale, as in the port; the authors train a shift alone, 12,279,984 parameters. The
          final 2 x 7 x 7 average pool, dropout and logits give way to the shared head; the three 1x1x1 units of a
          block that share an input are one convolution (the same function). nano and base (`from_scratch`): pixels
          folded into channels and a 3x3x3 convolution instead of the 7x7x7 stem of stride 2; no pool 5a, in nano no
          pool 3a; in nano 4 of the 9 inception blocks, and thinner ones, in base 8 of 9; every clip standardised
          instead of mapped to [-1, 1]; batch normalisation's momentum 0.05 instead of 0.001; He's initialisation, a
          normal distribution of deviation sqrt(2 / inputs), instead of Sonnet's, 1 / sqrt(inputs) cut at two.

    video --> patches --> 1a --> [pool 2a] --> 2b --> 2c --> [pool 3a] --> mixed 3b .. --> pool 4a --> 4b .. --> [pool
    5a] --> 5b .. --> grid

Shapes:   B clips   C channels   T, H, W grid, which shrinks on the way
"""

import torch
from einops import rearrange
from torch import nn

from trajnb.models.patches import check_divides, fold, standardise

# A block is (b0, (b1 reduce, b1), (b2 reduce, b2), b3), in channels; stages 3, 4 and 5 as tuples of blocks (figure 3).
PAPER_STAGES = (
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)
NANO_STAGES = (
    ((16, (16, 24), (8, 8), 16), (24, (24, 40), (8, 16), 16)),
    ((32, (32, 64), (8, 16), 16), (32, (32, 64), (8, 16), 16)),
    (),
)
BASE_STAGES = (PAPER_STAGES[0], PAPER_STAGES[1][:4], PAPER_STAGES[2])
PRESETS = {
    # Pools are left out so that a clip of 64 pixels keeps a grid of 4 x 4 cells: fewer could not say where.
    "nano": {"patch": (2, 4, 4), "pools": (True, False, True, False), "stem": (16, 16, 32), "stages": NANO_STAGES},
    "base": {"patch": (1, 2, 2), "pools": (True, True, True, False), "stages": BASE_STAGES},
    "paper": {"frames": 64, "size": 224, "channels": 3, "from_scratch": False},
}


class Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; the padding is TensorFlow's SAME."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__()
        # With stride 1 SAME is symmetric, and a convolution pads that itself, without a copy of its input.
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, 0 if stride > 1 else kernel // 2, bias=False)
        # Sonnet's epsilon, a hundred times torch's: the published weights expect it.
        self.norm = nn.BatchNorm3d(outputs, eps=1e-3)

    def forward(self, x_BCTHW):
        strided = max(self.conv.stride) > 1
        return torch.relu(self.norm(self.conv(same(x_BCTHW, self.conv) if strided else x_BCTHW)))


class Pool(nn.MaxPool3d):
    """Maximum with SAME padding; its zeros are no larger than what has passed a ReLU."""

    def forward(self, x_BCTHW):
        return super().forward(same(x_BCTHW, self))


def same(x_BCTHW, layer):
    """Zeros around a grid so that a strided layer leaves ceil(n / stride) cells."""
    return nn.functional.pad(x_BCTHW, same_padding(x_BCTHW.shape[2:], layer.kernel_size, layer.stride))


def same_padding(shape, kernel, stride) -> list[int]:
    """TensorFlow's SAME for axes of any length, as torch's pad takes it: last axis first, front and back."""
    pads = []
    for n, k, s in zip(reversed(shape), reversed(kernel), reversed(stride), strict=True):
        total = max(k - (s if n % s == 0 else n % s), 0)
        pads += [total // 2, total - total // 2]  # the odd zero stands at the back
    return pads


class Mixed(nn.Module):
    """An inception block: four branches side by side, their channels concatenated in the order b0, b1, b2, b3."""

    def __init__(self, inputs: int, block: tuple):
        super().__init__()
        b0, (reduce1, b1), (reduce2, b2), b3 = block
        self.widths, self.outputs = [b0, reduce1, reduce2], b0 + b1 + b2 + b3
        self.shared = Unit(inputs, sum(self.widths), 1)  # b0 and both reductions: one large product beats three small
        self.b1, self.b2 = Unit(reduce1, b1, 3), Unit(reduce2, b2, 3)
        self.pool, self.b3 = nn.MaxPool3d(3, 1, padding=1), Unit(inputs, b3, 1)

    def forward(self, x_BCTHW):
        b0, reduced1, reduced2 = self.shared(x_BCTHW).split(self.widths, dim=1)
        # The order of the published weights.
        return torch.cat([b0, self.b1(reduced1), self.b2(reduced2), self.b3(self.pool(x_BCTHW))], dim=1)


class I3D(nn.Module):
    """Clip (B, C, frames, size, size) in [0, 1] -> grid (B, T, H, W, D) and an empty dict.

    Raises ValueError when the clip does not divide into patches.
    """

    def __init__(
        self,
        *,
        frames: int,
        size: int,
        channels: int = 1,  # a grey clip is copied to them
        patch: tuple[int, int, int] = (1, 1, 1),  # frames, rows, columns of pixels folded into channels before 1a
        stem: tuple[int, int, int] = (64, 64, 192),  # channels of 1a, 2b and 2c
        stages: tuple = PAPER_STAGES,  # blocks of 3, 4 and 5
        pools: tuple[bool, bool, bool, bool] = (True, True, True, True),  # which of 2a, 3a, 4a and 5a are kept
        from_scratch: bool = True,  # see "Differs" above
    ):
        super().__init__()
        check_divides("frames", frames, patch[0], "the patch's")
        check_divides("size", size, patch[1], "the patch's")
        self.channels, self.patch, self.from_scratch = channels, patch, from_scratch
        shapes = [((1, 3, 3), (1, 2, 2))] * 2 + [((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))]  # kernel, stride
        pool = [Pool(*shape) if keep else nn.Identity() for shape, keep in zip(shapes, pools, strict=True)]
        folded = channels * patch[0] * patch[1] * patch[2]
        first = Unit(folded, stem[0], 3) if from_scratch else Unit(folded, stem[0], 7, stride=2)
        # 2b is 1x1x1 and halves nothing: it mixes channels before the expensive 2c.
        layers = [first, pool[0], Unit(stem[0], stem[1], 1), Unit(stem[1], stem[2], 3)]
        width = stem[2]
        for before, blocks in zip(pool[1:], stages, strict=True):
            layers.append(before)
            for block in blocks:
                layers.append(Mixed(width, block))
                width = layers[-1].outputs
        self.layers, self.num_features = nn.Sequential(*layers), width
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                # The authors' 0.001 needs thousands of steps to know a mean; a nano training has hundreds.
                module.momentum = 0.05 if from_scratch else 0.001
            elif isinstance(module, nn.Conv3d) and from_scratch:  # He's initialisation, else Sonnet's
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, nn.Conv3d):
                std = module.weight[0].numel() ** -0.5
                nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)

    def forward(self, video_BCTHW):
        video_BCTHW = standardise(video_BCTHW) if self.from_scratch else video_BCTHW * 2 - 1
        folded_BCTHW = fold(video_BCTHW.expand(-1, self.channels, -1, -1, -1), self.patch)
        return rearrange(self.layers(folded_BCTHW), "b d t h w -> b t h w d"), {}
