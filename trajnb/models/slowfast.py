"""SlowFast: a slow pathway of many channels and few frames, a fast one of few channels and all frames.

Source:   SlowFast Networks for Video Recognition, table 1 and section 3, https://arxiv.org/abs/1812.03982, and the
          authors' code. Preset `paper` is SlowFast 4 x 16, R50, fusion kernel 5: 33,558,216 parameters.
Differs:  pooling, dropout and logits give way to the shared head: each slow cell is joined by its alpha fast frames as
          channels. Slow frames are every alpha-th one (the authors' code takes evenly spaced ones up to the last).
          nano and base (`from_scratch`): alpha 4 as in the 8 x 8 network; patches of pixels folded into channels before
          smaller stem kernels of stride 1; less spatial stride; half of the width or less; beta 1/4, in nano 1/3,
          instead of 1/8; in nano three stages of one block; every clip standardised.

    video --> fast: stem --> stage ----> stage ----> .. --.
       |               | lateral  | lateral               +--> grid
       `----> slow: stem + -> stage + -> stage + .. ------'          + : concatenation

Shapes:   B clips   C channels   T frames of a pathway   H, W grid
"""

from collections import OrderedDict

import torch
from einops import rearrange
from torch import nn

from trajnb.models.patches import check_divides, fold, standardise

R50 = ((3, 1, 1), (4, 2, 1), (6, 2, 3), (3, 2, 3))  # stages: blocks, spatial stride, slow kernel in time (table 1)
PRESETS = {
    # Strides are chosen so that a clip of 64 pixels keeps a grid of 4 x 4 cells: fewer could not say where.
    "nano": {"alpha": 4, "beta": 3, "width": 24, "patch": 4, "stem": 3, "stages": ((1, 1, 1), (1, 2, 1), (1, 1, 3))},
    "base": {"alpha": 4, "beta": 4, "width": 32, "patch": 2, "stem": 5, "stages": (*R50[:3], (3, 1, 3))},
    "paper": {"frames": 32, "size": 224, "channels": 3, "from_scratch": False},
}


