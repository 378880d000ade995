"""Small networks, and clips to explain them on."""

import pytest
import torch

from trajnb import models
from trajnb.attention.layers import Explained
from trajnb.config import Config
from trajnb.models.head import Head
from trajnb.models.transformer import Transformer

CFG = Config()
SHAPE = (CFG.frames, CFG.size, CFG.size)


def moved(net):
    """Weights moved a little: those initialised at zero pass no gradient."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    return net


@pytest.fixture(scope="session", params=models.EXTRACTORS)
def explained(request):
    """Each extractor with its name, nano, untrained."""
    network = Explained(moved(models.build(CFG.replace(model=request.param))), SHAPE)
    network.name = request.param
    return network


@pytest.fixture(scope="session")
def clips(clips):
    """Two of each class."""
    return clips.take(slice(8))


@pytest.fixture(scope="session")
def video():
    return torch.rand(2, 1, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def tiny():
    """A Transformer for 6 frames of 24 x 24; weights moved."""
    torch.manual_seed(0)
    extractor = Transformer(frames=6, size=24, tubelet=(2, 8, 8), width=24, depth=2, heads=2, mlp_ratio=2)
    head = Head(features=24, classes=4, frames=6, horizon=3, width=24, heads=2)
    return Explained(moved(models.TrajectoryNet(extractor, head)), (6, 24, 24))
