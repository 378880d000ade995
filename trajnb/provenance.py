"""Where a run came from: manifest.json (commit, versions, hardware, parameters) and SHA256SUMS of all its files.

`python -m trajnb.provenance FOLDER PARAMETERS` writes both; `sha256sum -c SHA256SUMS` checks them, without trajnb.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

from trajnb import ROOT, __version__, files

SUMS, MANIFEST = "SHA256SUMS", "manifest.json"


def write(folder, parameters):
    """Write manifest.json and then SHA256SUMS into a run's folder. `parameters`: {name: value} of the run."""
    about = {"run": folder.name, "trajnb": __version__, "written": datetime.now(UTC).isoformat(timespec="seconds")}
    about |= {"code": code(), "environment": environment(), "parameters": parameters}
    files.write_json(folder / MANIFEST, about)
    sums = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)  # temporary files, too
        if path.is_file() and not hidden and not path.is_symlink() and path != folder / SUMS:
            sums.append(f"{files.sha256(path)}  {name.as_posix()}\n")
    files.write_text(folder / SUMS, "".join(sums))


def code():
    """The commit, and whether anything differs from it, new files included, whatever a person's settings for git.

    Both None without git, and in a folder that is no repository or lies in another project's.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}
    own["GIT_CEILING_DIRECTORIES"] = str(ROOT.parent)
    command = "git -c safe.directory=* -c core.fsmonitor=false -c core.excludesFile= status --porcelain=v2 --branch"
    command = [*command.split(), "--untracked-files=normal", "--ignore-submodules=none"]
    try:
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "changes": None}
    commit = re.match(rb"# branch.oid (\w+)", done.stdout)  # none before the first commit
    changes = re.search(rb"^[^#]", done.stdout, re.M) is not None
    return {"commit": commit and commit[1].decode(), "changes": changes}


def environment():
    """Versions, lock file, processor, GPUs, and the variables that set the number of threads."""
    lock = ROOT / "requirements.lock"
    about_threads = re.compile(r"(OMP|MKL|OPENBLAS)_\w*(THREADS|POLICY)")
    threads = {name: value for name, value in sorted(os.environ.items()) if about_threads.fullmatch(name)}
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        processor = found[1] if found else platform.machine()
    versions = {"python": platform.python_version(), "torch": metadata.version("torch")}
    versions |= {"lock": files.sha256(lock) if lock.is_file() else None, "processor": processor}
    return versions | {"cores": psutil.cpu_count(), "gpus": gpus("name,driver_version"), "threads": threads}


def gpus(properties):
    """[these properties, separated by commas] of each NVIDIA GPU; none where nvidia-smi is missing or fails."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={properties}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []  # without a driver it prints why


if __name__ == "__main__":
    write(Path(sys.argv[1]), json.loads(sys.argv[2]))
