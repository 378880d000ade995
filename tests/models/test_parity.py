"""TimeSformer and SlowFast are the authors' to rounding, where the packages that bring those are installed."""

import os
import subprocess
import sys

import pytest

from trajnb import ROOT

PACKAGES = ("transformers", "pytorchvideo")


def test_equal_on_the_same_weights_and_every_change_of_ours_is_noticed():
    """benchmarks/parity.py: two equal rows, six that differ, none where it should not."""
    folder = ROOT / ".venv" / "parity"
    if not all((folder / name).is_dir() for name in PACKAGES):
        pytest.skip(f"{' and '.join(PACKAGES)} are not in .venv/parity: make .venv/parity/.ready installs them")
    command = [sys.executable, ROOT / "benchmarks/parity.py"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True)
    rows = done.stdout.splitlines()[1:]
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [row.split()[-1] for row in rows] == ["equal", "differs", "differs", "differs"] * 2
