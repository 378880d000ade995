"""A run on another machine or in a bucket, copied by rclone.

python -m trajnb.remote push REMOTE RUN COMMAND...   runs COMMAND; meanwhile and at its end copies outputs/RUN there
python -m trajnb.remote pull REMOTE RUN              copies REMOTE/RUN to outputs/RUN and checks its SHA256SUMS

REMOTE is rclone's, such as s3:BUCKET/FOLDER or /mnt/results; for s3: the usual variables of AWS hold the credentials.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from trajnb import ROOT, outputs

RCLONE = Path(sys.executable).parent / "rclone"
SECONDS_BETWEEN = 60.0
TIMEOUT = "--timeout 60s --contimeout 10s --retries 3 --low-level-retries 3".split()
KEPT = ("--exclude", ".*", "--exclude", "*.tmp", "--exclude", "*.running.ipynb")
S3 = {"RCLONE_CONFIG_S3_TYPE": "s3", "RCLONE_CONFIG_S3_PROVIDER": "AWS", "RCLONE_CONFIG_S3_ENV_AUTH": "true"}


def rclone(*arguments):
    """Run rclone quietly; returns its last line of complaint, or "" where all went well."""
    command = [str(RCLONE), *arguments, *TIMEOUT, "--config", os.devnull, "--log-level", "ERROR"]
    done = subprocess.run(command, env=S3 | os.environ, capture_output=True, text=True, start_new_session=True)
    return (done.stderr.strip().splitlines() or [f"rclone ended with {done.returncode}"])[-1] if done.returncode else ""


def copy(source, target):
    """Copy what differs by checksum."""
    return rclone("copy", "--checksum", *KEPT, str(source), str(target))


def push(remote, run, command):
    """Run `command` and copy the run meanwhile; a remote that fails never stops it. Returns the exit code."""
    folder, target = outputs() / run, f"{remote.rstrip('/')}/{run}"
    process = subprocess.Popen(command, cwd=ROOT)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: process.send_signal(number))
    last = time.monotonic()
    while process.poll() is None:
        time.sleep(0.2)
        if time.monotonic() - last >= SECONDS_BETWEEN and folder.is_dir():
            copy(folder, target)
            last = time.monotonic()
    if folder.is_dir():
        problem = copy(folder, target) or rclone("check", "--one-way", *KEPT, str(folder), target)
        print(f"{target}: {f'NOT complete: {problem}' if problem else 'equal to the run here'}", file=sys.stderr)
    return process.returncode


def pull(remote, run):
    """Copy a run from the remote and check it; returns the exit code."""
    folder, source = outputs() / run, f"{remote.rstrip('/')}/{run}"
    problem = copy(source, folder) or rclone("check", "--one-way", *KEPT, source, str(folder))
    if problem:
        print(f"{source}: not copied: {problem}", file=sys.stderr)
        return 1
    if (folder / "SHA256SUMS").is_file():
        return subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder).returncode
    print(f"{source}: copied; the run has not ended yet, so there is no SHA256SUMS to check")
    return 0


if __name__ == "__main__":
    name, remote, run, *command = sys.argv[1:]
    sys.exit(push(remote, run, command) if name == "push" else pull(remote, run))