def unit(inputs: int, outputs: int, kernel=(1, 1, 1), stride=(1, 1, 1)) -> nn.Sequential:
    """Convolution without bias, padded to keep the grid, and batch normalisation."""
    conv = nn.Conv3d(inputs, outputs, kernel, stride, [k // 2 for k in kernel], bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm3d(outputs)))


class Bottleneck(nn.Module):
    """(k_t, 1, 1), (1, 3, 3) with the stride, 1x1x1 to 4 x `inner`; added to its input, projected where they differ."""

    def __init__(self, inputs: int, inner: int, kernel_t: int, stride: int):
        super().__init__()
        outputs = 4 * inner
        self.a = unit(inputs, inner, (kernel_t, 1, 1))  # the only convolution over time
        self.b = unit(inner, inner, (1, 3, 3), (1, stride, stride))
        self.c = unit(inner, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else unit(inputs, outputs, stride=(1, stride, stride))

    def forward(self, x_BCTHW):
        y_BCTHW = torch.relu(self.a(x_BCTHW))
        y_BCTHW = self.c(torch.relu(self.b(y_BCTHW)))
        return torch.relu(self.shortcut(x_BCTHW) + y_BCTHW)


def stage(inputs: int, inner: int, kernel_t: int, stride: int, blocks: int) -> nn.Sequential:
    """`blocks` bottlenecks; the first one strides and widens."""
    # Stride and width change in one block only, so that all others add to their input as it is.
    first = Bottleneck(inputs, inner, kernel_t, stride)
    return nn.Sequential(first, *(Bottleneck(4 * inner, inner, kernel_t, 1) for _ in range(blocks - 1)))


class Stem(nn.Module):
    """(k_t, k, k) convolution, ReLU, 3 x 3 maximum of stride 2."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple, stride: int):
        super().__init__()
        self.unit = unit(inputs, outputs, kernel, (1, stride, stride))
        # In space alone: the fast pathway is to keep every frame.
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, x_BCTHW):
        return self.pool(torch.relu(self.unit(x_BCTHW)))


class Lateral(nn.Module):
    """Time-strided convolution: the fast pathway, at the slow one's frames, with twice its channels; concatenated."""

    def __init__(self, inputs: int, alpha: int, kernel_t: int):
        super().__init__()
        # From fast to slow alone: both ways were no better (section 3.3).
        self.unit = unit(inputs, 2 * inputs, (kernel_t, 1, 1), (alpha, 1, 1))

    def forward(self, slow_BCTHW, fast_BCTHW):
        return torch.cat([slow_BCTHW, torch.relu(self.unit(fast_BCTHW))], dim=1)


class SlowFast(nn.Module):
    """Clip (B, C, frames, size, size) in [0, 1] -> grid (B, frames / alpha, H, W, D) and an empty dict.

    Raises ValueError when the frames are no multiple of alpha or the size none of the patch.
    """

    def __init__(
        self,
        *,
        frames: int,
        size: int,
        channels: int = 1,  # a grey clip is copied to them
        alpha: int = 8,  # fast frames for each slow one
        beta: int = 8,  # the fast pathway has 1 / beta of the slow one's channels
        width: int = 64,  # channels of the slow stem
        patch: int = 1,  # pixels a side folded into channels
        stem: int = 7,  # kernel in space
        fusion: int = 5,  # kernel in time of the lateral connections
        stages: tuple = R50,
        from_scratch: bool = True,  # see "Differs" above
    ):
        super().__init__()
        check_divides("frames", frames, alpha, "alpha")
        check_divides("size", size, patch, "the patch's")
        self.channels, self.alpha, self.patch, self.from_scratch = channels, alpha, (1, patch, patch), from_scratch
        inputs, thin, stem_stride = channels * patch**2, width // beta, 1 if from_scratch else 2
        # Table 1: only the fast pathway looks at neighbouring frames from the first layer on.
        self.slow_stem = Stem(inputs, width, (1, stem, stem), stem_stride)
        self.fast_stem = Stem(inputs, thin, (5, stem, stem), stem_stride)
        self.laterals, self.slow, self.fast = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        slow_in, fast_in = width, thin
        for k, (blocks, stride, kernel_t) in enumerate(stages):
            self.laterals.append(Lateral(fast_in, alpha, fusion))
            self.slow.append(stage(slow_in + 2 * fast_in, width * 2**k, kernel_t, stride, blocks))
            self.fast.append(stage(fast_in, thin * 2**k, 3, stride, blocks))
            slow_in, fast_in = 4 * width * 2**k, 4 * thin * 2**k
        self.num_features = slow_in + alpha * fast_in
        for module in self.modules():  # He's initialisation (fan out)
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.c.norm.weight)  # begins as its shortcut, as in the authors' code

    def forward(self, video_BCTHW):
        video_BCTHW = standardise(video_BCTHW) if self.from_scratch else (video_BCTHW - 0.45) / 0.225
        fast = fold(video_BCTHW.expand(-1, self.channels, -1, -1, -1), self.patch)
        # Every alpha-th frame: a slow frame then stands at the first of the fast ones its lateral features cover.
        slow, fast = self.slow_stem(fast[:, :, :: self.alpha]), self.fast_stem(fast)
        for lateral, slow_stage, fast_stage in zip(self.laterals, self.slow, self.fast, strict=True):
            slow, fast = slow_stage(lateral(slow, fast)), fast_stage(fast)
        # Joined only now: the fast features kept their frame rate through every stage.
        slow_BTHWD = rearrange(slow, "b d t h w -> b t h w d")
        # Fast frames become channels of their slow one: pooling them over time would throw their order away.
        fast_BTHWD = rearrange(fast, "b d (t alpha) h w -> b t h w (alpha d)", alpha=self.alpha)
        return torch.cat([slow_BTHWD, fast_BTHWD], dim=-1), {}
