"""Several GPUs on one machine: each step sees one that no other step holds."""

import os
import subprocess
import sys

import pytest

from trajnb import ROOT

STEP = """import os
from trajnb import runs
runs.take_gpu()
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
input()"""


@pytest.fixture
def step(tmp_path):
    """Starts a process that takes a GPU and holds it; returns it and what it sees."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-a; echo GPU-b\n")
    program.chmod(0o755)
    started = []

    def start(**more):
        known = {n: v for n, v in os.environ.items() if n not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")}
        known |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)} | more
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", STEP], cwd=ROOT, env=known, **pipes))
        return started[-1], started[-1].stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_each_step_has_a_gpu_of_its_own_until_it_ends_in_any_way(step):
    first, seen = step()
    assert [seen, step()[1]] == ["GPU-a", "GPU-b"]
    assert step()[1] == "None"  # one more than there are: as without us
    first.kill()
    first.wait()
    assert step()[1] == "GPU-a"


def test_a_persons_choice_and_slurms_are_kept(step):
    assert [step(CUDA_VISIBLE_DEVICES="2,3")[1] for _ in range(2)] == ["2", "3"]
    assert step(CUDA_VISIBLE_DEVICES="")[1] == ""
    assert step(CUDA_VISIBLE_DEVICES="5,6", SLURM_JOB_ID="1")[1] == "5,6"
