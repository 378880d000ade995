"""A run's record, run.json: parameters, how each stage ended, what it was made from and what it made.

Status of a run and of each stage: `running`, or how it ended: `done`; `failed` (an error, or a product missing);
`timed out` (a limit of the run); `killed` (the kernel, papermill or the runner died); `stopped` (by a person);
`not run`. A record that says `running` while nobody holds the run's lock is put right when it is looked at.
"""

import contextlib
import hashlib
import json
import os
from datetime import UTC, datetime

from trajnb import files
from trajnb.config import ParameterError

PULLED = ".pulled"  # in a folder that came from elsewhere: nobody here can know whether its runner lives


def now():
    """The time as UTC text, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(run_dir):
    """The record as it stands; {} when there is none that can be read."""
    try:
        found = files.read_json(run_dir / "run.json")
        return found if isinstance(found["stages"], dict) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def save(run_dir, found):
    """Write the record."""
    files.write_json(run_dir / "run.json", found)


def running(run_dir):
    """Whether the record says `running` and speaks of this machine."""
    return read(run_dir).get("status") == "running" and not (run_dir / PULLED).exists()


def settle(run_dir):
    """The record; one that says `running` although its runner has gone is written anew as `killed`."""
    if running(run_dir):
        with contextlib.suppress(ParameterError), lock(run_dir):
            found = read(run_dir)
            ended = [found] + [e for e in found["stages"].values() if e.get("status") == "running"]
            for entry in ended:
                entry |= {"status": "killed", "error": "its runner ended without a word: killed, or the disk was full"}
            save(run_dir, found)
    return read(run_dir)


@contextlib.contextmanager
def lock(run_dir):
    """Hold the run's folder, so that two runners never write the same files; raises ParameterError if it is held."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / ".lock", "wb") as file:
        if os.name == "posix":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                words = "is running now: wait, or write another name"
                raise ParameterError(f"run_name: {run_dir.name} {words} (-p run_name NAME).") from None
        yield


def why(stage, source, found, force=False):
    """Why a stage has to run, in words; None if its last result still holds.

    `source`: what it would be made from now (stages.sources); `found`: {stage: entry} of the record.
    """
    entry = found.get(stage.name, {})
    if force:
        return "forced"
    if entry.get("status", "not run") == "not run":
        return "no earlier result"
    if entry["status"] != "done":
        return f"last time it {ended(entry['status'])}"
    return difference(entry.get("made_from", {}), source) or damage(stage, entry.get("products", {}))


def ended(status):
    """A status as the end of a sentence: failed, timed out, was killed, was stopped, was running (elsewhere)."""
    return f"was {status}" if status in ("killed", "stopped", "running") else status


def difference(old, new):
    """What differs between two sources of a stage, in words; None if nothing does."""
    for part in ("notebook", "package"):
        if old.get(part) != new[part]:
            return f"the {part} has changed"
    before, after = old.get("parameters", {}), new["parameters"]
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    if changed:
        return ", ".join(f"{name} {short(before.get(name))} -> {short(after.get(name))}" for name in changed)
    inputs = [name for name, value in new["inputs"].items() if old.get("inputs", {}).get(name) != value]
    return f"{', '.join(inputs)} has changed" if inputs else None


def short(value):
    """A parameter's value in a line; the default, when it was not given to the stage."""
    return "default" if value is None else str(value)[:40]


def damage(stage, products):
    """Which file of a stage's result is missing or no longer what was written, in words; None if all are whole."""
    for path in [stage.result, *stage.product_paths()]:
        if not path.is_file():
            return f"{path.parent.name}/{path.name} is missing"
    for path in stage.product_paths():
        if products.get(path.name) != files.sha256(path):
            return f"{path.parent.name}/{path.name} is not as it was written"
    return None


def mark(run_dir):
    """{"forced": why} of a run in which any stage's products are marked (files.mark), else {}."""
    marks = [text for path in sorted(run_dir.glob(f"*/{files.MARK}")) if (text := files.mark(path.parent))]
    return {"forced": marks[0]} if marks else {}


def products(stage):
    """{file name: SHA-256} of what a stage has made; raises FileNotFoundError."""
    return {path.name: files.sha256(path) for path in stage.product_paths()}


def result_hash(entry):
    """One SHA-256 of a stage's products, as the record has them: what the stages that need it depend on."""
    return hashlib.sha256(json.dumps(entry.get("products", {}), sort_keys=True).encode()).hexdigest()


def cells(path):
    """The code cells of an executed notebook; [] when it is missing or no whole file."""
    try:
        return [cell for cell in json.loads(path.read_bytes())["cells"] if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError):
        return []
