"""Data sets, their splits, and what guards them."""

from trajnb.data.batches import Resident, batches, in_memory, rendered
from trajnb.data.dataset import Batch, ClipSet, Rendered, Reordered, check, load, make

__all__ = ["Batch", "ClipSet", "Rendered", "Reordered", "Resident", "batches", "check", "in_memory", "load", "make"]
__all__ += ["rendered"]
