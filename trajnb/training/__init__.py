"""One trainer for all extractors: loop, losses, augmentation, checkpoints, predictions."""

from trajnb.training.fit import fit, predict, validate

__all__ = ["fit", "predict", "validate"]
