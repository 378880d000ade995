"""Data sets, their splits, and what guards them."""

from trajnb.data.dataset import Batch, ClipSet, Reordered, check, load, make

__all__ = ["Batch", "ClipSet", "Reordered", "check", "load", "make"]
