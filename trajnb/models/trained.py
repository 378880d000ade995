"""Weights of a finished training: written with what they were trained by, read back only as that."""

import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from trajnb import config, files, models

FILE = "final.safetensors"
ROOMS = ("world", "data", "models", "training")  # their code makes a training what it is


def device(cfg) -> torch.device:
    """Where cfg's networks are trained and evaluated: `auto` takes a GPU (cuda, then mps) if there is one.

    From then on matrix products may be in TF32 there, as torch's convolutions are, but in the head's forward pass.
    """
    torch.backends.cuda.matmul.allow_tf32 = True
    return torch.device(cfg.device if cfg.device != "auto" else devices()[0])


def devices() -> list[str]:
    """The devices that torch finds, the fastest first."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, is_there in found.items() if is_there]


def device_name(where: torch.device) -> str:
    """ "cpu", or a GPU with its model's name: what a latency or a training time was measured on."""
    return f"{where} ({torch.cuda.get_device_name(where)})" if where.type == "cuda" else str(where)


def identity(cfg) -> dict:
    """What a network is: its world, data, architecture, seed and code, as plain values."""
    names = config.AFFECTS["data"] - {"test_clips"} | {"model", "preset", "seed", "control"}
    # The code itself, not the package's version: a changed layer must not load old weights.
    code = {f"{room} code": config.code_hash([room], cfg.model) for room in ROOMS}
    return cfg.model_dump(mode="json", include=names) | code


def save(path: Path, net, cfg):
    """Write the weights as safetensors; `identity(cfg)` is their metadata."""
    # On the CPU, contiguous, and tied weights twice: the file is the same wherever the network was trained.
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in net.state_dict().items()}
    # One JSON under one name: safetensors writes several names in no fixed order, and the same training has to leave
    # the same bytes.
    metadata = {"trajnb": json.dumps({"identity": identity(cfg)})}
    files.write_bytes(path, safetensors.torch.save(weights, metadata))


def load_trained(cfg, folder=None) -> models.TrajectoryNet:
    """The trained network of cfg.model, cfg.seed and cfg.control, in eval mode on cfg's device.

    `folder`: where the training left it; the run's by default. Raises FileNotFoundError where there is none, and
    ValueError when it was trained by other code or on other data, with the names of what differs.
    """
    path = Path(folder or cfg.stage_dir(cfg.train_stage)) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent.name}/{FILE} is missing in run '{cfg.run_name}': run 02_train first")
    with safetensors.safe_open(path, "pt") as file:
        metadata = json.loads((file.metadata() or {}).get("trajnb", "{}"))
        weights = {name: file.get_tensor(name) for name in file.keys()}
    old = metadata.get("identity", {})
    differ = [name for name, value in identity(cfg).items() if old.get(name) != value]
    if differ:
        raise ValueError(f"{path.parent.name}/{FILE} was trained with another {', '.join(differ)}: run 02_train again")
    # Built anew and filled: a missing or left-over weight is an error, not a silent start from random numbers.
    net = models.build(cfg)
    net.load_state_dict(weights)
    return net.eval().to(device(cfg))
