"""The state that resumes a training run: one dict, written whole into a file whose name holds the hash of its bytes.

checkpoints/step-00000438-<16 digits of SHA-256>.pt: a file that was cut, swapped or changed by one bit does not have
the hash of its name; it is reported, set aside, and the newest whole one is used instead.
"""

import hashlib
import io
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from trajnb import files

FOLDER, DIGITS = "checkpoints", 16
HASHED = 1000  # clips whose positions count: a million take ten seconds to draw
KEPT = 2  # newest checkpoints: one may be damaged
NAME = re.compile(rf"step-(\d{{8}})-([0-9a-f]{{{DIGITS}}})\.pt")


@dataclass
class TrainState:
    """How far a training run is: one row for each whole epoch, then what was measured in the steps of the next one."""

    history: list = field(default_factory=list)
    step: int = 0  # steps done of the epoch after those of `history`
    losses: list = field(default_factory=list)  # 0-dimensional tensors on the device: reading them would wait for it
    correct: list = field(default_factory=list)  # shares of correct classes, likewise
    seconds: float = 0.0  # of the epoch so far
    random: dict = field(default_factory=dict)  # torch's random states after that step


class Checkpoints:
    """Saves and restores a training run; `identity` {what: value} must agree to resume."""

    def __init__(self, folder, net, optimizer, cfg, identity):
        self.folder, self.parts = Path(folder), {"weights": net, "optimizer": optimizer}
        self.cfg, self.identity, self.last = cfg, identity, time.monotonic()

    def save(self, state: TrainState) -> Path:
        """Write the state as it is now, then remove all but the KEPT newest. Returns the checkpoint's path."""
        losses, correct = (torch.stack(part).cpu() if part else [] for part in (state.losses, state.correct))
        content = {name: part.state_dict() for name, part in self.parts.items()}
        # A network may draw in its forward pass, as dropout does: a resumed run goes on with the same numbers.
        random = {"cpu": torch.get_rng_state(), "gpus": torch.cuda.get_rng_state_all()}
        content |= {"state": vars(state) | {"losses": losses, "correct": correct, "random": random}}
        content |= {"threads": torch.get_num_threads(), "identity": self.identity}
        buffer = io.BytesIO()  # in memory first: the name needs the hash of all bytes
        torch.save(content, buffer)
        done = (state.history[-1]["step"] if state.history else 0) + state.step
        name = f"step-{done:08d}-{digest(buffer.getvalue())}.pt"
        path = files.write_bytes(self.folder / FOLDER / name, buffer.getvalue())
        for old in [one for one in written(self.folder) if one != path][KEPT - 1 :]:
            files.remove(old)
        self.last = time.monotonic()
        return path

    def restore(self) -> TrainState:
        """Load the newest whole checkpoint; an empty TrainState when there is none.

        Raises ValueError when it was trained with other parameters, clips or code, with both values of each.
        """
        content = newest(self.folder)
        if content is None:
            return TrainState()
        # Before anything is loaded: half of another training run would be in no state at all.
        old, new = content["identity"], self.identity
        differ = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        if differ:
            changes = ", ".join(f"{name} {old.get(name)} -> {new.get(name)}" for name in differ)
            raise ValueError(
                f"{self.folder.name}/{FOLDER} was trained with other parameters ({changes}): "
                "go back to them or remove the folder"
            )
        for name, part in self.parts.items():
            part.load_state_dict(content[name])
        if not self.cfg.threads:
            torch.set_num_threads(content["threads"])  # another number of threads adds up in another order
        device = next(self.parts["weights"].parameters()).device
        lists = {name: [x.to(device) for x in content["state"][name]] for name in ("losses", "correct")}
        return TrainState(**content["state"] | lists)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def data_hash(clips) -> str:
    """16 digits of a hash of what a set of clips teaches: its labels, and of a large set some positions."""
    return digest(clips.label_N.tobytes() + clips.spread(HASHED).track_NFx3.tobytes())


def written(folder: Path) -> list[Path]:
    """The checkpoints in a training run's folder, the newest first."""
    paths = [path for path in (Path(folder) / FOLDER).glob("step-*.pt") if NAME.fullmatch(path.name)]
    return sorted(paths, key=lambda path: (path.name[:13], path.stat().st_mtime_ns), reverse=True)


def newest(folder: Path) -> dict | None:
    """The content of the newest whole checkpoint, or None; prints a line for each damaged one."""
    for path in written(folder):
        try:
            content = path.read_bytes()
            if digest(content) == NAME.fullmatch(path.name)[2]:
                return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # runs no pickled code
            problem = "is not as it was written"
            path.rename(path.with_suffix(".damaged"))  # else it would count as kept and push a whole one out
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        print(f"checkpoint {path.name} {problem}: going on from an older one", flush=True)
    return None
