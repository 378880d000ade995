"""`make` in a copied, moved or renamed folder, and after Python has moved: the folder's own code and environment.

A stand-in for Python notes what it was asked for, and makes environments whose Python works as long as it is there.
"""

import os
import shutil
import subprocess

import pytest

from trajnb import ROOT

# It notes where it runs, and its arguments. `-m venv DIR` makes DIR/bin/python, which fails once this file has gone.
PYTHON = """#!/bin/sh
echo "$(pwd -P)|$*|${{PYTHONPATH-}}${{PYTHONOPTIMIZE-}}" >> {log}
[ "$1 $2" = "-m venv" ] || exit 0
mkdir -p "$3/bin"
printf '#!/bin/sh\\n[ -e {base} ] || exit 127\\nexec {base} "$@"\\n' > "$3/bin/python"
chmod +x "$3/bin/python"
"""
NAMES = ["plain", "a folder", "o'clock", 'say "so"', "& `x`", "Zoë # 100 %"]


@pytest.fixture
def python(tmp_path):
    return stand_in(tmp_path / "base", tmp_path / "log")


def stand_in(path, log):
    path.write_text(PYTHON.format(log=log, base=path))
    path.chmod(0o755)
    return path


@pytest.fixture
def lab(tmp_path):
    folder = tmp_path / "lab"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def make(folder, python):
    """The calls of Python that `make run` made, without the question whether the environment works."""
    log = python.with_name("log")
    log.write_text("")
    command = ["make", "-s", f"PYTHON={python}", "run"]
    strange = {"PYTHONPATH": "/strange", "PYTHONOPTIMIZE": "2"}
    subprocess.run(command, cwd=folder, env=os.environ | strange, check=True, capture_output=True)
    return [line for line in log.read_text().splitlines() if "import trajnb" not in line]


def assert_installed_and_run(calls, folder):
    folders, asked, settings = zip(*(call.split("|") for call in calls), strict=True)
    assert set(folders) == {str(folder)}
    assert set(settings) == {""}, "settings for other Pythons are not passed on"
    assert [words.split()[1] for words in asked[1:]] == ["venv", "pip", "pip", "trajnb.config", "snakemake"], asked


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_has_an_environment_of_its_own(lab, python, tmp_path, name):
    assert_installed_and_run(make(lab, python), lab)
    assert len(make(lab, python)) == 2, "nothing is installed twice"
    (lab / ".venv" / "old").touch()
    copy = tmp_path / name
    subprocess.run(["cp", "-a", lab, copy], check=True)
    assert_installed_and_run(make(copy, python), copy)
    assert not (copy / ".venv" / "old").exists()
    assert len(make(copy, python)) == len(make(lab, python)) == 2


def test_a_home_that_cannot_be_written_is_not_needed(lab, python):
    def command(home):
        words = ["make", "-n", f"PYTHON={python}", "run"]
        return subprocess.run(words, cwd=lab, env=os.environ | {"HOME": home}, capture_output=True, text=True).stdout

    assert 'env XDG_CACHE_HOME="$(pwd -P)/.snakemake/cache" .venv/bin/python -m snakemake' in command("/dev/null")
    assert "XDG_CACHE_HOME" not in command(str(lab))


@pytest.mark.parametrize("name", ["a$b", "a{b}", "a:b"])
def test_a_folder_in_which_python_makes_no_environment_is_refused(lab, python, name):
    command = ["make", "-s", "env", f"PYTHON={python}"]
    ended = subprocess.run(command, cwd=lab.rename(lab.with_name(name)), capture_output=True)
    assert ended.returncode != 0 and b"with which Python makes no environment: rename it.\n" in ended.stdout
    assert not python.with_name("log").exists()


def test_a_python_that_has_gone_is_replaced(lab, python, tmp_path):
    make(lab, python)
    python.unlink()
    other = stand_in(tmp_path / "other", tmp_path / "log")
    assert_installed_and_run(make(lab, other), lab)


def test_an_environment_to_which_the_lab_links_is_left_to_it(lab, python, tmp_path):
    make(lab, python)
    (lab / ".venv").symlink_to((lab / ".venv").rename(tmp_path / "elsewhere"))
    subprocess.run(["cp", "-a", lab, tmp_path / "copy"], check=True)
    assert_installed_and_run(make(tmp_path / "copy", python), tmp_path / "copy")
    assert len(make(lab, python)) == 2


def test_a_changed_lock_is_installed_over_the_environment(lab, python):
    make(lab, python)
    os.utime(lab / "requirements.lock", (2**31, 2**31))
    (lab / ".venv" / "kept").touch()
    assert len(make(lab, python)) == 6
    assert (lab / ".venv" / "kept").exists()
