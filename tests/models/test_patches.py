"""Folding is a strided convolution in other words; standardising takes the light out."""

import pytest
import torch
from torch import nn

from trajnb.models.patches import check_divides, fold, standardise


def test_fold_puts_a_patch_into_channels():
    video = torch.rand(2, 3, 4, 8, 6)
    folded = fold(video, (2, 4, 3))
    assert folded.shape == (2, 3 * 24, 2, 2, 2)
    assert folded.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(folded[:, :, 1, 0, 1], video[:, :, 2:, :4, 3:].flatten(1))


def test_folded_1x1x1_is_the_strided_convolution():
    video, wide = torch.rand(2, 1, 4, 8, 8), nn.Conv3d(1, 5, (2, 4, 4), (2, 4, 4), bias=False)
    narrow = wide.weight.flatten(1)[:, :, None, None, None]
    torch.testing.assert_close(nn.functional.conv3d(fold(video, (2, 4, 4)), narrow), wide(video))


def test_standardise_forgets_light_and_contrast():
    video = torch.rand(2, 1, 4, 8, 8)
    torch.testing.assert_close(standardise(0.5 * video + 0.2), standardise(video), atol=0.02, rtol=0)
    assert standardise(torch.full((1, 1, 4, 8, 8), 0.3)).isfinite().all(), "an empty clip stays finite"


def test_a_rest_is_said_with_the_arithmetic():
    with pytest.raises(ValueError, match=r"size 60 is not a multiple of the patch's 8: 60 = 8 x 7.5"):
        check_divides("size", 60, 8, "the patch's")
