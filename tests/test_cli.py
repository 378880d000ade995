"""The command: what it says, how it ends, and that it is quick to say it."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from trajnb import cli, config, data, files

TRAJNB = os.path.join(os.path.dirname(sys.executable), "trajnb")


def trajnb(*arguments, outputs):
    environment = os.environ | {"TRAJNB_OUTPUTS": str(outputs)}
    return subprocess.run([TRAJNB, *map(str, arguments)], env=environment, capture_output=True, text=True)


def test_bad_input_ends_with_two_and_one_sentence(tmp_path):
    (tmp_path / "a.yaml").write_text("lr: 1e-3\n")
    ended = trajnb("run", tmp_path / "a.yaml", outputs=tmp_path / "outputs")
    assert ended.returncode == 2
    assert ended.stderr == "lr: '1e-3' is text, not a number: write 1.0e-3 (YAML reads 1e-3 as text).\n"
    assert not ended.stdout
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "none.yaml"], "none.yaml does not exist"),
        (["run", os.devnull, "-p", "epochs", "-1"], "epochs: -1 is below 1"),
        (["run", os.devnull, "-p", "epochs"], "-p epochs has no value"),
        (["run", os.devnull, "-p", "epchs", "1"], "did you mean epochs?"),
        (["run", os.devnull, "-p", "motions", "[linear"], "-p motions, line 1"),
        (["site", "never"], "run_name: never was never started"),
        (["site", "../x"], "cannot name a folder"),
        (["params", "xyzzy"], "xyzzy is in no parameter's name"),
        (["run"], "Missing argument"),
    ],
)
def test_every_mistake_is_named(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(sys, "argv", ["trajnb", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_pairs_are_joined():
    assert cli.joined(["run", "a", "-p", "x", "1", "-p", "y=2", "--force"]) == "run a -p x=1 -p y=2 --force".split()
    assert cli.joined(["-p", "x", "-1", "-p", "y", "-p"]) == ["-p", "x=-1", "-p", "y=-p"]


def test_help_teaches_and_is_quick_without_torch(tmp_path):
    start = time.monotonic()
    said = trajnb("run", "--help", outputs=tmp_path).stdout
    assert time.monotonic() - start < 3  # about 0.3 s where nothing else runs
    assert "trajnb run params/quick.yaml -p epochs 2" in said
    loaded = "import sys, trajnb.cli; print({'torch', 'pandas', 'nbconvert', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "set()\n"


def test_params_lists_bounds_and_units(tmp_path):
    said = trajnb("params", "gravity", outputs=tmp_path).stdout
    assert said.startswith("gravity = 9.81 m/s2  (a number from 0.0 to 30.0)\n")


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
    ended = subprocess.run(f'"{TRAJNB}" params {redirected}', shell=True, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (code, words)


@pytest.mark.parametrize(
    "own", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}, {"COLUMNS": "20"}]
)
def test_any_terminal_can_show_a_refusal(own):
    ended = subprocess.run([TRAJNB, "params", "\N{SNOWMAN}"], env=os.environ | own, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr


def mutations():
    """Parameter files with one mistake each, made from every parameter: {id: text}."""
    files = {}
    for name, default, *_ in config.describe():
        files[f"{name} misspelt"] = f"{name[:-1]}{name[-1]}{name[-1]}x: {yaml.safe_dump(default)}"
        files[f"{name} a mapping"] = f"{name}: {{a: 1}}"
        files[f"{name} twice"] = f"{name}: 1\n{name}: 2"
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            files[f"{name} in quotes"] = f"{name}: '{default}'"
            files[f"{name} huge"] = f"{name}: 1.0e+30"
            files[f"{name} negative"] = f"{name}: -1"
            files[f"{name} not finite"] = f"{name}: .nan"
            files[f"{name} 1e-3"] = f"{name}: 1e-3"
        else:
            files[f"{name} a number"] = f"{name}: 0.5"
    return files


def test_hundreds_of_mutated_files_are_refused_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr("subprocess.Popen", lambda *a, **k: pytest.fail("a kernel was started"))
    path, refused = tmp_path / "a.yaml", 0
    for mistake, text in mutations().items():
        path.write_text(text)
        monkeypatch.setattr(sys, "argv", ["trajnb", "run", str(path)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert (ended.value.code, said.out) == (2, ""), mistake
        assert said.err.count("\n") == 1, mistake
        assert said.err.endswith((".\n", "?\n")), mistake
        assert len(said.err) < 320, mistake
        refused += 1
    assert refused >= 300
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


def test_audit_ends_with_one_where_something_is_severe(tmp_path, monkeypatch, capsys):
    def ended(*arguments):
        monkeypatch.setattr(sys, "argv", ["trajnb", "audit", *map(str, arguments)])
        with pytest.raises(SystemExit) as code:
            cli.main()
        return code.value.code, capsys.readouterr()

    data.make(config.Config(clips=200, test_clips=100), tmp_path / "ours")
    code, said = ended(tmp_path / "ours", "--json", tmp_path / "results")
    assert code == 0, said.out
    assert files.read_json(tmp_path / "results" / "audit.json")["severe"] is False
    rows = ["path,label,split"]
    for number, (label, split) in enumerate([("a", "train")] * 20 + [("b", "val")] * 20):
        path = tmp_path / "theirs" / label / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.random.default_rng(number).integers(0, 255, (16, 32, 32), dtype=np.uint8))
        rows.append(f"{label}/{number}.npy,{label},{split}")
    (tmp_path / "theirs" / "splits.csv").write_text("\n".join(rows))
    code, said = ended(tmp_path / "theirs")
    assert code == 1
    assert "class missing or rare in a split" in said.out
    code, said = ended(tmp_path / "none")
    assert (code, said.out, said.err.count("\n")) == (2, "", 1)
