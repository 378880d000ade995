"""Where a run is, for a log and for a program."""

from trajnb import files
from trajnb.progress import Progress


def test_headless_prints_only_lines_and_writes_the_state(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with Progress(4, "training", "steps", tmp_path / "progress.json") as progress:
        assert files.read_json(tmp_path / "progress.json")["seconds_left"] is None
        progress.update(3, loss=0.5, bad=float("nan"))
        progress.line("epoch 1 of 2")
    state = files.read_json(tmp_path / "progress.json")
    assert (state["label"], state["done"], state["total"], state["unit"]) == ("training", 3, 4, "steps")
    assert state["values"] == {"loss": 0.5, "bad": "nan"}
    assert state["seconds_left"] >= 0
    assert capsys.readouterr() == ("epoch 1 of 2\n", "")


def seen_by_a_person(monkeypatch, capsys):
    """What a bar of two steps and a line leave on (stdout, stderr)."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with Progress(2, "training", "steps") as progress:
        progress.update(2)
        progress.line("epoch 1 of 1")
    return capsys.readouterr()


def test_a_person_at_a_terminal_sees_a_bar_on_stderr(monkeypatch, capsys):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    printed = seen_by_a_person(monkeypatch, capsys)
    assert printed.out == "epoch 1 of 1\n"
    assert "training" in printed.err


def test_a_notebook_shows_the_bar_but_nothing_red_and_keeps_the_line_alone(monkeypatch, capsys):
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    printed = seen_by_a_person(monkeypatch, capsys)
    assert "training" in printed.out
    assert printed.err == ""
    left = [line.split("\r")[-1].strip() for line in printed.out.split("\n")]
    assert [line for line in left if line] == ["epoch 1 of 1"], "what stands there when every return has overwritten"
