"""Copies of a run to a bucket over a bad line: how often one says "equal" and is not.

PYTHONPATH=. python benchmarks/push_faults.py [TRANSFERS] [KILLS]     1,000 and 30: a quarter of an hour; loopback only

A run of five files, small and large, is pushed to rclone's own S3 server and pulled into the folder of another machine,
through a proxy that resets, cuts or changes a byte in half of the connections. Before each push the bucket is given a
stale object of the same size and time for every file, before each pull the other machine a stale file. The bytes at
both ends are compared. A killed push (SIGKILL at a random instant) has to leave every object whole, an old or a new
one, and the push after it has to end equal.
"""

import contextlib
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from tests import servers

SIZES = {"data/recipes.parquet": 300_000, "train-i3d/final.safetensors": 100_000, "train-i3d/history.csv": 400}
SIZES |= {"evaluate/leaderboard.csv": 2_000, "manifest.json": 1}
REMOTE, RUN = "s3:lab", "tiny"
OUTCOMES = "transfers", "right and reported so", "reported incomplete", "wrong and undetected"
FAULTS = ("none", "reset", "cut", "flip")
WHEN = 1_700_000_000  # the time of every file: neither size nor time tells a stale one


def main(transfers=1000, kills=30):
    os.environ |= {"RCLONE_TIMEOUT": "5s", "RCLONE_CONTIMEOUT": "2s"}
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder, servers.s3(bucket(Path(folder))) as port:
        line = BadLine(port)
        here, there, lab = (Path(folder) / name / RUN for name in ("here", "there", "s3/lab"))
        counts = {"push": Counter(), "pull": Counter()}
        while sum(one["transfers"] for one in counts.values()) < int(transfers):
            write(here, rng)
            put(here, port)  # what the next bytes make stale
            write(here, rng)
            write(there, rng)
            os.environ |= servers.environment(line.port)
            counts["push"] += tally(here, lab, pushed(here))
            counts["pull"] += tally(lab, there, pulled(there))
        print(f"connections {sum(line.counts.values())}: {line.counts}")
        for name, count in counts.items():
            print(f"{name}: " + ", ".join(f"{count[what]} {what}" for what in OUTCOMES))
        print(f"killed pushes {int(kills)}: {killed(here, lab, port, int(kills), rng)}")


class BadLine:
    """A TCP proxy to a port; half of the connections fail after a random number of bytes, each in one way.

    reset: both ends get RST; cut: the rest is missing, the end looks regular; flip: one byte arrives as another one.
    """

    def __init__(self, to, share=0.5, most=400_000):
        self.to, self.random, self.share, self.most = to, random.Random(0), share, most
        self.counts, self.listener = dict.fromkeys(FAULTS, 0), socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            fault = self.random.choice(FAULTS[1:]) if self.random.random() < self.share else "none"
            self.counts[fault] += 1
            server = socket.create_connection(("127.0.0.1", self.to))
            # Spread evenly over magnitudes: in the first headers as often as in the body of a large file.
            after, upward = int(self.most ** self.random.uniform(0.3, 1)), self.random.random() < 0.7
            for source, target, bad in ((client, server, upward), (server, client, not upward)):
                way = (source, target, fault if bad else "none", after)
                threading.Thread(target=self.forward, args=way, daemon=True).start()

    def forward(self, source, target, fault, left):
        """Copy bytes one way until either end closes, or the fault is due."""
        with contextlib.suppress(OSError):  # either end may have gone
            while data := source.recv(65536):
                if fault != "none" and len(data) > left:
                    data = bytearray(data)
                    if fault == "flip":
                        data[left] ^= 1
                        fault = "none"
                    else:
                        target.sendall(data[:left])
                        break
                left -= len(data)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                if fault == "reset":
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.close()
                else:
                    end.shutdown(socket.SHUT_RDWR)


def bucket(folder):
    """The server's folder, with a bucket."""
    (folder / "s3" / "lab").mkdir(parents=True)
    return folder / "s3"


def write(folder, rng):
    """New bytes for every file of a run, in the same sizes and with the same time."""
    for name, size in SIZES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
        os.utime(path, (WHEN, WHEN))


def put(folder, port):
    """Make the bucket hold a folder, on a good line."""
    os.environ |= servers.environment(port)
    assert pushed(folder)


def remote(what, folder, *command):
    """profiles/remote.sh with a run's folder here, ended."""
    os.environ["TRAJNB_OUTPUTS"] = str(folder.parent)
    return subprocess.run([servers.REMOTE, what, REMOTE, RUN, *command], capture_output=True, text=True)


def pushed(here):
    """Whether a push says that the bucket is equal."""
    return remote("push", here, "true").stderr.endswith("equal to the run here\n")


def pulled(there):
    """Whether a pull says that all is here."""
    return remote("pull", there).returncode == 0


def tally(source, target, equal):
    """Count files of one copy by what was said of it and what is true."""
    wrong = sum((target / name).read_bytes() != (source / name).read_bytes() for name in SIZES)
    count = Counter({"transfers": len(SIZES)})
    count["wrong and undetected"] = wrong if equal else 0
    count["right and reported so"] = len(SIZES) - wrong if equal else 0
    count["reported incomplete"] = 0 if equal else len(SIZES)
    return count


def killed(here, lab, port, kills, rng):
    """Push, kill it with all it has started, look at the bucket, push again; counts of what was found."""
    count = Counter()
    for _ in range(kills):
        put(here, port)
        old = {name: (here / name).read_bytes() for name in SIZES}
        write(here, rng)
        process = psutil.Popen([servers.REMOTE, "push", REMOTE, RUN, "true"], stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 2))
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        count["ended before"] += process.wait() == 0
        objects = {name: (lab / name).read_bytes() for name in SIZES}
        new = {name: (here / name).read_bytes() for name in SIZES}
        count["objects new"] += sum(objects[name] == new[name] for name in SIZES)
        count["objects neither old nor new"] += sum(objects[name] not in (old[name], new[name]) for name in SIZES)
        count["equal after the next push"] += pushed(here) and not tally(here, lab, True)["wrong and undetected"]
    return ", ".join(f"{value} {what}" for what, value in count.items())


if __name__ == "__main__":
    main(*sys.argv[1:])
