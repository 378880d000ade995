"""A rented machine: a notice or its deadline stops the run, which is saved in the bucket; another machine goes on."""

import signal
import subprocess

import pytest

from tests import servers
from tests.runs import SLOW, Lab, once_printed
from trajnb import ROOT

pytestmark = pytest.mark.rehearsal

MAKEFILE = """
PUSH = profiles/remote.sh push "$(REMOTE)" mine
run: ; @exec $(PUSH) .venv/bin/python -m snakemake trained --profile profiles/local --configfile $(PARAMS)
pull: ; @profiles/remote.sh pull "$(REMOTE)" $(RUN)
"""


@pytest.fixture
def metadata():
    with servers.metadata() as server:
        yield server


def machine(folder):
    """A lab on a machine of its own, with what the script needs of the Makefile."""
    folder.mkdir()
    lab = Lab(folder)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "params" / "mine.yaml").write_text("run_name: mine\nmodels: [i3d]\n")
    return lab


def start(lab, remote, hours, server):
    """profiles/ec2.sh as a process."""
    own = lab.environment() | {"OFF": "echo off", "METADATA": server.url}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [lab.folder / "profiles" / "ec2.sh", str(remote), "params/mine.yaml", str(hours)]
    return subprocess.Popen(command, cwd=lab.folder, env=own, **pipes)


def test_a_machine_taken_back_leaves_a_run_that_another_one_goes_on_with(tmp_path, metadata):
    first, second = machine(tmp_path / "first"), machine(tmp_path / "second")
    first.write("02_train", SLOW)
    process = start(first, tmp_path / "bucket", 1, metadata)
    for line in process.stdout:
        metadata.notice = metadata.notice or "begun" in line
    assert metadata.notice
    bucket = tmp_path / "bucket" / "mine"
    assert line == "off +5\n"
    assert "begun" in (bucket / "train-i3d" / "notebook.failed.ipynb").read_text()
    (bucket / "train-i3d" / "final.safetensors").write_text("of a step that had not ended")
    metadata.notice = False
    printed = start(second, tmp_path / "bucket", 1, metadata).communicate(timeout=120)[0]
    assert printed.splitlines()[0] == "off +90", printed
    assert "equal to the run here" in printed
    assert "data: 01_data starts" not in printed, "what had ended is not repeated"
    assert (bucket / "train-i3d" / "notebook.ipynb").is_file()
    assert (bucket / "train-i3d" / "final.safetensors").read_text() == "x"


@pytest.mark.parametrize("hours", [0, 1])
def test_a_deadline_or_sigterm_ends_a_run_that_other_parameters_do_not_go_on_with(tmp_path, metadata, hours):
    lab = machine(tmp_path / "first")
    lab.write("01_data", SLOW)
    process = start(lab, tmp_path / "bucket", hours, metadata)
    if hours:  # a container that has to go
        once_printed("begun", process).send_signal(signal.SIGTERM)
    printed = process.communicate(timeout=120)[0]
    assert process.returncode != 0 and f"its {hours} hours are over" in printed
    assert "equal to the run here\n" in printed
    (lab.folder / "params" / "mine.yaml").write_text("run_name: mine\nmodels: [magvit]\n")
    printed = start(lab, tmp_path / "bucket", 0, metadata).communicate(timeout=120)[0]
    assert "mine was begun with another commit or other parameters" in printed
