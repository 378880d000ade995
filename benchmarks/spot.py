"""Spot machines taken back again and again in one training: seconds from notice to a durable checkpoint, same history.

PYTHONPATH=. python benchmarks/spot.py [MACHINES]     5: a quarter of an hour; loopback only

profiles/ec2.sh as on EC2, with rclone's S3 server as the bucket and a server that stands for EC2's metadata service. A
machine is a folder of outputs that nothing else knows: each fetches the run, trains on, is given notice some seconds
later, saves and pushes. The last one is left alone, and its history and weights are compared with an undisturbed run's.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from tests import servers
from trajnb import ROOT
from trajnb.training import checkpoints

PARAMS = "run_name: spot\nmodels: [i3d]\nclips: 400\nepochs: 30\nthreads: 1\ncheckpoint_seconds: 1000\n"
STAGE = Path("spot") / "train-i3d"


def main(machines=5):
    with tempfile.TemporaryDirectory() as name, servers.metadata() as metadata:
        folder = Path(name)
        (folder / "s3" / "lab").mkdir(parents=True)
        (folder / "spot.yaml").write_text(PARAMS)
        alone = start(folder, "alone", metadata, str(folder / "elsewhere"))
        assert "equal to the run here" in alone.communicate()[0]
        with servers.s3(folder / "s3") as port:
            os.environ |= servers.environment(port)
            for k in range(int(machines)):
                disturbed(folder, k, metadata)
            print(start(folder, "last", metadata, "s3:lab").communicate()[0].splitlines()[-2])
        compare(folder / "alone" / STAGE, folder / "last" / STAGE)


def start(folder, machine, metadata, remote):
    """profiles/ec2.sh on a machine of its own, up to its trained network."""
    own = {"TRAJNB_OUTPUTS": str(folder / machine), "METADATA": metadata.url, "OFF": "echo off", "ARGS": "trained"}
    command = [ROOT / "profiles" / "ec2.sh", remote, str(folder / "spot.yaml"), "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=os.environ | own, **pipes)


def disturbed(folder, k, metadata):
    """A machine that is given notice once it trains; prints what was saved, and when."""
    bucket, process = folder / "s3" / "lab" / STAGE, start(folder, f"machine-{k}", metadata, "s3:lab")
    for line in process.stdout:
        if "02_train starts" in line:
            break
    time.sleep(12 + 2 * k)  # the kernel has to import torch first
    before, noticed, metadata.notice = set(checkpoints.written(bucket)), time.monotonic(), True
    while not (new := [path for path in checkpoints.written(bucket) if path not in before and whole(path)]):
        assert process.poll() is None, "nothing was saved"
        time.sleep(0.05)
    saved = time.monotonic() - noticed
    process.communicate()
    seconds = time.monotonic() - noticed
    metadata.notice = False
    print(
        f"machine {k}: {new[0].name[:13]} in the bucket {saved:.1f} s after the notice, end after {seconds:.1f} s",
        flush=True,
    )


def whole(path):
    """Whether a checkpoint has the bytes that its name tells."""
    return checkpoints.digest(path.read_bytes()) == checkpoints.NAME.fullmatch(path.name)[2]


def compare(alone, last):
    """Print whether history, without times, and weights are the same."""
    histories = [
        pd.read_csv(stage / "history.csv").drop(columns=["seconds", "clips_per_second"]) for stage in (alone, last)
    ]
    weights = [(stage / "final.safetensors").read_bytes() for stage in (alone, last)]
    same = histories[0].equals(histories[1]), weights[0] == weights[1]
    print(f"{len(histories[0])} epochs; history equal: {same[0]}; weights equal: {same[1]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
