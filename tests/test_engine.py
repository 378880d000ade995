"""A notebook is the same whoever starts it, and tells the truth about what did not finish."""

import json
import os
import platform
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from trajnb import kernel

LOOK = """
import os, sys
print("set:", sorted({"noise_max", "size", "frames", "epochs_x"} & set(globals())))
print("optimised:", sys.flags.optimize, "hash:", os.environ["PYTHONHASHSEED"], "python:", sys.executable)
print("strange modules:", sorted({"sitecustomize", "stranger"} & set(sys.modules)))
print("shows:", get_ipython().ast_node_interactivity)
"""
EXPECTED = f"set: []\noptimised: 0 hash: 0 python: {sys.executable}\nstrange modules: []\nshows: last_expr\n"


@pytest.fixture
def person(tmp_path, monkeypatch):
    """Personal settings that change every kernel: startup files, configuration, another kernel, variables."""
    home = tmp_path / "home"
    texts = {
        ".ipython/profile_default/startup/00.py": "noise_max = 0.2",
        ".ipython/profile_default/ipython_config.py": "c.InteractiveShellApp.exec_lines = ['size = (3, 4)']\n"
        "c.InteractiveShell.ast_node_interactivity = 'all'",
        ".ipython/profile_default/ipython_kernel_config.py": "c.IPKernelApp.exec_lines = ['epochs_x = 3']",
        "startup.py": "frames = 8",
        "modules/sitecustomize.py": "import stranger",
        "modules/stranger.py": "",
        ".local/share/jupyter/kernels/python3/kernel.json": json.dumps(
            {"argv": ["/nowhere/python", "{connection_file}"], "display_name": "Mine", "language": "python"}
        ),
    }
    for name, text in texts.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    jupyter = home / ".local/share/jupyter"
    changed = {"HOME": home, "IPYTHONDIR": home / ".ipython", "PYTHONSTARTUP": home / "startup.py"}
    changed |= {"PYTHONOPTIMIZE": 2, "PYTHONHASHSEED": 7, "JUPYTER_PATH": jupyter, "JUPYTER_DATA_DIR": jupyter}
    changed |= {"PYTHONPATH": home / "modules", "PYTHONWARNINGS": "error", "COLUMNS": 20}
    for name, value in changed.items():
        monkeypatch.setenv(name, str(value))


def papermill(folder, *sources):
    """The notebook that papermill writes with our engine, and its exit code."""
    path, out = folder / "a.ipynb", folder / "out.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    command = [sys.executable, "-m", "papermill", path, out, "--engine", "trajnb", "-k", "python3", "-l", "python"]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONWARNINGS", "PYTHONPATH")}
    done = subprocess.run(command, env=environment, capture_output=True)
    return nbformat.read(out, as_version=4), done.returncode


def test_papermill_with_our_engine_reads_no_personal_settings(person, tmp_path):
    notebook, code = papermill(tmp_path, LOOK)
    assert (code, notebook.cells[0].outputs[0].text) == (0, EXPECTED)


def test_a_dead_kernel_is_told_from_a_finished_one(tmp_path):
    notebook, code = papermill(tmp_path, "1", "import os; os._exit(1)", "2")
    assert code != 0
    assert [cell.metadata.papermill.status for cell in notebook.cells] == ["completed", "failed", "pending"]
    assert "kernel" in notebook.cells[1].outputs[-1].evalue.lower()


def test_nbval_starts_kernels_without_personal_settings(person, tmp_path):
    """In a process of its own, where conftest.py has removed the settings before nbval starts its kernel."""
    shown = {LOOK: new_output("stream", text=EXPECTED), "print(1)": new_output("stream", text="2\n")}
    cells = [new_code_cell(source, outputs=[output], execution_count=1) for source, output in shown.items()]
    nbformat.write(new_notebook(cells=cells), tmp_path / "a.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-c", "pyproject.toml"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command += ["--confcutdir=.", "-p", "conftest", tmp_path / "a.ipynb"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout, done.stdout[-3000:] + done.stderr
    assert "Cell 1: Cell outputs differ" in done.stdout, "another output is red"


def test_the_outputs_folder_is_resolved_where_the_command_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJNB_OUTPUTS", "results {a}/ü")
    assert kernel.environment("x")["TRAJNB_OUTPUTS"] == str(tmp_path / "results {a}" / "ü")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other settings")
def test_a_kernel_keeps_the_memory_of_freed_arrays(tmp_path):
    code = "import resource\nfor k in range(9): b'x' * 10**8\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)"
    done = subprocess.run([sys.executable, "-c", code], env=kernel.environment(tmp_path), capture_output=True)
    assert int(done.stdout) < 2 * 1e8 / 4096, "pages fetched for one array of nine, and for what Python takes"


def test_a_user_without_home_and_name_gets_a_folder(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert kernel.environment("x")["HOME"] == "x"
