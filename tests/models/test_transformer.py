"""The Transformer is TimeSformer: count, zero temporal path, both ways to compute attention."""

import pytest
import torch

from trajnb.models.attention import Attend
from trajnb.models.transformer import PRESETS, Transformer

TINY = {"frames": 4, "size": 16, "tubelet": (1, 8, 8), "width": 24, "depth": 2, "heads": 2, "mlp_ratio": 2}


@pytest.fixture
def video():
    return torch.rand(3, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def test_paper_preset_is_timesformer_base():
    with torch.device("meta"):
        net = Transformer(**PRESETS["paper"])
    assert sum(weight.numel() for weight in net.parameters()) == 121_258_752
    grid, _ = net(torch.zeros(1, 3, 8, 224, 224, device="meta"))
    assert grid.shape == (1, 8, 14, 14, 768), "14 x 14 patches of 8 frames; the class token is left out"


def test_paper_preset_reads_and_starts_as_the_authors_do():
    """Mean 0.45, deviation 0.225; the patch embedding as torch starts a convolution, everything else at 0.02."""
    net = Transformer(**TINY, from_scratch=False).eval()
    zero = net.tokens(torch.full((1, 1, 4, 16, 16), 0.45))[0]
    one = net.tokens(torch.full((1, 1, 4, 16, 16), 0.675))[0]
    torch.testing.assert_close(zero, (net.embed.bias + net.where_LD[1:]).expand_as(zero))
    torch.testing.assert_close(one - zero, net.embed.weight.sum(1).expand_as(zero))
    assert 0.9 < net.embed.weight.abs().max().item() * 8 <= 1, "uniform up to 1 / sqrt(64 inputs)"
    assert net.blocks[0].mlp[1].weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_zero_temporal_path_is_the_framewise_network(video):
    """Every frame alone through the same weights gives the same features, in one block.

    In a second block the class token has seen all frames, which is how the paper's frames talk even then.
    """
    net, one = (Transformer(**TINY | {"depth": 1, "frames": n}, from_scratch=False).eval() for n in (4, 1))
    weights = {name: w for name, w in net.state_dict().items() if "temporal" not in name and name != "when_T1D"}
    missing = one.load_state_dict(weights, strict=False).missing_keys
    assert all("temporal" in name or name == "when_T1D" for name in missing)
    for name, weight in one.named_parameters():
        if name in missing:
            weight.data.zero_()  # no temporal attention, no time table: a network of frames
    with torch.no_grad():
        together, _ = net(video)
        alone = torch.cat([one(frame)[0] for frame in video.split(1, dim=2)], dim=1)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_a_network_from_scratch_is_not(video):
    net = Transformer(**TINY)
    with torch.no_grad():
        changed = video.clone()
        changed[:, :, 0] = 1 - changed[:, :, 0]
        before, after = net(video)[0], net(changed)[0]
    assert (before - after)[:, 1:].abs().max() > 1e-5, "a change in frame 0 is felt in the others"


def test_class_token_takes_no_part_over_time(video):
    """One block: what the time path adds to the patches does not depend on the class token (the paper's code)."""
    net = Transformer(**TINY | {"depth": 1}, from_scratch=False)
    net.blocks[0].temporal_fc.reset_parameters()
    x_BTPD, _ = net.tokens(video)
    with torch.no_grad():
        before = net.blocks[0].time(x_BTPD)
        net.cls_11D += 1
        after = net.blocks[0].time(net.tokens(video)[0])
    assert torch.equal(before, after)


def test_fused_equals_readable(video):
    net = Transformer(**TINY, from_scratch=False).eval()
    for block in net.blocks:
        block.temporal_fc.reset_parameters()
    with torch.no_grad():
        fused, _ = net(video)
        weights = []
        for module in net.modules():
            if isinstance(module, Attend):
                module.fused = False
                module.weights.register_forward_hook(lambda module, inputs, output: weights.append(output))
        readable, _ = net(video)
    torch.testing.assert_close(fused, readable, atol=1e-5, rtol=1e-5)
    assert len(weights) == 4, "time and space in each of two blocks"
    assert [tuple(w.shape) for w in weights[:2]] == [(3 * 4, 2, 4, 4), (3 * 4, 2, 5, 5)]
    for weight_GNLS in weights:
        torch.testing.assert_close(weight_GNLS.sum(-1), torch.ones(weight_GNLS.shape[:-1]))
