"""What a person sees who looks into a run's folder: PROGRESS.txt, anew every few seconds while the run lives."""

import contextlib
import shutil
import time

from trajnb import files
from trajnb.runs import guard, record, status

BETWEEN_FILES_S = 5.0
NAME = "PROGRESS.txt"


class Sight:
    """Looks at a running stage: keeps its largest memory, writes PROGRESS.txt, and stops what does not fit."""

    def __init__(self, cfg, stage):
        self.cfg, self.stage, self.most, self.last = cfg, stage, 0, -BETWEEN_FILES_S

    def look(self, pid):
        """Called every second. Raises guard.OverLimit."""
        taken = guard.taken_bytes(pid)
        self.most = max(self.most, taken)
        if time.monotonic() - self.last >= BETWEEN_FILES_S:
            self.last = time.monotonic()
            write(self.cfg.run_dir, self.machine(taken))
        guard.watch(self.cfg, taken)

    def machine(self, taken):
        """Memory and disk in a line."""
        left, free = guard.available_bytes() / guard.MB, shutil.disk_usage(self.cfg.run_dir).free / guard.MB
        words = f"{self.stage.name} takes {taken / guard.MB:,.0f} MB of memory (at most {self.most / guard.MB:,.0f})"
        return f"{words}; {left:,.0f} MB of memory and {free:,.0f} MB of disk are free"


def write(run_dir, machine=""):
    """Write PROGRESS.txt: the run's state as `trajnb status` says it, the machine's, and when that was.

    It is no result: a disk that is full must not end a run for it.
    """
    with contextlib.suppress(OSError):
        parts = ["\n".join(status.told(run_dir, record.read(run_dir))), machine, f"written {record.now()}"]
        files.write_text(run_dir / NAME, "\n\n".join(filter(None, parts)) + "\n")
