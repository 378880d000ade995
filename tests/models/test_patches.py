"""Folding puts pixels into the channels in the order of a convolution's weights; standardising takes the light out."""

import torch

from trajnb.models.patches import fold, standardise


def test_fold_puts_a_patch_into_channels():
    video = torch.rand(2, 3, 4, 8, 6)
    folded = fold(video, (2, 4, 3))
    assert folded.shape == (2, 3 * 24, 2, 2, 2)
    assert folded.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(folded[:, :, 1, 0, 1], video[:, :, 2:, :4, 3:].flatten(1))


def test_standardise_forgets_light_and_contrast():
    video = torch.rand(2, 1, 4, 8, 8)
    torch.testing.assert_close(standardise(0.5 * video + 0.2), standardise(video), atol=0.02, rtol=0)
    assert standardise(torch.full((1, 1, 4, 8, 8), 0.3)).isfinite().all(), "an empty clip stays finite"
