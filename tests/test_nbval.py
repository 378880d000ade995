"""The test of the test: nbval goes red when the package prints something else (`make test` has it green)."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from trajnb import ROOT

COPIED = ("trajnb", "params", "pyproject.toml", "notebooks/01_data.ipynb")
CELLS = 10  # of the notebook, two of them checked; the others take long and would tell the same
RULE, BROKEN = '"train": 0.70, "val": 0.15', '"train": 0.65, "val": 0.20'


@pytest.fixture
def copy(tmp_path):
    """The project without its tests, and with the beginning of one notebook."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        take = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        take(ROOT / name, tmp_path / name)
    path = tmp_path / COPIED[-1]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = notebook.cells[:CELLS]
    assert sum("nbval-check-output" in cell.metadata.get("tags", []) for cell in notebook.cells) == 2
    nbformat.write(notebook, path)
    return tmp_path


def nbval(folder, *more):
    """(exit code, what it printed) of nbval over the copy's notebook, whose kernel imports the copy's package."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "notebooks", *more]
    own = {name: value for name, value in os.environ.items() if name != "TRAJNB_OUTPUTS"}
    own |= {"PYTHONPATH": str(folder), "TQDM_DISABLE": "1"}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.slow
def test_a_broken_function_is_red_and_the_checked_cell_is_named(copy):
    path = copy / "trajnb/data/splits.py"
    source = path.read_text()
    assert source.count(RULE) == 1
    path.write_text(source.replace(RULE, BROKEN))
    code, printed = nbval(copy, "-x")
    assert code == 1, printed[-3000:]
    assert "FAILED notebooks/01_data.ipynb::Cell 2" in printed
    assert "1 failed, 2 passed" in printed, "what comes before is as it was"
    assert "Cell outputs differ" in printed and "to_string())" in printed, "the cell itself is shown"
