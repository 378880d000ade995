"""What a run has left for a report: its record and its tables, read with the doubt that a cut file deserves."""

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from trajnb import files
from trajnb.config import ParameterError

WORDS = {"leaderboard.csv": ["model", "kind", "preset", "device", "mark"]}  # columns that are no numbers
WORDS["comparisons.csv"] = ["first", "second", "score", "verdict", "mark"]
NEEDED = {"leaderboard.csv": "model kind preset n_test test_top1 test_top1_low test_top1_high ade_px".split()}
NEEDED["comparisons.csv"] = ["first", "second"]


class Parameters(BaseModel):
    """The parameters that a report cannot do without."""

    model_config = ConfigDict(extra="allow")
    clips: int
    test_clips: int


class Entry(BaseModel):
    """One stage in run.json; what else it says is not looked at."""

    status: str = "not run"
    seconds: float | None = None
    error: str | None = None
    own: dict = {}


class Record(BaseModel):
    """run.json, as far as a report reads it; of any age, as long as it says this."""

    run: str
    status: str
    trajnb: str = ""
    python: str = ""
    ended: str | None = None
    error: str | None = None
    forced: str | None = None
    parameters: Parameters
    stages: dict[str, Entry]


def record(run_dir):
    """The run's record run.json as a dict: run, status, parameters, stages, and ended and error where it says so.

    Raises FileNotFoundError, and ParameterError for one that cannot be read.
    """
    try:
        found = files.read_json(run_dir / "run.json")
        known = Record(**found).model_dump(exclude_none=True)
    except (ValueError, TypeError, RecursionError) as error:
        reason = "says nothing of a run" if isinstance(error, ValidationError | TypeError) else "is no whole JSON"
        raise ParameterError(f"{run_dir.name}/run.json {reason}: run it again.") from None
    sizes = {name: known["parameters"][name] for name in Parameters.model_fields}
    return known | {"parameters": found["parameters"] | sizes}  # in the order in which they stand there


def leaderboard(run_dir):
    """The run's leaderboard (pandas), or None where there is none that can be read."""
    return table(run_dir / "leaderboard.csv")


def comparisons(run_dir):
    """The run's paired comparisons of networks (pandas), or None where there are none that can be read."""
    return table(run_dir / "comparisons.csv")


def table(path):
    """A table of a run, its numbers as numbers: a cell that is none is missing. None if the file is no such table."""
    try:
        found = pd.read_csv(path, dtype=dict.fromkeys(WORDS[path.name], str))
    except (OSError, ValueError):  # not there, empty, cut, not text
        return None
    if not set(NEEDED[path.name]) <= set(found):
        return None
    numeric = [name for name in found if name not in WORDS[path.name]]
    numbers = found[numeric].apply(pd.to_numeric, errors="coerce").astype(float)
    found[numeric] = numbers.where(numbers.abs() < float("inf"))
    return found.dropna(subset=NEEDED[path.name][:1])


def trust(run_dir):
    """{about: [sentences]} on how sure and how robust, as the robustness stage has left them; else empty."""
    try:
        found = pd.read_csv(run_dir / "robustness" / "sentences.csv", dtype=str).dropna()
        return {about: part["text"].tolist() for about, part in found.groupby("about", sort=False)}
    except (OSError, ValueError, KeyError):  # not there, empty, cut, not text
        return {}


def broken(run_dir):
    """Sentences on tables of the run that are there and cannot be read."""
    for name in WORDS:
        if (run_dir / name).exists() and table(run_dir / name) is None:
            yield f"{name} cannot be read: it is no whole table."
