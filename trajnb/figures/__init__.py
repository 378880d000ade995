"""The plots of notebooks 00 to 03, one function each; each takes the data to draw and returns a matplotlib Figure."""

from trajnb.figures.data import class_balance, film_strips, image_paths, nuisances, single_frames, world_paths
from trajnb.figures.evaluation import (
    confusion,
    error_by_step,
    futures,
    learning_curves,
    learning_speed,
    reconstructions,
    regions,
    reliability,
    standing,
    tradeoffs,
)
from trajnb.figures.style import save
from trajnb.figures.tour import predictions, scene

__all__ = ["class_balance", "confusion", "error_by_step", "film_strips", "futures", "image_paths", "learning_curves"]
__all__ += ["learning_speed", "nuisances", "predictions", "reconstructions", "regions", "reliability"]
__all__ += ["save", "scene", "single_frames", "standing", "tradeoffs", "world_paths"]
