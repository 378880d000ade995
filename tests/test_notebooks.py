"""The committed notebooks: parameters, size, checked outputs, and nothing of the machine they were made on."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from trajnb import ROOT
from trajnb.config import Config

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMS = sorted((ROOT / "params").rglob("*.yaml"))
LARGEST_OUTPUT = 250_000  # bytes: what is larger makes a notebook slow to open and its differences unreadable
HOME = re.compile(r"/(?:home|Users|root)/|[A-Z]:\\\\Users")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_one_parameters_cell_with_the_defaults_of_the_config(path, code):
    marked = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(marked) == 1
    assert code[0] is marked[0]
    lines, defaults = ast.parse(marked[0].source).body, Config().model_dump()
    found = {line.target.id: ast.literal_eval(line.value) for line in lines}  # each is `name: type = literal`
    assert found == {name: defaults[name] for name in found}
    assert {name: type(value) for name, value in found.items()} == {name: type(defaults[name]) for name in found}


def test_cells_are_short_and_define_nothing(path, code):
    assert nbformat.read(path, as_version=4).cells[0].source.startswith("# ")
    for cell in code:
        assert len(cell.source.splitlines()) <= 20
        tree = ast.parse(cell.source)
        assert not [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]


def test_executed_in_order_and_checked_cells_have_outputs(path, code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    tags = [(cell, cell.metadata.get("tags", [])) for cell in code]
    checked = [cell for cell, own in tags if "nbval-check-output" in own or "NBVAL_CHECK_OUTPUT" in cell.source]
    assert checked
    for cell in checked:
        assert cell.outputs
        assert {output.output_type for output in cell.outputs} <= {"stream", "execute_result"}
        printed = "".join(output.get("text", "") for output in cell.outputs)
        assert not re.search(r"\d\.\d", printed), "a checked cell prints a float, which may differ elsewhere"


def test_no_output_is_large_or_needs_a_running_kernel(code):
    sizes = {(cell.id, n): len(json.dumps(output)) for cell in code for n, output in enumerate(cell.outputs)}
    assert {where: size for where, size in sizes.items() if size > LARGEST_OUTPUT} == {}
    assert max(sizes.values()) > 1000, "pictures are counted"
    kinds = {kind for cell in code for output in cell.outputs for kind in output.get("data", {})}
    assert kinds <= {"text/plain", "text/html", "text/markdown", "image/png"}, "a widget shows nothing when rendered"


def test_nothing_of_the_machine(path):
    notebook = nbformat.read(path, as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}
    assert path.stat().st_size < 2_000_000
    texts = [c.source for c in notebook.cells] + [str(o) for c in notebook.cells for o in shown(c)]
    for text in texts:
        assert not HOME.search(text)
        assert not [place for place in {str(ROOT), str(Path.home())} if f"{place}/" in text]


def shown(cell):
    """A cell's outputs as dicts without pictures, whose letters mean nothing."""
    for output in cell.get("outputs", []):
        assert output.output_type != "error"
        data = {kind: text for kind, text in output.get("data", {}).items() if not kind.startswith("image/")}
        yield {**output, "data": data}


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.stem)
def test_every_parameter_file_is_good_and_has_its_header(path):
    Config.from_files([path])
    header = [line.split()[1] for line in path.read_text().splitlines() if line.startswith("# ") and "  " in line]
    assert header == ["Source", "Command", "Cost", "Result"]
