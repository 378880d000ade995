"""Where a long computation is: tqdm's bar for a person, for a log a plain line a minute with the time left."""

import os
import sys

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 60.0


def interactive():
    """True for a terminal or a JupyterLab kernel; False under papermill, nbval and pipes, or with TQDM_DISABLE set."""
    watched = "JPY_SESSION_NAME" in os.environ or sys.stderr.isatty()  # the name comes from a Jupyter server alone
    return watched and not os.environ.get("TQDM_DISABLE")


def progress(total, label, unit="it", done=0):
    """A tqdm counter to `total` of `unit`; `done`: how much of it an earlier process had done.

    Plain tqdm rather than its Jupyter widget: a widget's state does not survive in a rendered notebook.
    """
    options = {"total": total, "initial": done, "desc": label, "unit": unit, "leave": False, "disable": False}
    if interactive():  # a notebook shows what goes to stderr in red
        return tqdm(**options, file=sys.stdout if "JPY_SESSION_NAME" in os.environ else sys.stderr)
    line = "{desc}: {unit} {n_fmt} of {total_fmt}, about {remaining} left{postfix}\n"
    seconds = dict.fromkeys(("mininterval", "maxinterval", "delay"), SECONDS_BETWEEN_LINES)
    return tqdm(**options, **seconds, file=sys.stdout, bar_format=line)


def write_line(text):
    """Print one line of plain text, above the bar if there is one."""
    tqdm.write(text) if interactive() else print(text, flush=True)
