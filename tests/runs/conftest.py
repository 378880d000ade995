"""A tiny run: its parameters, and a maker of stages from sources."""

from functools import partial

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from trajnb.config import Config
from trajnb.runs.stages import Stage


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.delenv("TRAJNB_STAGE", raising=False)
    return Config(run_name="tiny")


@pytest.fixture
def make(cfg, tmp_path):
    """Makes a stage from sources: make("a", "print(1)")."""
    return partial(tiny_stage, cfg, tmp_path)


def tiny_stage(cfg, where, name, *sources, needs=(), products=("product",)):
    first = new_code_cell("epochs: int = 2\nfolder: str = ''", metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Tiny"), first, *map(new_code_cell, sources), new_code_cell("print('end')")]
    path = where / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    folder = cfg.stage_dir(name)
    parameters = {"epochs": 5, "folder": str(folder)}
    return Stage(name, "data", path, parameters, folder, tuple(needs), tuple(f"{name}/{p}" for p in products))


@pytest.fixture(scope="session")
def tiny_maker():
    """tiny_stage, for fixtures that live longer than a test."""
    return tiny_stage
