"""I3D is inflated Inception-v1: count, end points, SAME padding on odd sizes, inflation."""

import pytest
import torch
from torch import nn

from trajnb.models.i3d import I3D, PRESETS, Mixed, Pool, same_padding

# End points of 64 frames of 224 x 224 as in the authors' table: (channels, time, side).
END_POINTS = """64,32,112 64,32,56 64,32,56 192,32,56 192,32,28 256,32,28 480,32,28 480,16,14 512,16,14 512,16,14
512,16,14 528,16,14 832,16,14 832,8,7 832,8,7 1024,8,7""".split()


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return I3D(**PRESETS["paper"])


def test_paper_preset_has_the_papers_parameters_and_end_points(paper):
    assert sum(weight.numel() for weight in paper.parameters()) == 12_287_264
    assert sum(isinstance(layer, Mixed) for layer in paper.layers) == 9
    x, result = torch.zeros(1, 3, 64, 224, 224, device="meta"), []
    for layer in paper.layers:
        x = layer(x)
        result.append(f"{x.shape[1]},{x.shape[2]},{x.shape[4]}")
    assert result == END_POINTS


def test_paper_preset_starts_as_sonnet_does(paper):
    """Normal of deviation 1 / sqrt(inputs) cut at two of them; running averages with decay 0.999."""
    assert {module.momentum for module in paper.modules() if isinstance(module, nn.BatchNorm3d)} == {0.001}
    for unit in I3D(frames=16, size=32, stages=((), (), ()), from_scratch=False).layers[:4:3]:  # 1a and 2c
        weight = unit.conv.weight * unit.conv.weight[0].numel() ** 0.5
        assert weight.std().item() == pytest.approx(0.88, abs=0.03)
        assert 1.9 < weight.abs().max().item() <= 2


@pytest.mark.parametrize("n", [7, 8, 9, 13, 14, 15])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (2, 2), (3, 1)])
def test_same_padding_leaves_the_ceiling(n, kernel, stride):
    """ceil(n / stride) cells, the odd zero at the back: the rule stated by hand for one axis."""
    front, back = same_padding((n,), (kernel,), (stride,))
    cells = -(-n // stride)
    assert front + back == max((cells - 1) * stride + kernel - n, 0) and back - front in (0, 1)
    padded = nn.functional.pad(torch.zeros(1, 1, n), (front, back))
    assert nn.functional.max_pool1d(padded, kernel, stride).numel() == cells


def test_even_sizes_are_padded_at_the_back_alone():
    """The first window of 3 starts at the first pixel, the last one holds a zero."""
    x = torch.arange(1.0, 9.0).view(1, 1, 1, 1, 8).expand(1, 1, 1, 8, 8)
    assert Pool((1, 3, 3), (1, 2, 2))(x)[0, 0, 0, 0].tolist() == [3, 5, 7, 8]
