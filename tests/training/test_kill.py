"""Killed again and again at random instants, a training ends with the same bits (benchmarks/kill.py has many more)."""

import re
import subprocess
import sys

import pytest

from trajnb import ROOT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the harness forks, and asks Linux how its children are")
def test_every_kill_is_survived_to_the_bit():
    command = [sys.executable, "benchmarks/kill.py", "18", "tiny"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stdout + said.stderr
    survived, done, in_steps = re.search(r"survived (\d+) of (\d+) kills .*\((\d+) in step", said.stdout).groups()
    assert survived == done == "18"
    assert int(in_steps) < 18, "some fell in a save, an evaluation or a resume"
