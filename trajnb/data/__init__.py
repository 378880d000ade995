"""Data sets, splits, and what guards them."""

from trajnb.data.dataset import Batch, ClipSet, load, make

__all__ = ["Batch", "ClipSet", "load", "make"]
