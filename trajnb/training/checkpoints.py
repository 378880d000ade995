"""The state that resumes a run is one dict, written whole: weights, EMA, optimizer, history, parameters."""

import io
from pathlib import Path

import safetensors.torch
import torch

from trajnb import files
from trajnb.config import LIMITS, SILENT

# Parameters that change where and how fast a training runs, but not what it is.
FREE = (
    {"run_name", "models", "seeds", "controls", "threads", "device", "checkpoint_every", "test_clips"} | LIMITS | SILENT
)


def save(path: Path, net, ema, optimizer, history: list[dict], cfg):
    """Write the state after the epoch that ends `history`; `ema` may be None."""
    state = {
        "weights": net.state_dict(),
        "ema": ema.state_dict() if ema else None,
        "optimizer": optimizer.state_dict(),
        "epoch": history[-1]["epoch"],
        "step": history[-1]["step"],
        "history": history,
        "cfg": cfg.model_dump(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files.write_bytes(path, buffer.getvalue())


def restore(path: Path, net, ema, optimizer, cfg) -> list[dict]:
    """Load the state at `path` into net, ema and optimizer and return its history; [] when there is no such file.

    Raises ValueError when the state was trained with other parameters, and names them.
    """
    if not path.exists():
        return []
    state = torch.load(path, map_location="cpu", weights_only=True)
    refuse_other_parameters(path, state["cfg"], cfg.model_dump())
    net.load_state_dict(state["weights"])
    optimizer.load_state_dict(state["optimizer"])
    if ema:
        ema.load_state_dict(state["ema"])
    return state["history"]


def refuse_other_parameters(path: Path, old: dict, new: dict):
    names = sorted(name for name in old.keys() | new.keys() if name not in FREE and old.get(name) != new.get(name))
    if names:
        changes = ", ".join(f"{name} {old.get(name)} -> {new.get(name)}" for name in names)
        raise ValueError(f"{path} was trained with other parameters ({changes}): go back to them or remove the file")


def save_weights(path: Path, net):
    """Write the weights alone, as safetensors; in a marked folder with the mark (files.mark) in their metadata."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    mark = files.mark(path.parent)
    files.write_bytes(path, safetensors.torch.save(weights, {"mark": mark} if mark else None))


def load_weights(path: Path, net):
    """Read weights written by save_weights into `net`, and return it; raises RuntimeError for another net's."""
    net.load_state_dict(safetensors.torch.load_file(path))
    return net
