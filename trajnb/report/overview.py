"""All runs side by side: how they ended, in which parameters they differ, what their networks reached."""

import itertools
import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trajnb.config import Config, ParameterError
from trajnb.report import report, results

WIDTH = 100  # characters of a terminal that a table may take
CELL = 16  # characters of a cell, then it goes on below
GAP = "  "
LONGEST_HEAD = 40
SCORES = {"top-1": ("test_top1", ".3f"), "ADE px": ("ade_px", ".2f")}
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Past:
    """One run. `ended`: a moment in UTC, or None; `networks` {model: {column of the leaderboard: number}}, best first.

    `changed` {parameter: value} differs from the smoke defaults; `problem`: why the run cannot be read, or nothing;
    `forced`: what the audit found severe in its data, or nothing.
    """

    name: str
    status: str
    ended: datetime | None = None
    smoke: bool = False
    seconds: float = 0.0
    changed: dict = field(default_factory=dict)
    networks: dict = field(default_factory=dict)
    problem: str = ""
    forced: str = ""

    @property
    def date(self):
        """When it ended, to the minute; empty where nobody knows."""
        return minute(self.ended)

    @property
    def best(self):
        """(model, its numbers) of the network with the highest top-1, or None."""
        return next(iter(self.networks.items()), None)


def past(outputs_dir):
    """The runs in a folder as a list of Past, the latest first, then those without a date by name."""
    runs = [read(path.parent) for path in sorted(outputs_dir.glob("*/run.json"))]
    return sorted(runs, key=lambda run: -run.ended.timestamp() if run.ended else 0.0)


def read(run_dir):
    """One run as far as its files tell."""
    try:
        run, table = results.record(run_dir), results.leaderboard(run_dir)
    except (OSError, ParameterError) as error:
        return Past(run_dir.name, UNREADABLE, problem=str(error))
    seconds = sum(entry.get("seconds", 0.0) for entry in run["stages"].values())
    changed = {name: report.written(value) for name, value in report.changed(run).items() if name != "run_name"}
    networks = {} if table is None else scores(table)
    ended, forced = moment(run.get("ended")), run.get("forced") or ""
    return Past(run_dir.name, run["status"], ended, report.smoke(run), seconds, changed, networks, forced=forced)


def scores(table):
    """{model: {column: number}} of a leaderboard's networks."""
    columns = ["test_top1", "test_top1_low", "test_top1_high", "ade_px"]
    networks, _, _ = report.contenders(table)
    return networks.set_index("model")[columns].to_dict("index")


def moment(text):
    """A moment of the record in UTC; None where it says none."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def minute(moment):
    """A moment to the minute; empty for None."""
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def sides(rows):
    """Lines (what, [one cell for each run]) of all that can be read: how it ended, scores, parameters that differ."""
    rows = [row for row in rows if not row.problem]
    yield "status", [row.status + ", smoke run" * row.smoke + ", FORCED" * bool(row.forced) for row in rows]
    yield "ended, UTC", [row.date for row in rows]
    yield "stages, s", [f"{row.seconds:,.0f}" for row in rows]
    for (title, (column, form)), model in itertools.product(SCORES.items(), models(rows)):
        yield f"{title} {model}", [shown(row, model, column, form) for row in rows]
    for name in dict.fromkeys(name for row in rows for name in row.changed):
        values = [value_of(row, name) for row in rows]
        if len(set(values)) > 1:
            yield name, values


def models(rows):
    """The networks of all runs, in the order in which they appear."""
    return dict.fromkeys(model for row in rows for model in row.networks)


def shown(row, model, column, form):
    """A network's number, empty where there is none."""
    value = row.networks.get(model, {}).get(column)
    return "" if value is None or value != value else f"{value:{form}}"


def value_of(row, name):
    """A parameter of a run: what it was given, else the default; of a stage, what its run has."""
    plain = name.split(" (")[0]
    return row.changed.get(name, row.changed.get(plain, report.written(Config().model_dump().get(plain, ""))))


def table(rows):
    """The runs as text for a terminal: a column for each run, as many abreast as fit; then what cannot be read."""
    runs, lines = [row for row in rows if not row.problem], list(sides(rows))
    head = min(LONGEST_HEAD, max(len(what) for what, _ in lines))
    abreast = max(1, (WIDTH - head) // (CELL + len(GAP)))
    lines = [("", [row.name for row in runs]), *lines]
    blocks = ["\n".join(block(lines, head, i, i + abreast)) for i in range(0, len(runs), abreast)]
    broken = [f"{row.name}: {printable(row.problem)}" for row in rows if row.problem]
    return "\n\n".join(blocks + broken) or "There are no runs yet."


def block(lines, head, start, stop):
    """Lines of text of the runs from `start` to `stop`; what is too long for its cell goes on below."""
    for what, cells in lines:
        wrapped = [textwrap.wrap(printable(cell), CELL) or [""] for cell in cells[start:stop]]
        for row, texts in enumerate(itertools.zip_longest(*wrapped, fillvalue="")):
            name = printable(what)[:head] if row == 0 else ""
            yield GAP.join([f"{name:{head}}", *(f"{text:>{CELL}}" for text in texts)]).rstrip()


def printable(text):
    """The text without characters that would tell a terminal to do something."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
