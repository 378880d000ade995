"""Where a run is: a bar for a person, plain lines for a log, a small file for a program."""

import contextlib
import math
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
from tqdm import tqdm

from trajnb import files

SECONDS_BETWEEN_FILES = 2.0


def interactive():
    """True for a terminal or a JupyterLab kernel; False under papermill, nbval and pipes, or when TQDM_DISABLE is set.

    A Jupyter server names its session to the kernel; papermill and nbval do not.
    """
    if os.environ.get("TQDM_DISABLE"):
        return False
    return "JPY_SESSION_NAME" in os.environ or sys.stderr.isatty()


def stream():
    """Where a bar is drawn: a notebook shows what goes to stderr in red, and the bar's rest beside the lines."""
    return sys.stdout if "JPY_SESSION_NAME" in os.environ else sys.stderr


def duration(seconds):
    """Seconds as a person says them: 48 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    return f"{minutes} min {whole % 60} s" if minutes < 60 else f"{hours} h {minutes % 60} min"


def lines(state, folder):
    """A state as lines for a person; `folder`: whose disk may become full."""
    yield f"{state['label']}: {state['unit']} {state['done']:,} of {state['total']:,}"
    left = state["seconds_left"]
    yield f"{duration(state['seconds'])} so far" + ("" if left is None else f", about {duration(left)} left")
    yield from (f"{name.replace('_', ' ')}: {value}" for name, value in state["values"].items())
    memory, disk = (psutil.Process().memory_info().rss, shutil.disk_usage(folder).free)
    yield f"memory taken: {memory / 2**20:,.0f} MB, disk free: {disk / 2**20:,.0f} MB"
    yield f"last sign of life: {state['updated']}"


class Progress:
    """Counts to `total` of `unit`: a bar with the time left for a person, only `line()`s where nobody watches.

    `done` of it may have been done before. `path`, if given, holds the state as JSON, and PROGRESS.txt beside it says
    the same to people; both are written every two seconds at most, and at the end. Plain tqdm rather than its Jupyter
    widget: a widget's state does not survive in a rendered notebook.
    """

    def __init__(self, total, label, unit="it", path=None, done=0):
        self.total, self.label, self.unit, self.path = total, label, unit, path
        self.done, self.before, self.values = done, done, {}  # what was done before says nothing of the time left
        self.started = time.monotonic()
        self.last_file = -float("inf")
        self.bar = (
            tqdm(total=total, initial=done, desc=label, unit=unit, leave=False, file=stream())
            if interactive()
            else None
        )
        self.write_file()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def update(self, count=1, **values):
        """Advance by `count`; `values` (short numbers or text) stand beside the bar and in the file."""
        self.done += count
        self.values.update(values)
        if self.bar is not None:
            self.bar.set_postfix(self.values, refresh=False)
            self.bar.update(count)
        if time.monotonic() - self.last_file >= SECONDS_BETWEEN_FILES:
            self.write_file()

    def line(self, text):
        """Print one line of plain text, above the bar if there is one."""
        tqdm.write(text) if self.bar is not None else print(text, flush=True)

    def close(self):
        """Take the bar away and write the last state."""
        if self.bar is not None:
            self.bar.close()
        self.write_file()

    def state(self):
        """What the file holds: label, done, total, unit, seconds, seconds_left (None before the first step), values."""
        seconds = time.monotonic() - self.started
        now = self.done - self.before
        left = seconds / now * (self.total - self.done) if now else None
        counts = {"label": self.label, "done": self.done, "total": self.total, "unit": self.unit}
        times = {"seconds": round(seconds, 1), "seconds_left": left if left is None else round(left, 1)}
        times |= {"updated": datetime.now(UTC).isoformat(timespec="seconds")}
        readable = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in self.values.items()}
        return counts | times | {"values": readable}

    def write_file(self):
        """Write the state to `path`, and beside it as PROGRESS.txt for people; atomically.

        It is no result: a disk that is full must not end a training for it.
        """
        self.last_file = time.monotonic()
        if self.path is not None:
            state = self.state()
            with contextlib.suppress(OSError):
                files.write_json(self.path, state)
                text = "\n".join(lines(state, Path(self.path).parent)) + "\n"
                files.write_text(Path(self.path).with_name("PROGRESS.txt"), text)
