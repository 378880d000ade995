"""A stage's processes: papermill, its kernel, and whatever these start. None of them outlives the stage.

A kernel has a process group of its own, so only what a process has inherited in its environment tells whose it is.
"""

import contextlib
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psutil

from trajnb import ROOT
from trajnb.runs import kernel

GRACE_S = 12.0  # seconds an interrupted notebook has to save itself: papermill first gives its kernel 5 of them
BETWEEN_LOOKS_S = 1.0

RUN, STAGE = "TRAJNB_RUN", "TRAJNB_STAGE"  # variables: the run's folder, and a token that no other stage has


def environment(run_dir, token, folder):
    """The environment of a stage (kernel.environment), with the marks by which `end_processes` finds its processes."""
    marks = {RUN: str(run_dir), STAGE: token, "TQDM_DISABLE": "1", "PYTHONUNBUFFERED": "1"}
    return kernel.environment(folder) | marks


def end_processes(name, value):
    """Kill every process but this one whose environment holds `name=value`."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                process.kill()
                process.wait(GRACE_S)


def run(command, run_dir, log, limit_s, watch):
    """Run `command` from the repository root, show its lines and keep them in the file `log`; returns its exit code.

    Its standard input stays open as long as this process lives, which tells it when to stop. `watch(process id)` is
    called every second. Raises subprocess.TimeoutExpired after `limit_s` seconds (None: never), what `watch` raises, or
    whatever interrupts; it had time to save itself then, and all it started has ended.
    """
    token = secrets.token_hex(8)
    log.unlink(missing_ok=True)
    # Both append to the log: what the notebook prints, and what papermill and its kernel say.
    with open(log, "ab") as copy, tempfile.TemporaryDirectory(prefix="trajnb-", ignore_cleanup_errors=True) as folder:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": copy}
        own = environment(run_dir, token, folder)
        process = subprocess.Popen(command, cwd=ROOT, env=own, start_new_session=True, **pipes)
        reader = threading.Thread(target=show, args=(process.stdout, copy), daemon=True)
        reader.start()
        try:
            return wait(process, limit_s, watch)
        except BaseException:
            interrupt(process)
            raise
        finally:
            end_processes(STAGE, token)
            process.stdin.close()
            reader.join(GRACE_S)


def wait(process, limit_s, watch):
    """The exit code of a process, once it has ended."""
    end = math.inf if limit_s is None else time.monotonic() + limit_s
    while True:
        try:
            return process.wait(min(BETWEEN_LOOKS_S, max(0.0, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                raise
            watch(process.pid)


def show(pipe, log):
    """Print a notebook's lines as they come, and keep them in its log.

    Neither a full disk nor a reader that has gone away may block the notebook.
    """
    for line in pipe:
        with contextlib.suppress(OSError):
            log.write(line)
            log.flush()
        with contextlib.suppress(OSError):
            print("    " + line.decode(errors="replace").rstrip(), flush=True)


class Lasting:
    """A text stream that can be written to when its reader has gone away: what is written from then on is lost."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text):
        return self.tried(self.stream.write, text)

    def flush(self):
        self.tried(self.stream.flush)

    def tried(self, call, *arguments):
        try:
            return call(*arguments)
        except OSError:
            to_nowhere(self.stream)
            return call(*arguments)


def to_nowhere(stream):
    """Let a stream's file lead to the null device: also what it still holds can be written then."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


@contextlib.contextmanager
def outlived():
    """While it is open, neither a reader that goes away (`| head`) nor a terminal that hangs up ends this process."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN) if os.name == "posix" else None
    try:
        with contextlib.redirect_stdout(Lasting(sys.stdout)), contextlib.redirect_stderr(Lasting(sys.stderr)):
            yield
    finally:
        if os.name == "posix":
            signal.signal(signal.SIGHUP, before)


def interrupt(process):
    """Let papermill save the notebook and shut its kernel down."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGINT)
        process.wait(GRACE_S)


def papermill(notebook, output, parameters, cell_limit_s):
    """The command that runs `notebook` with a file of parameters; all are paths as seen from the repository root."""
    command = [sys.executable, "-m", "papermill", notebook, output, "-f", parameters, "-k", "python3", "-l", "python"]
    command += ["--engine", "trajnb", "--no-progress-bar", "--stdout-file", "-"]
    return command + (["--execution-timeout", str(cell_limit_s)] if cell_limit_s else [])
