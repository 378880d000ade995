"""Where everything came from: <stage>/provenance/manifest.json says from what, with what, and what the stage left.

SHA256SUMS in the run's folder lists every file. Of what stages left it holds what their manifests say, so that nothing
that was changed since is ever written down as right. `sha256sum -c SHA256SUMS` works where there is no trajnb any more.
"""

import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
from datetime import datetime
from importlib import metadata
from pathlib import Path

import psutil

from trajnb import ROOT, __version__, files
from trajnb.config import Config, ParameterError
from trajnb.runs import record

NAME, SUMS, CRATE = "provenance/manifest.json", "SHA256SUMS", "ro-crate-metadata.json"
PAGES = ("notebook.html", "index.html", "REPORT.md")  # made anew from the rest at any time, after the stages
RUNNERS = ("run.json", "PROGRESS.txt", SUMS, CRATE)
THREADS = re.compile(r"(OMP|MKL|OPENBLAS|NUMEXPR|VECLIB_MAXIMUM)_\w*(THREADS|POLICY)")  # variables that tell how many
SUM_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def write(cfg, stage, entry, made_from, command, inputs):
    """Write a stage's manifest, however the stage ended; returns its SHA-256, which the run's record keeps.

    `entry`: the stage's of the record; `made_from`: stages.source; `inputs`: {path: SHA-256} of what it was given.
    """
    parameters = cfg.replace(**{n: v for n, v in stage.parameters.items() if n in Config.model_fields})
    found = {"run": cfg.run_name, "stage": stage.name, "kind": stage.kind, "notebook": stage.notebook.name}
    found |= {"needs": list(stage.needs), "products": list(stage.products), "trajnb": __version__}
    found |= {name: entry.get(name, "") for name in ("status", "error", "started", "seconds")} | {"ended": record.now()}
    found |= {"command": [Path(command[0]).name, *command[1:]]}
    found |= {"parameters": parameters.model_dump(exclude={"sync"}), "given": stage.parameters}
    found |= {"seeds": {"seed": parameters.seed, "data_seed": parameters.data_seed}}
    found |= {
        "code": code() | {name: made_from[name] for name in ("package", "notebook")},
        "environment": environment(),
    }
    found |= {"inputs": inputs, "outputs": outputs_of(stage, entry["started"])}
    path = stage.folder / NAME
    files.write_json(path, found)
    return files.sha256(path)


def every(folder):
    """The files of a folder that are kept: none hidden or temporary, no links."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix != ".tmp" and path.is_file() and not path.is_symlink():
            yield path


def left_by(stage, started):
    """The files that a stage has left: all in its folder, and those of the run's folder that are younger than it."""
    since = datetime.fromisoformat(started).timestamp()
    own = (path for path in every(stage.folder) if path != stage.folder / NAME)
    above = (path for path in sorted(stage.folder.parent.glob("*")) if path.is_file() and path.name not in RUNNERS)
    young = (path for path in above if path.stat().st_mtime >= since and path.suffix in (".csv", ".json", ".parquet"))
    return [path for path in [*own, *young] if path.name not in PAGES]


def outputs_of(stage, started):
    """{path below the run's folder: {"sha256", "bytes"}} of all that a stage has left.

    A start is known to the second: what another stage left in that second, and is as that left it, is not its own.
    """
    run_dir = stage.folder.parent
    others = [one["outputs"] for name, one in manifests(run_dir).items() if name != stage.name]
    theirs = {(path, out["sha256"]) for outputs in others for path, out in outputs.items()}
    found = {path.relative_to(run_dir).as_posix(): path for path in left_by(stage, started)}
    outputs = {name: {"sha256": files.sha256(path), "bytes": path.stat().st_size} for name, path in found.items()}
    return {name: out for name, out in outputs.items() if (name, out["sha256"]) not in theirs}


def code():
    """The commit, and a hash of what differs from it; both None where there is no git or nothing differs.

    Of changed files the content counts, of new ones name and size: whatever lies in the folder is not read. A
    repository of another folder, around this one, is not ours.
    """
    top = git("rev-parse", "--show-toplevel")
    if not top or not os.path.samefile(os.fsdecode(top.removesuffix(b"\n")), ROOT):
        return {"commit": None, "changes": None}
    commit = git("rev-parse", "--verify", "HEAD")
    listing = ("diff", "--name-only", "--no-ext-diff", "--no-renames", "HEAD") if commit else ("ls-files",)
    changed = git(*listing, "-z")
    new = git("ls-files", "--others", "--exclude-per-directory=.gitignore", "-z")
    marks = [(name, content(name)) for name in names(changed)] + [(name, size(name)) for name in names(new)]
    digest = hashlib.sha256(repr(marks).encode()).hexdigest() if marks else None
    return {"commit": commit and commit.decode().strip(), "changes": digest}


