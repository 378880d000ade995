"""A stage as the run's page shows it: how it ended, what went wrong, and its notebook, if that is whole."""

import re
from dataclasses import dataclass, field

from trajnb.report import notebook

FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # what a stage may be called to have a folder
QUIET = ("done", "running", "not run")  # statuses that are no alarm
ERROR_LINES = 16  # of what ended a stage; the runner keeps no more
LONGEST_LINE = 300


@dataclass
class Stage:
    """A stage. `page`: link to its notebook's page, or None; `note`: what is wrong with its files, or nothing."""

    name: str
    status: str
    seconds: str
    error: str = ""
    note: str = ""
    page: str | None = None
    notebook: object = None
    cells: list = field(default_factory=list)

    @property
    def done(self):
        """True if what it left may be shown as a result."""
        return self.status == "done" and FOLDER.fullmatch(self.name) is not None

    @property
    def failed_cell(self):
        """The cell that raised, or None."""
        return next((cell for cell in self.cells if cell.failed), None)


def read(run_dir, name, status, seconds, error):
    """A stage from what run.json says and from its folder."""
    found = Stage(name, status, seconds, first_lines(error) if status != "done" else "")
    if not FOLDER.fullmatch(name):
        found.note = "no folder can have this name"
        return found
    try:
        found.notebook = notebook.read(run_dir / name)
    except ValueError as broken:  # then its page says so
        found.note, found.page = str(broken), f"{name}/{notebook.PAGE}"
        return found
    if found.notebook is not None:
        found.cells, found.page = notebook.cells(found.notebook), f"{name}/{notebook.PAGE}"
    elif status == "done":
        found.note = "its notebook is missing"
    return found


def first_lines(error):
    """The first lines of an error, none of them endless, without a terminal's colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", error)
    return "\n".join(line[:LONGEST_LINE] for line in plain.splitlines()[:ERROR_LINES])
