"""One trainer for all extractors: loop, losses, augmentation, checkpoints, predictions."""

from trajnb.training.fit import fit, validate
from trajnb.training.predictions import predict

__all__ = ["fit", "predict", "validate"]
