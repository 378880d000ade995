"""A stage's processes: papermill, its kernel, and whatever these start. None of them outlives the stage.

A kernel has a process group of its own, so only what a process has inherited in its environment tells whose it is.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading

import psutil

from trajnb import ROOT

GRACE_S = 12.0  # seconds an interrupted notebook has to save itself: papermill first gives its kernel 5 of them


RUN, STAGE = "TRAJNB_RUN", "TRAJNB_STAGE"  # variables: the run's folder, and a token that no other stage has


def environment(run_dir, token):
    """This process's environment for a stage, with the marks by which `end_processes` finds what it has started."""
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    own = {RUN: str(run_dir), STAGE: token, "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1", "PYTHONUNBUFFERED": "1"}
    return inherited | own


def end_processes(name, value):
    """Kill every process but this one whose environment holds `name=value`."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                process.kill()
                process.wait(GRACE_S)


def run(command, run_dir, log, limit_s):
    """Run `command` from the repository root, show its lines and keep them in the file `log`; returns its exit code.

    Its standard input stays open as long as this process lives, which tells it when to stop. Raises
    subprocess.TimeoutExpired after `limit_s` seconds (None: never), or whatever interrupts; all it started has ended.
    """
    token = secrets.token_hex(8)
    log.unlink(missing_ok=True)
    with open(log, "ab") as copy:  # both append: what the notebook prints, and what papermill and its kernel say
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": copy}
        process = subprocess.Popen(command, cwd=ROOT, env=environment(run_dir, token), start_new_session=True, **pipes)
        reader = threading.Thread(target=show, args=(process.stdout, copy), daemon=True)
        reader.start()
        try:
            return process.wait(limit_s)
        except BaseException:
            interrupt(process)
            raise
        finally:
            end_processes(STAGE, token)
            process.stdin.close()
            reader.join(GRACE_S)


def show(pipe, log):
    """Print a notebook's lines as they come, and keep them in its log; a full disk must not block the notebook."""
    for line in pipe:
        with contextlib.suppress(OSError):
            log.write(line)
            log.flush()
        print("    " + line.decode(errors="replace").rstrip(), flush=True)


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
