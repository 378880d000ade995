"""Where a run is, for a person who looks from outside: each stage, how far it is, and how long it still takes."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

from trajnb import files
from trajnb.progress import duration
from trajnb.runs import record

SECONDS_BETWEEN_LOOKS = 2.0
STALE_S = 60.0  # without a step: worth a look, unless it validates on many clips
SYNC = Path(".sync", "state.json")  # what the pusher says; of this machine, so never pushed


def latest(outputs):
    """The folder of the run whose record is the youngest; None where there is no run."""
    found = sorted(outputs.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    return found[-1].parent if found else None


def lines(run_dir):
    """A run's state as lines of text: its own, then one for each stage, then what went wrong."""
    return told(run_dir, record.settle(run_dir))


def told(run_dir, found):
    """`lines` of a record as it is; the runner itself must not settle what it is about to write."""
    if not found:
        yield f"run {run_dir.name}: its record, run.json, cannot be read: run it again"
        return
    stages = found["stages"]
    done = sum(entry["status"] == "done" for entry in stages.values())
    seconds = sum(entry.get("seconds", 0) for entry in stages.values())
    yield f"run {found['run']}: {found['status']}, {done} of {len(stages)} stages done, {duration(seconds)} in them"
    width = max(map(len, stages), default=0)
    for name, entry in stages.items():
        how = f"{name:{width}}  {entry['status']:9}"
        if entry["status"] == "running":
            yield f"  {how}  {duration(since(entry['started'])):>12}  {under_way(run_dir / name)}"
        else:
            yield f"  {how}  {duration(entry['seconds']) if 'seconds' in entry else '':>12}".rstrip()
    yield from pushed(run_dir)
    yield from pulled(run_dir)
    for name, entry in stages.items():
        if entry.get("error"):
            yield f"\n{name} {entry['status']}: {entry['error']}"
    if found.get("error") and not any(entry.get("error") for entry in stages.values()):
        yield f"\n{found['error']}"
    if found["status"] not in ("running", "done"):
        yield "\nThe same command goes on from there: what is done is skipped, a training resumes at its checkpoint."


def pushed(run_dir):
    """How far the pusher is (sync.py), in a line; none where nothing was ever pushed."""
    try:
        found = files.read_json(run_dir / SYNC)
        silent = since(found["updated"])
    except (OSError, ValueError, KeyError):
        return
    last = f"last whole {duration(since(found['arrived']))} ago" if found["arrived"] else "nothing whole arrived yet"
    words = {
        "verified": f"all {found['files']} files are there, read again and whole",
        "whole": f"all {found['files']} files are there",
        "behind": f"REMOTE AWAY, {last}, {found['error']}; the run itself goes on",
    }.get(found["state"], f"{found['state']}, {found['waiting']} files wait, {last}")
    lost = found["state"] not in ("verified", "behind") and silent > STALE_S
    yield f"sync: {words}" + (f"; NO WORD for {duration(silent)}" if lost else "")


def pulled(run_dir):
    """How old the news of a folder is that was pulled (remote.py), in a line; none of one that was made here."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        found = files.read_json(run_dir / record.PULLED)
        yield f"pulled: as {found['url']} had it {duration(since(found['pushed']))} ago"


def since(moment):
    """Seconds from a moment of the record until now."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def under_way(folder):
    """How far a running stage is: its notebook's cells, a training's steps with the time left."""
    code = record.cells(folder / "notebook.running.ipynb")
    through = sum(cell["metadata"].get("papermill", {}).get("status") == "completed" for cell in code)
    said = [f"cell {through + 1} of {len(code)}"] if code and through < len(code) else []
    try:
        state = files.read_json(folder / "progress.json")
    except (OSError, ValueError):
        state = {}
    if state.get("seconds_left") is not None and state["done"] < state["total"]:
        share = f"{state['unit']} {state['done']} of {state['total']} ({state['done'] / state['total']:.0%})"
        said += [share, f"about {duration(state['seconds_left'])} left"]
    steps = state.get("unit") == "step" and state.get("updated") and state["done"] < state["total"]
    silent = since(state["updated"]) if steps else 0
    said += [f"NO STEP for {duration(silent)}"] if silent > STALE_S else []
    return ", ".join(said) or "starting"


def watch(run_dir, show, seconds=SECONDS_BETWEEN_LOOKS):
    """Call `show(lines)` every few seconds until the run no longer runs."""
    while True:
        show(list(lines(run_dir)))
        if not record.running(run_dir):  # `lines` has put it right
            return
        time.sleep(seconds)
