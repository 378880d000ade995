"""Data sets, their splits, and what guards them."""

from trajnb.data.batches import batches, in_memory
from trajnb.data.dataset import Batch, ClipSet, Rendered, Reordered, check, load, make

__all__ = ["Batch", "ClipSet", "Rendered", "Reordered", "batches", "check", "in_memory", "load", "make"]
