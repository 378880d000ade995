"""The state that resumes a run is one dict, written whole into a file whose name holds the hash of its bytes.

checkpoints/step-00000438-<16 digits of SHA-256>.pt: no second file can disagree with the first, and a file that was
cut, swapped or changed by one bit is known for it, named, and passed over for the newest whole one.
"""

import hashlib
import io
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from trajnb import files
from trajnb.config import LIMITS, ONE_STAGE, SILENT

FOLDER, DIGITS = "checkpoints", 16
NAME = re.compile(rf"step-(\d{{8}})-([0-9a-f]{{{DIGITS}}})\.pt")
# Parameters that change where and how fast a training runs, but not what it is.
FREE = {"run_name", "models", "seeds", "controls", "threads", "device", "test_clips"} | LIMITS | SILENT
FREE |= {*ONE_STAGE, "checkpoint_every", "checkpoint_seconds", "checkpoints_kept"}


@dataclass
class Place:
    """How far a training is: whole epochs, a row each; then steps of the next, their losses, hits and seconds."""

    history: list = field(default_factory=list)
    step: int = 0  # steps done of the epoch after those of `history`
    losses: list = field(default_factory=list)
    hits: list = field(default_factory=list)
    seconds: float = 0.0
    random: dict = field(default_factory=dict)  # torch's random states after that step

    def add(self, loss, hits, seconds):
        """Count one more step; `seconds` are those of the epoch so far."""
        self.losses.append(loss)
        self.hits.append(hits)
        self.step, self.seconds = self.step + 1, seconds


class Checkpoints:
    """Keeps and brings back a training's state. `ema` may be None; `data` {what: hash} of the clips it learns from."""

    def __init__(self, folder, net, ema, optimizer, cfg, data):
        self.folder, self.parts = Path(folder), {"weights": net, "ema": ema, "optimizer": optimizer}
        self.cfg, self.data, self.last = cfg, data, time.monotonic()

    def due(self) -> bool:
        """Whether checkpoint_seconds have gone by since the last one."""
        return bool(self.cfg.checkpoint_seconds) and time.monotonic() - self.last > self.cfg.checkpoint_seconds

    def save(self, place: Place) -> Path:
        """Write the state as it is now, then remove what is no longer kept. Returns the checkpoint's path."""
        losses, hits = (torch.stack(part).cpu() if part else [] for part in (place.losses, place.hits))
        state = {name: part and part.state_dict() for name, part in self.parts.items()}
        state |= {"place": vars(place) | {"losses": losses, "hits": hits, "random": random_states()}}
        state |= {"threads": torch.get_num_threads(), "cfg": self.cfg.model_dump(), "data": self.data}
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        done = (place.history[-1]["step"] if place.history else 0) + place.step
        path = files.write_bytes(self.folder / FOLDER / f"step-{done:08d}-{digest(content)}.pt", content)
        prune(path, place.history, self.cfg.checkpoints_kept)
        self.last = time.monotonic()
        return path

    def restore(self) -> Place:
        """Bring back the newest whole checkpoint; an empty Place when there is none.

        With `threads: 0` the training goes on with as many threads as it began with. Raises ValueError when it was
        trained with other parameters or clips, and names them.
        """
        state = newest(self.folder)
        if state is None:
            return Place()
        refuse_others(self.folder, state["cfg"] | state["data"], self.cfg.model_dump() | self.data)
        for name, part in self.parts.items():
            if part:
                part.load_state_dict(state[name])
        if not self.cfg.threads:
            torch.set_num_threads(state["threads"])
        device = next(self.parts["weights"].parameters()).device
        lists = {name: [one.to(device) for one in state["place"][name]] for name in ("losses", "hits")}
        return Place(**state["place"] | lists)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def data_hash(clips) -> str:
    """What a set of clips asks of a network: 16 digits of a hash of its labels and positions."""
    parts = (np.ascontiguousarray(part).tobytes() for part in (clips.label_N, clips.track_NFx3))
    return digest(b"".join(parts))


def prune(just: Path, history: list[dict], kept: int):
    """Remove all checkpoints but the newest `kept` and the one after the epoch with the smallest validation loss.

    `just`: the one just written, which stays whatever else there is.
    """
    others = [path for path in written(just.parent.parent) if path != just]
    best = min(history, key=lambda row: row["val_loss"])["step"] if history else None
    for path in others[kept - 1 :]:
        if int(NAME.fullmatch(path.name)[1]) != best:
            files.remove(path)


def written(folder: Path) -> list[Path]:
    """The checkpoints in a training's folder, the newest first."""
    found = [path for path in (Path(folder) / FOLDER).glob("step-*.pt") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (path.name[:13], path.stat().st_mtime_ns), reverse=True)


def newest(folder: Path) -> dict | None:
    """The state in the newest whole checkpoint, or None.

    Damaged ones are named in a line and called .damaged, so that they never push a whole one out.
    """
    for path in written(folder):
        try:
            content = path.read_bytes()
            if digest(content) == NAME.fullmatch(path.name)[2]:
                return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            why = "is not as it was written"
            path.rename(path.with_suffix(".damaged"))
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
        print(f"checkpoint {path.name} {why}: going on from an older one", flush=True)
    return None


def refuse_others(folder: Path, old: dict, new: dict):
    names = sorted(name for name in old.keys() | new.keys() if name not in FREE and old.get(name) != new.get(name))
    if names:
        changes = ", ".join(f"{name} {old.get(name)} -> {new.get(name)}" for name in names)
        where = f"{Path(folder).name}/{FOLDER}"
        raise ValueError(f"{where} was trained with other parameters ({changes}): go back to them or remove the folder")


def random_states() -> dict:
    """torch's random states, of the processor and of every GPU."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "gpus": gpus}


def set_random_states(states: dict):
    """Put torch's random states back."""
    torch.set_rng_state(states["cpu"])
    if states["gpus"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["gpus"])
