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


def test_a_person_sees_a_bar(monkeypatch, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    with Progress(2, "training", "steps") as progress:
        progress.update(2)
        progress.line("epoch 1 of 1")
    printed = capsys.readouterr()
    assert printed.out == "epoch 1 of 1\n"
    assert "training" in printed.err
