"""The plots of notebooks 00 to 03, one function each; each takes the data to draw and returns a matplotlib Figure."""

from trajnb.figures.data import film_strips, image_paths, nuisances
from trajnb.figures.evaluation import confusion, futures, learning_curves, learning_speed, reliability
from trajnb.figures.style import save

__all__ = ["confusion", "film_strips", "futures", "image_paths", "learning_curves", "learning_speed", "nuisances"]
__all__ += ["reliability", "save"]
