"""R3D-18 of torchvision (pip install torchvision), randomly initialised, up to its third stage: grids of 4x8x8."""

from torch import nn
from torchvision.models.video import r3d_18


class R3D(nn.Module):
    num_features = 256

    def __init__(self):
        super().__init__()
        net = r3d_18()
        self.stem, self.stages = net.stem, nn.Sequential(net.layer1, net.layer2, net.layer3)

    def forward(self, video_BCTHW):
        return self.stages(self.stem(video_BCTHW.repeat(1, 3, 1, 1, 1))).permute(0, 2, 3, 4, 1)
