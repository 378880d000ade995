"""Where a run came from: manifest.json (commit, versions, hardware, parameters) and SHA256SUMS of all its files.

`python -m trajnb.provenance FOLDER PARAMETERS` writes both; `sha256sum -c SHA256SUMS` checks them, without trajnb.
"""

import contextlib
import hashlib
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
    files.write_json(
        folder / MANIFEST, about | {"code": code(), "environment": environment(), "parameters": parameters}
    )
    sums = {path.relative_to(folder).as_posix(): files.sha256(path) for path in listed(folder)}
    files.write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def listed(folder):
    """The files of a run that are kept: none hidden or temporary, no links, not SHA256SUMS itself."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and not path.is_symlink() and path != folder / SUMS:
            yield path


def code():
    """The commit, and a hash of what differs from it; both None without git or in another project's repository.

    Of changed files the content counts, of new ones the name: whatever large file lies in the folder is not read.
    """
    top = git("rev-parse", "--show-toplevel")
    if not top or not os.path.samefile(os.fsdecode(top.removesuffix(b"\n")), ROOT):
        return {"commit": None, "changes": None}
    commit = git("rev-parse", "--verify", "HEAD")
    changed = git("diff", "--binary", "--no-ext-diff", "--no-textconv", "HEAD") if commit else git("ls-files")
    differ = (changed or b"") + (git("ls-files", "--others", "--exclude-per-directory=.gitignore") or b"")
    changes = hashlib.sha256(differ).hexdigest() if differ else None
    return {"commit": commit and commit.decode().strip(), "changes": changes}


def git(*arguments):
    """git's output about the repository, whatever the person's settings; None where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "diff.ignoreSubmodules=none"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    return None


def environment():
    """Versions, lock file, processor, GPUs, and the variables that set the number of threads."""
    lock = ROOT / "requirements.lock"
    threads = {
        n: v for n, v in sorted(os.environ.items()) if re.fullmatch(r"(OMP|MKL|OPENBLAS)_\w*(THREADS|POLICY)", n)
    }
    versions = {"python": platform.python_version(), "torch": metadata.version("torch")}
    versions |= {"lock": files.sha256(lock) if lock.is_file() else None}
    return versions | {"processor": processor(), "cores": psutil.cpu_count(), "gpus": gpus(), "threads": threads}


def processor():
    """The processor's name, as far as the system gives one."""
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        return found[1] if found else platform.machine()
    return platform.processor() or platform.machine()


def gpus():
    """Names and drivers of NVIDIA GPUs; [] where there are none."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    write(Path(sys.argv[1]), json.loads(sys.argv[2]))
