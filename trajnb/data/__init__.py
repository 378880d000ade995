"""Data sets, splits, and the audit that guards them."""

from trajnb.data.dataset import Batch, ClipSet, Reordered, load, make

__all__ = ["Batch", "ClipSet", "Reordered", "load", "make"]
