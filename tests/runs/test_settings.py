"""A run is the same whoever starts it: no profile, startup file or variable of a person reaches a kernel."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from trajnb.runs import kernel, runner

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
    """Somebody whose settings change every kernel: startup files, configuration, a kernel of his own, variables."""
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
    own = {"HOME": home, "IPYTHONDIR": home / ".ipython", "PYTHONSTARTUP": home / "startup.py"}
    own |= {"PYTHONPATH": home / "modules", "PYTHONOPTIMIZE": 2, "PYTHONHASHSEED": 7, "PYTHONWARNINGS": "error"}
    own |= {"JUPYTER_PATH": jupyter, "JUPYTER_DATA_DIR": jupyter, "COLUMNS": 20}
    for name, value in own.items():
        monkeypatch.setenv(name, str(value))


def test_a_run_reads_no_settings_of_a_person(cfg, make, person):
    runner.run(cfg, [make("a", LOOK, "open(folder + '/product', 'w').close()")])
    assert EXPECTED in (cfg.run_dir / "a" / "log.txt").read_text()


def test_papermill_with_our_engine_reads_none(make, person, tmp_path):
    path, env = make("a", LOOK).notebook, os.environ.copy()
    for name in ("PYTHONWARNINGS", "PYTHONPATH"):  # papermill itself is the person's to start
        del env[name]
    command = [sys.executable, "-m", "papermill", path, "-", "--engine", "trajnb", "-k", "python3", "-l", "python"]
    ended = subprocess.run(command, env=env, capture_output=True, check=True)
    cells = nbformat.reads(ended.stdout.decode(), as_version=4).cells
    assert EXPECTED in [output.text for cell in cells for output in cell.get("outputs", [])]


def test_the_committed_notebooks_are_executed_without_them(person):
    notebook = new_notebook(cells=[new_code_cell(LOOK)])
    NotebookClient(notebook, kernel_manager_class=kernel.ThisPython).execute()
    assert notebook.cells[0].outputs[0].text == EXPECTED


def test_nbval_starts_kernels_without_them(person, tmp_path):
    """In a process of its own, where conftest.py has taken the settings away before nbval starts its kernel."""
    path = tmp_path / "a.ipynb"
    output = nbformat.v4.new_output("stream", text=EXPECTED)
    nbformat.write(new_notebook(cells=[new_code_cell(LOOK, outputs=[output], execution_count=1)]), path)
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-c", "pyproject.toml"]
    command += ["--confcutdir=.", "-p", "conftest", path]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(command, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr


def test_a_system_wide_profile_is_not_read(tmp_path):
    """As /etc/ipython has one: here the environment's own, which IPython reads likewise."""
    script = (
        "import runpy, sys\nfrom IPython.core import application\nfrom ipykernel import kernelapp\n"
        "application.SYSTEM_CONFIG_DIRS.append('x')\nkernelapp.launch_new_instance = lambda: None\n"
        "sys.modules.pop('trajnb.runs.kernel', None)\n"
        "runpy.run_module('trajnb.runs.kernel', run_name='__main__')\n"
        "print(application.SYSTEM_CONFIG_DIRS + application.ENV_CONFIG_DIRS)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_the_outputs_folder_is_resolved_where_the_command_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJNB_OUTPUTS", "results {a}/ü")
    assert kernel.environment("x")["TRAJNB_OUTPUTS"] == str(tmp_path / "results {a}" / "ü")


def test_a_user_without_home_and_name_gets_a_folder(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert kernel.environment("x")["HOME"] == "x"
