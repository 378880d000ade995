"""SlowFast: counts and lateral channels (equal to the authors': test_parity.py)."""

import torch

from trajnb.models.slowfast import PRESETS, Bottleneck, SlowFast

TINY = {"frames": 8, "size": 32, "alpha": 4, "beta": 2, "width": 8, "stem": 3, "stages": ((1, 1, 1), (1, 2, 3))}


def count(modules):
    return sum(weight.numel() for weight in modules.parameters())


def test_paper_preset_has_the_papers_parameters_and_channels():
    """33,558,216 before the 922,000 of its classifier, and each pathway its share (fusion kernel 5)."""
    with torch.device("meta"):
        paper = SlowFast(**PRESETS["paper"])
    assert count(paper) == 33_558_216
    assert count(paper.slow_stem) + count(paper.slow) == 32_827_456
    assert (count(paper.fast_stem) + count(paper.fast), count(paper.laterals)) == (514_152, 216_608)
    assert [stage[0].a.conv.in_channels for stage in paper.slow] == [64 + 16, 256 + 64, 512 + 128, 1024 + 256]
    assert [stage[0].a.conv.in_channels for stage in paper.fast] == [8, 32, 64, 128]
    grid, _ = paper(torch.zeros(1, 3, 32, 224, 224, device="meta"))
    assert grid.shape == (1, 4, 7, 7, 2048 + 8 * 256), "four slow frames, each joined by its eight fast ones"


def test_every_bottleneck_begins_as_its_shortcut():
    net = SlowFast(**TINY).eval()
    for block in (module for module in net.modules() if isinstance(module, Bottleneck)):
        x = torch.rand(2, block.a.conv.in_channels, 4, 8, 8)
        with torch.no_grad():
            torch.testing.assert_close(block(x), torch.relu(block.shortcut(x)))
