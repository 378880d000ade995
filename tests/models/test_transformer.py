"""The Transformer is TimeSformer: count and start (equal to the authors': test_parity.py)."""

import pytest
import torch

from trajnb.models.transformer import PRESETS, Transformer

TINY = {"frames": 4, "size": 16, "tubelet": (1, 8, 8), "width": 24, "depth": 2, "heads": 2, "mlp_ratio": 2}


def test_paper_preset_is_timesformer_base():
    with torch.device("meta"):
        net = Transformer(**PRESETS["paper"])
    assert sum(weight.numel() for weight in net.parameters()) == 121_258_752
    grid, _ = net(torch.zeros(1, 3, 8, 224, 224, device="meta"))
    assert grid.shape == (1, 8, 14, 14, 768), "14 x 14 patches of 8 frames; the class token is left out"


def test_paper_preset_reads_and_starts_as_the_authors_do():
    """Mean 0.45, deviation 0.225; the patch embedding as torch starts a convolution, everything else at 0.02."""
    net = Transformer(**TINY, from_scratch=False).eval()
    tokens = []
    net.blocks[0].register_forward_pre_hook(lambda module, inputs: tokens.append(inputs[0]))
    for value in (0.45, 0.675):
        net(torch.full((1, 1, 4, 16, 16), value))
    zero, one = tokens
    torch.testing.assert_close(zero, (net.embed.bias + net.where_LD[1:]).expand_as(zero))
    torch.testing.assert_close(one - zero, net.embed.weight.sum(1).expand_as(zero))
    assert 0.9 < net.embed.weight.abs().max().item() * 8 <= 1, "uniform up to 1 / sqrt(64 inputs)"
    assert net.blocks[0].mlp[1].weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_network_from_scratch_is_not():
    net, video = Transformer(**TINY), torch.rand(3, 1, 4, 16, 16)
    with torch.no_grad():
        changed = video.clone()
        changed[:, :, 0] = 1 - changed[:, :, 0]
        before, after = net(video)[0], net(changed)[0]
    assert (before - after)[:, 1:].abs().max() > 1e-5, "a change in frame 0 is felt in the others"