def names(listing):
    """The names that git lists with -z, in one order."""
    return sorted(filter(None, (listing or b"").split(b"\0")))


def content(name):
    """The SHA-256 of a changed file; empty where it is gone, a link or a repository of its own."""
    path = ROOT / os.fsdecode(name)
    return files.sha256(path).encode() if path.is_file() else b""


def size(name):
    """The bytes of a new file; empty of a link into nowhere or a repository of its own, where the name alone counts."""
    path = ROOT / os.fsdecode(name)
    return str(path.stat().st_size).encode() if path.is_file() else b""


def git(*arguments):
    """What git says about the repository, whatever the person's settings; None where it cannot."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "diff.ignoreSubmodules=none"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run([*command, *arguments], cwd=ROOT, env=own, capture_output=True, check=True).stdout
    return None


def environment():
    """With what a stage was run: versions, lock, processor, GPUs, what says how many threads there are."""
    lock = ROOT / "requirements.lock"
    versions = {"python": platform.python_version(), "torch": metadata.version("torch")}
    machine = {"system": platform.system(), "processor": processor(), "gpus": gpus(), "cores": psutil.cpu_count()}
    threads = {name: value for name, value in sorted(os.environ.items()) if THREADS.fullmatch(name)}
    return versions | {"lock": files.sha256(lock) if lock.is_file() else None} | machine | {"threads": threads}


@functools.cache
def processor():
    """The processor's name, as well as the system tells it."""
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        return found[1] if found else platform.machine()
    return platform.processor() or platform.machine()


@functools.cache
def gpus():
    """Names and drivers of NVIDIA's GPUs; [] where there are none."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[:-1]


def manifests(run_dir):
    """{stage: manifest} of the stages in the record that have one, in the order of the run."""
    found = {}
    for name in record.read(run_dir).get("stages", {}):
        with contextlib.suppress(OSError, ValueError):
            found[name] = files.read_json(run_dir / name / NAME)
    return found


def left(run_dir):
    """{path: SHA-256} of what the stages left; of what several wrote, what the last one did."""
    return {path: out["sha256"] for one in manifests(run_dir).values() for path, out in one["outputs"].items()}


def seal(run_dir):
    """Write SHA256SUMS of all files in a run's folder; what stages left stands there as they left it."""
    run_dir.joinpath(SUMS).unlink(missing_ok=True)
    sums = left(run_dir)
    rest = {path.relative_to(run_dir).as_posix(): path for path in every(run_dir)}
    rest = {name: path for name, path in rest.items() if name not in sums}
    sums |= {name: files.sha256(path) for name, path in rest.items()}
    return files.write_text(run_dir / SUMS, lines(sums))


def lines(sums):
    """{path: SHA-256} as sha256sum writes and reads it."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def verify(run_dir):
    """(files checked, [what is wrong, a line each]) of a run's folder, every file read."""
    try:
        text = (run_dir / SUMS).read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise ParameterError(f"{run_dir.name} has no readable {SUMS}: let the run end, then ask again.") from None
    sums = {match[2]: match[1] for line in text.splitlines() if (match := SUM_LINE.fullmatch(line))}
    wrong = [] if text == lines(sums) else [f"{SUMS} itself has changed"]
    here = {path.relative_to(run_dir).as_posix() for path in every(run_dir)} - {SUMS}
    wrong += [f"{name} is missing" for name in sorted(sums.keys() - here)]
    wrong += [f"{name} is listed nowhere" for name in sorted(here - sums.keys())]
    wrong += [
        f"{name} has changed" for name in sorted(here & sums.keys()) if files.sha256(run_dir / name) != sums[name]
    ]
    return len(here), wrong + list(contradictions(run_dir, sums))


def contradictions(run_dir, sums):
    """Where the record, the manifests and SHA256SUMS say different things."""
    known = manifests(run_dir)
    for name, entry in record.read(run_dir).get("stages", {}).items():
        if entry.get("status") == "done" and name not in known:
            yield f"{name} has no manifest that can be read"
        elif name in known and entry.get("manifest") != files.sha256(run_dir / name / NAME):
            yield f"{name}/{NAME} is not the one that {name} left"
    for path, digest in left(run_dir).items():
        if sums.get(path) != digest:
            yield f"{path} is not what its stage left"
