"""Killed again and again at random instants, a training ends with the same bits (benchmarks/kill.py has many more)."""

import re
import subprocess
import sys

import pytest

from trajnb import ROOT


@pytest.mark.slow
@pytest.mark.rehearsal
@pytest.mark.skipif(sys.platform != "linux", reason="the harness forks, and asks Linux how its children are")
def test_every_kill_is_survived_to_the_bit():
    command = [sys.executable, "benchmarks/kill.py", "5", "tiny"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    survived, kills, in_steps = re.search(r"survived (\d+) of (\d+) kills .*\((\d+) in step", done.stdout).groups()
    assert survived == kills == "5"
    assert int(in_steps) < 5, "some fell in a save, an evaluation or a resume"
