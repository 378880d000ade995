"""The command: what it prints, how it ends, and that it is quick."""

import subprocess
import sys

import numpy as np
import pytest

from trajnb import cli, files


@pytest.fixture
def trajnb(monkeypatch, capsys):
    """Runs the command with these arguments: its exit code, and what it printed on both streams."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["trajnb", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return run


MISTAKES = {"params xyzzy": "xyzzy is in no parameter's name", "audit": "Missing argument", "run": "No such command"}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_every_mistake_is_named(arguments, trajnb):
    code, _, errors = trajnb(*arguments.split())
    assert code == 2 and MISTAKES[arguments] in errors


def test_help_teaches_and_loads_nothing_slow(trajnb):
    assert "trajnb audit my_clips --json results" in trajnb("audit", "--help")[1]
    loaded = "import sys, trajnb.cli; print({'torch', 'pandas', 'nbconvert', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "set()\n"


def test_params_lists_bounds_and_units(trajnb):
    assert "\ngravity = 9.81 m/s2  (a number from 0.0 to 30.0)\n" in trajnb("params", "gravity")[1]
    assert "\nlr = 0.01" in trajnb("params", "learning rate")[1], "by its meaning"


@pytest.mark.parametrize(
    ("redirected", "code", "words"),
    [
        ("| head -1", 0, ""),
        (">/dev/full", 1, "No space left on device: make room or write elsewhere, then run it again.\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("ä 2>&-", 2, ""),
        ("\N{SNOWMAN}", 2, "\\u2603 is in no parameter's name or meaning: `trajnb params` lists them all.\n"),
    ],
)
def test_whatever_an_output_takes_there_is_no_traceback(redirected, code, words):
    command = f'PYTHONIOENCODING=ascii "{sys.executable}" -m trajnb.cli params {redirected}'
    ended = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (code, words)


def test_audit_ends_with_zero_one_or_two(tmp_path, trajnb):
    for name in ("good", "bad"):
        (tmp_path / name / "a").mkdir(parents=True)
        clip_THW = np.random.default_rng(0).integers(30, 50, (16, 32, 32)).astype(np.uint8)
        for t in range(16):
            clip_THW[t, t : t + 6, 5:11] = 220
        np.save(tmp_path / name / "a" / "1.npy", clip_THW)
    (tmp_path / "bad" / "a" / "2.npy").write_bytes(b"")
    code, printed, _ = trajnb("audit", tmp_path / "good", "--json", tmp_path / "results")
    assert code == 0, printed
    assert files.read_json(tmp_path / "results" / "audit.json")["findings"] == []
    assert trajnb("audit", tmp_path / "bad")[0] == 1
    code, printed, errors = trajnb("audit", tmp_path / "none")
    assert (code, printed, errors.count("\n")) == (2, "", 1)
