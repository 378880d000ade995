"""Every plot a notebook shows, one function each; each takes what it draws and returns a matplotlib Figure."""

from trajnb.figures.data import class_balance, film_strips, image_paths, nuisances, single_frames, world_paths
from trajnb.figures.evaluation import (
    confusion,
    error_by_step,
    futures,
    race,
    reconstructions,
    regions,
    reliability,
    standing,
    tradeoffs,
)
from trajnb.figures.style import save
from trajnb.figures.tour import answer, answers, scene
from trajnb.figures.training import learning_curves

__all__ = ["answer", "answers", "class_balance", "confusion", "error_by_step", "film_strips", "futures", "image_paths"]
__all__ += ["learning_curves", "nuisances", "race", "reconstructions", "regions", "reliability", "save", "scene"]
__all__ += ["single_frames", "standing", "tradeoffs", "world_paths"]
