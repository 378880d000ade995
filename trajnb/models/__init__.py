"""Four extractors and one head: a dict picks, `build` joins."""

import torch
from torch import nn

from trajnb.models import i3d, magvit, own, slowfast, transformer
from trajnb.models.arithmetic import autocast
from trajnb.models.head import Head

EXTRACTORS = {
    "transformer": transformer.Transformer,
    "i3d": i3d.I3D,
    "slowfast": slowfast.SlowFast,
    "magvit": magvit.Magvit,
}
FILES = (transformer, i3d, slowfast, magvit)
PRESETS = {name: file.PRESETS for name, file in zip(EXTRACTORS, FILES, strict=True)}


class TrajectoryNet(nn.Module):
    """Clip (B, C, T, H, W) in [0, 1] -> (Output, aux): what moves how and where it goes; `aux` may hold "loss".

    `precision` is the extractor's arithmetic in training (`arithmetic.autocast`); predictions are never in bfloat16.
    """

    def __init__(self, extractor: nn.Module, head: Head, precision: str = "float32"):
        super().__init__()
        self.extractor, self.head, self.precision = extractor, head, precision

    def forward(self, video_BCTHW):
        # Two steps, so that attention maps can look at the grid between them.
        grid_BTHWD, aux = self.features(video_BCTHW)
        return self.head(grid_BTHWD), aux

    def features(self, video_BCTHW):
        """The extractor's grid (B, T, H, W, D) and aux."""
        with autocast(self.precision if self.training else "float32", video_BCTHW):
            return self.extractor(video_BCTHW)


def build(cfg) -> TrajectoryNet:
    """The net of cfg.model and cfg.preset for clips of cfg.frames x cfg.size.

    Raises ValueError when the preset is made for clips of another size, or when the size does not divide, and for a
    file of one's own that holds no such network.
    """
    clip, preset = {"frames": cfg.frames, "size": cfg.size}, PRESETS.get(cfg.model, {}).get(cfg.preset, {})
    for name, value in clip.items():
        if preset.get(name, value) != value:
            raise ValueError(f"{cfg.model} {cfg.preset} reads {name} {preset[name]}, these clips have {name} {value}")
    # Forked: the initialisation depends on cfg.seed alone, whatever was drawn before.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        extractor = own.load(cfg.model) if ":" in cfg.model else EXTRACTORS[cfg.model](**(clip | preset))
        head = Head(features=extractor.num_features, classes=len(cfg.motions), frames=cfg.frames, horizon=cfg.horizon)
    return TrajectoryNet(extractor, head, cfg.precision)
