"""A run once more, from its manifests, and what came out different.

Compared are the files that hold results: tables and JSON by each value that is no time, weights and recorded
predictions by their bytes. Not compared are those in which times have no name (notebooks, logs, checkpoints), and
pictures and pages, which are drawn from the rest.
"""

import io
import json
import os
import re

import pandas as pd

from trajnb.config import Config, ParameterError
from trajnb.runs import provenance, record, runner, stages

BYTES, TABLES = (".safetensors", ".parquet"), (".csv", ".json")
# Names that hold times, or what is computed from them, on whichever machine: found by running the same twice.
TIMES = re.compile(r"(\w+_)?(seconds|seconds_left|latency_ms|ms_per_clip|clips_per_second|updated|started|ended)")
OWN = {"run_name", "run"}  # a rerun has another name
LIVE = ("progress.json",)
PARTS = {
    "code": ("commit", "changes", "package"),
    "environment": ("lock", "python", "torch", "processor", "gpus", "cores"),
}


def whole(run_dir):
    """{stage: manifest} of a run that is done. Raises ParameterError."""
    known, found = provenance.manifests(run_dir), record.read(run_dir)
    lacking = [stage for stage in found["stages"] if known.get(stage, {}).get("status") != "done"]
    if lacking or not known or found["status"] != "done":
        why = ", ".join(lacking) or found["status"]
        raise ParameterError(f"{run_dir.name} has no whole result ({why}): let it end.")
    return known


def plan(run_dir, name):
    """(parameters, stages) of a run as its manifests have them, in a folder of another name. Raises ParameterError."""
    known = whole(run_dir)
    cfg = Config(**record.read(run_dir)["parameters"] | {"run_name": name})
    return cfg, [again(cfg, one) for one in known.values()]


def again(cfg, one):
    """The stage of a manifest, for another run's folder."""
    given = one["given"] | ({"run_name": cfg.run_name} if "run_name" in one["given"] else {})
    parts = (given, cfg.stage_dir(one["stage"]), tuple(one["needs"]), tuple(one["products"]))
    return stages.Stage(one["stage"], one["kind"], stages.NOTEBOOKS / one["notebook"], *parts)


def otherwise(run_dir):
    """What is not as it was when the run was made, a line each: code, versions, processor. Raises ParameterError."""
    known = whole(run_dir)
    package, environment = stages.package_hash(), provenance.environment()
    now = {"code": provenance.code() | {"package": package}, "environment": environment}
    first = next(iter(known.values()))
    for part, names in PARTS.items():
        for name in names:
            if first[part][name] != now[part][name]:
                yield f"{name}: {first[part][name]} then, {now[part][name]} now"


def run(run_dir):
    """Run it once more as RUN-rerun; returns (folder, differences: a line each, files compared, files not compared)."""
    cfg, repeated = plan(run_dir, f"{run_dir.name}-rerun")
    for name in filter(provenance.THREADS.fullmatch, list(os.environ)):
        del os.environ[name]
    os.environ |= next(iter(provenance.manifests(run_dir).values()))["environment"]["threads"]
    runner.run(cfg, repeated, force=True)
    return cfg.run_dir, *compare(run_dir, cfg.run_dir)


def compare(old, new):
    """(differences, a line each; files compared; files not compared) of two runs' folders, by their manifests."""
    lines, compared, left = [], [], []
    before, after = (
        {path: one["stage"] for one in provenance.manifests(folder).values() for path in one["outputs"]}
        for folder in (old, new)
    )
    lines += [f"{path}: only in {old.name}" for path in before.keys() - after.keys() if held(path)]
    lines += [f"{path}: only in {new.name}" for path in after.keys() - before.keys() if held(path)]
    for path in sorted(before.keys() & after.keys()):
        (compared if held(path) else left).append(path)
        if held(path):
            lines += [f"{path}: {words}" for words in difference(old / path, new / path)]
    return lines, compared, left


def held(path):
    """Whether a file holds results, and nothing but them and times with a name."""
    return path.endswith(BYTES + TABLES) and not path.endswith(LIVE)


def difference(old, new):
    """What differs between two files, in words; nothing if nothing does."""
    first, second = old.read_bytes(), new.read_bytes()
    if old.suffix in BYTES or first == second:
        return ["other bytes"] if first != second else []
    read = table if old.suffix == ".csv" else values
    first, second = read(first), read(second)
    return [
        f"{name}: {first.get(name, 'nothing')} then, {second.get(name, 'nothing')} now"
        for name in dict.fromkeys([*first, *second])
        if first.get(name) != second.get(name)
    ]


def table(content):
    """{column, row: text of the cell} of a CSV file, without times."""
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    kept = [name for name in frame.columns if not TIMES.fullmatch(name)]
    return {f"{name}, row {row}": frame[name][row] for name in kept for row in range(len(frame))} | {"rows": len(frame)}


def values(content):
    """{path in the object: value} of a JSON file, without times and the run's name."""
    return dict(leaves(json.loads(content), ""))


def leaves(part, where):
    """(path, value) of each value in a JSON object."""
    if isinstance(part, dict):
        for name, value in part.items():
            if not TIMES.fullmatch(name) and name not in OWN:
                yield from leaves(value, f"{where}{name}.")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from leaves(value, f"{where}{number}.")
    else:
        yield where.rstrip("."), part
