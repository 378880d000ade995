"""Where a long computation is: a bar for a person, plain lines with the time left for a log."""

import os
import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 60.0


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


class Progress:
    """Counts to `total` of `unit`: a bar with the time left for a person; for a log, a line a minute and `line()`s.

    `done`: how much of `total` an earlier process had done. Plain tqdm rather than its Jupyter widget: a widget's state
    does not survive in a rendered notebook.
    """

    def __init__(self, total, label, unit="it", done=0):
        self.total, self.label, self.unit = total, label, unit
        self.done, self.before = done, done  # the time left is estimated from what this process has done
        self.started = self.last_line = time.monotonic()
        options = {"total": total, "initial": done, "desc": label, "unit": unit, "leave": False}
        self.bar = tqdm(**options, file=stream()) if interactive() else None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()

    def update(self, count=1, **values):
        """Advance by `count`; `values` (short numbers or text) stand beside the bar and in the lines."""
        self.done += count
        if self.bar is not None:
            self.bar.set_postfix(values, refresh=False)
            self.bar.update(count)
        elif time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES:
            self.line(self.describe(values))

    def line(self, text):
        """Print one line of plain text, above the bar if there is one."""
        self.last_line = time.monotonic()
        tqdm.write(text) if self.bar is not None else print(text, flush=True)

    def describe(self, values):
        """One line: label, count, time left, values."""
        rate = (self.done - self.before) / max(time.monotonic() - self.started, 1e-9)
        left = f", about {duration((self.total - self.done) / rate)} left" if rate else ""
        numbers = "".join(f", {name.replace('_', ' ')} {value}" for name, value in values.items())
        return f"{self.label}: {self.unit} {self.done:,} of {self.total:,}{left}{numbers}"
