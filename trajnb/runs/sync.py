"""Results that push themselves home: while a run runs, a process beside it copies its folder to a URL (remote.py).

It looks every few seconds, and pushes what has new content: the state, then small results, notebooks, checkpoints.
It ends with the runner, also where that is killed, and what happens to it never stops or slows the runner.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from itertools import groupby
from pathlib import Path

from trajnb import ROOT, files
from trajnb.config import ParameterError
from trajnb.runs import provenance, record, status
from trajnb.runs.remote import STATUS, TRIES, Damaged, Remote, filesystem, sha256

BETWEEN_LOOKS_S, LONGEST_WAIT_S = 5.0, 60.0  # between looks at the folder; between tries of a remote that is away
GIVE_UP_S, SILENT_S = 30.0, 1800.0  # after the run's end: for a remote that is away; for a pusher that does nothing
TAKE_OVER_S = 120.0  # without a word of the machine that pushes a run of this name
DAMAGED = ".damaged"  # a checkpoint that is worth nothing


@contextlib.contextmanager
def pushing(url, run_dir):
    """Push `run_dir` to URL/RUN while the body runs, and once more at its end; "" is nowhere. Raises ParameterError."""
    if not url:
        yield
        return
    filesystem(url)
    ended = threading.Event()
    keeper = threading.Thread(target=keep, args=(f"{url.rstrip('/')}/{run_dir.name}", run_dir, ended), daemon=True)
    keeper.start()
    refused = False
    try:
        yield
    except ParameterError:
        refused = True  # nothing has started, so nothing is waited for
        raise
    finally:
        ended.set()
        if not refused:
            keeper.join()
            print(*status.pushed(run_dir), sep="\n", flush=True)


def keep(url, run_dir, ended):
    """Keep a pusher alive until the event `ended`; then let it finish, unless it does nothing any more."""
    process = start(url, run_dir)
    while not ended.wait(BETWEEN_LOOKS_S):
        process = process if process.poll() is None else start(url, run_dir)
    process = process if process.poll() is None else start(url, run_dir)
    process.stdin.close()
    begun, state = time.time(), run_dir / status.SYNC
    while process.poll() is None:
        time.sleep(0.1)
        last = state.stat().st_mtime if state.is_file() else 0
        if time.time() - max(begun, last) > SILENT_S:
            process.kill()


def start(url, run_dir):
    """Start a pusher. It lives as long as its standard input is open, and does not hear Ctrl-C."""
    command, null = [sys.executable, "-m", "trajnb.runs.sync", url, str(run_dir)], subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True)


def main(url, folder):
    """The pusher; returns 0 once all that was there when its standard input ended has arrived and was read again."""
    with contextlib.suppress(AttributeError):  # Windows has none
        os.nice(10)
    ended, mirror, wait, end = threading.Event(), Mirror(url, Path(folder)), 0.0, None
    threading.Thread(target=lambda: (os.read(0, 1), ended.set()), daemon=True).start()
    with contextlib.ExitStack() as held:
        while True:
            last = ended.wait(wait)
            end = end or (time.monotonic() + GIVE_UP_S if last else None)
            wait = BETWEEN_LOOKS_S if not last else 0
            try:
                mirror.look(held, last)
                if last:
                    return 0
            except Exception as error:  # whatever a remote can do: the next look tries again
                mirror.failures += 1
                mirror.tell("behind", reason(error))
                if last and time.monotonic() > end:
                    return 1
                time.sleep(1 if last else 0)
                wait = min(BETWEEN_LOOKS_S * 2**mirror.failures, LONGEST_WAIT_S)


class Mirror:
    """What of a run's folder is at the remote: `there` as files, `indexed` as its index says, `have` as objects.

    `me` is the word by which a machine's pushers know each other, `owner` what the index is to say: "" at a run's end.
    """

    def __init__(self, url, run_dir):
        self.url, self.run_dir, self.remote, self.locked = url, run_dir, None, False
        self.there, self.indexed, self.have, self.known = {}, None, set(), {}
        self.me = self.owner = self.other = self.arrived = None
        self.waiting = self.failures = 0

    def look(self, held, last):
        """Push what is new; the `last` time also read everything again. An older pusher of the run ends first."""
        if not self.run_dir.is_dir():  # nothing has started yet
            return
        if not self.locked:
            held.enter_context(record.lock(self.run_dir / status.SYNC.parent))
            self.locked, self.me = True, own_word(self.run_dir / status.SYNC.parent / "owner")
        if self.indexed is None:
            self.connect()
        self.owner = "" if last else self.me
        self.push()
        if last:
            self.verify()
        self.failures, self.arrived = 0, record.now()
        self.tell("verified" if last else "whole")

    def connect(self):
        """Take up what an earlier pusher has left; an index that is not whole counts for nothing."""
        self.remote = self.remote or Remote(self.url)
        self.indexed = self.listed() or ({}, None)
        self.there = dict(self.indexed[0]) or self.there
        self.have = set(self.there.values())

    def listed(self):
        """(files, owner) of the index there, None where none is whole; OSError while another machine writes it."""
        try:
            index = self.remote.index()
        except (FileNotFoundError, Damaged):
            return None
        owner = index.get("owner", "")
        if owner and owner != self.me:
            self.other = self.other if self.other and self.other[0] == index else (index, time.monotonic())
            if time.monotonic() - self.other[1] < TAKE_OVER_S:
                raise OSError("another machine pushes a run of this name there: give one of them another run_name")
        return index["files"], owner

    def push(self):
        """Bring the remote up to date: an index after each kind of file; then what is no longer here goes there, too.

        What lies there of a stage that has no folder here was pushed from another machine before, and stays.
        """
        paths = [path for path in provenance.every(self.run_dir) if path.suffix != DAMAGED]
        names = sorted((turn(path), path.relative_to(self.run_dir).as_posix()) for path in paths)
        self.waiting = len(names)
        for _, kind in groupby(names, key=lambda pair: pair[0][0]):
            for _, name in kind:
                self.send(name)
            self.say()
        here = {name for _, name in names}
        folders = {name.split("/")[0] for name in here if "/" in name}
        self.there = {n: h for n, h in self.there.items() if n in here or ("/" in n and n.split("/")[0] not in folders)}
        self.say()
        if self.have - set(self.there.values()):
            self.sweep()

    def send(self, name):
        """Push a file if its content is new; one that is gone or half written is left for the next look."""
        path = self.run_dir / name
        try:
            found = path.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
            before, digest = self.known.get(name, (None, None))
            if state != before or digest not in self.have:
                content = path.read_bytes()
                if name.endswith(".ipynb"):
                    json.loads(content)  # ValueError while it is being written
                digest = sha256(content)
        except (FileNotFoundError, ValueError):
            return
        if digest not in self.have:
            self.tell("pushing")
            self.remote.put(f"objects/{digest}", content)
            self.have.add(digest)
        self.known[name], self.there[name] = (state, digest), digest
        self.waiting -= 1

    def say(self):
        """Write the index, if there is anything new to say. Raises OSError where another machine has written it."""
        if (self.there, self.owner) != self.indexed:
            if (self.listed() or self.indexed) != self.indexed:
                self.indexed = None  # the next look takes up what it has left
                raise OSError("another machine has pushed a run of this name there meanwhile")
            self.remote.put_index(self.run_dir.name, self.there, self.owner)
            self.indexed = dict(self.there), self.owner

    def sweep(self):
        """Remove objects that no path has any more, also those of a pusher that was killed."""
        self.have = set(self.there.values())
        self.remote.sweep(self.have)

    def verify(self):
        """Read everything again; push again what is not as it was written. Raises Damaged."""
        for _ in range(TRIES):
            lost = {digest for digest in set(self.there.values()) if not self.whole(digest)}
            if not self.there or (not lost and self.listed() == (self.there, self.owner)):
                return self.sweep() if self.there else None
            self.connect()
            self.have -= lost
            self.push()
        raise Damaged(f"{len(lost)} objects there are not what was written")

    def whole(self, digest):
        """Whether an object is what was written."""
        self.tell("verifying")
        try:
            self.remote.get(digest)
        except (FileNotFoundError, Damaged):
            return False
        return True

    def tell(self, state, error=""):
        """Leave word for `trajnb status`; it is no result, so a full disk is no matter."""
        found = {"state": state, "files": len(self.there), "waiting": self.waiting, "error": error}
        with contextlib.suppress(OSError):
            if self.locked:
                files.write_json(self.run_dir / status.SYNC, found | {"arrived": self.arrived, "updated": record.now()})


def own_word(path):
    """This machine's word for itself, which names nothing of it; made where there is none."""
    return path.read_text() if path.is_file() else files.write_text(path, uuid.uuid4().hex).read_text()


def turn(path):
    """A file's place in the order: its kind, then the newest weights, else the smallest file."""
    kind = 0 if path.name in STATUS else {".pt": 3, ".safetensors": 3, ".ipynb": 2}.get(path.suffix, 1)
    try:
        found = path.stat()
        return kind, -found.st_mtime_ns if kind == 3 else found.st_size
    except OSError:  # it has just gone
        return kind, 0


def reason(error):
    """What is wrong with a remote, in a line without paths."""
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or str(error).partition(chr(10))[0][:200]}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
