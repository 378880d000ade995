"""Execute the committed notebooks in place with their smoke defaults: what a reader sees and what nbval compares.

Run as `python -m trajnb.runs.refresh [NOTEBOOK...]`; without names, all of them in order.
"""

import os
import shutil
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from trajnb import ROOT, files
from trajnb.config import Config
from trajnb.runs.kernel import ThisPython
from trajnb.runs.runner import ensure
from trajnb.runs.stages import NOTEBOOKS

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def refresh(path):
    """Execute one notebook and write it back without what differs from one machine or day to the next."""
    notebook = nbformat.read(path, as_version=4)
    os.environ |= {"TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}
    client = NotebookClient(notebook, kernel_manager_class=ThisPython, resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    version = {"language_info": {"name": "python"}}  # the exact version of Python is the machine's
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL} | version)
    nbformat.validate(notebook)
    files.write_text(path, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    for name in ("smoke", "tour"):  # a run of other code or parameters must not stand in
        shutil.rmtree(Config(run_name=name).run_dir, ignore_errors=True)
    for path in [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
        if path.stem == "03_evaluate":
            ensure(Config(), "data", "train")  # here, so that its page does not begin with the lines of four trainings
        print(f"{path.name}: executing", flush=True)
        refresh(path)
