"""The command: what it prints, how it ends, and that it is quick."""

import os
import subprocess
import sys

import numpy as np
import pytest

from trajnb import cli, files

TRAJNB = [sys.executable, "-m", "trajnb.cli"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["params", "xyzzy"], "xyzzy is in no parameter's name"),
        (["audit"], "Missing argument"),
        (["run"], "No such command"),
    ],
)
def test_every_mistake_is_named(arguments, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["trajnb", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_help_teaches_and_loads_nothing_slow():
    printed = subprocess.run([*TRAJNB, "audit", "--help"], capture_output=True, text=True).stdout
    assert "trajnb audit my_clips --json results" in printed
    loaded = "import sys, trajnb.cli; print({'torch', 'pandas', 'nbconvert', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "set()\n"


def test_params_lists_bounds_and_units():
    printed = subprocess.run([*TRAJNB, "params", "gravity"], capture_output=True, text=True).stdout
    assert "\ngravity = 9.81 m/s2  (a number from 0.0 to 30.0)\n" in printed
    by_meaning = subprocess.run([*TRAJNB, "params", "learning rate"], capture_output=True, text=True).stdout
    assert "\nlr = 0.01" in by_meaning


@pytest.mark.parametrize(
    ("redirected", "code", "words"),
    [
        ("| head -1", 0, ""),
        (">/dev/full", 1, "No space left on device: make room or write elsewhere, then run it again.\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("ä 2>&-", 2, ""),
    ],
)
def test_an_output_that_takes_nothing_gives_no_traceback(redirected, code, words):
    command = f'"{sys.executable}" -m trajnb.cli params {redirected}'
    ended = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (code, words)


def test_any_terminal_can_show_a_refusal():
    command, terminal = [*TRAJNB, "params", "\N{SNOWMAN}"], {"PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(command, env=os.environ | terminal, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr


def test_audit_ends_with_zero_one_or_two(tmp_path, monkeypatch, capsys):
    def ended(*arguments):
        monkeypatch.setattr(sys, "argv", ["trajnb", "audit", *map(str, arguments)])
        with pytest.raises(SystemExit) as code:
            cli.main()
        return code.value.code, capsys.readouterr()

    for name in ("good", "bad"):
        (tmp_path / name / "a").mkdir(parents=True)
        clip_THW = np.random.default_rng(0).integers(30, 50, (16, 32, 32)).astype(np.uint8)
        for t in range(16):
            clip_THW[t, t : t + 6, 5:11] = 220
        np.save(tmp_path / name / "a" / "1.npy", clip_THW)
    (tmp_path / "bad" / "a" / "2.npy").write_bytes(b"")
    code, printed = ended(tmp_path / "good", "--json", tmp_path / "results")
    assert code == 0, printed.out
    assert files.read_json(tmp_path / "results" / "audit.json")["findings"] == []
    assert ended(tmp_path / "bad")[0] == 1
    code, printed = ended(tmp_path / "none")
    assert (code, printed.out, printed.err.count("\n")) == (2, "", 1)
