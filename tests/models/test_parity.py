"""TimeSformer and SlowFast are the authors' to rounding, where the packages that bring those are installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from trajnb import ROOT

PACKAGES = ("transformers", "pytorchvideo")


def test_equal_on_the_same_weights_and_every_change_of_ours_is_noticed():
    """benchmarks/parity.py in the tools environment: two equal rows, six that differ, none where it should not."""
    folders = [Path(sys.prefix) / "tools", ROOT / ".venv" / "tools"]
    python = next((folder / "bin" / "python" for folder in folders if (folder / "bin" / "python").exists()), None)
    if not python or not all([*python.parents[1].glob(f"lib/*/site-packages/{name}")] for name in PACKAGES):
        pytest.skip(f"{' and '.join(PACKAGES)} are not in .venv/tools: make .venv/tools/.ready installs them")
    done = subprocess.run([python, ROOT / "benchmarks/parity.py"], capture_output=True, text=True)
    rows = done.stdout.splitlines()[1:]
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [row.split()[-1] for row in rows] == ["equal", "differs", "differs", "differs"] * 2
