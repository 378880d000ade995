"""Where a computation is, for a person and for a log."""

import pytest

from trajnb import progress
from trajnb.progress import Progress


def test_a_log_gets_a_line_a_minute_with_the_time_left(monkeypatch, capsys):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    clock = iter([0, 10, 60, 65, 65, 119, 120, 120, 120])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress(3010, "training", "step", done=10) as bar:
        bar.update(200)
        bar.update(400, clips_per_second=7)
        bar.update(1)
        bar.line("epoch 1 of 2")
    lines = ["training: step 610 of 3,010, about 4 min 20 s left, clips per second 7", "epoch 1 of 2", ""]
    assert capsys.readouterr() == ("\n".join(lines), "")


@pytest.mark.parametrize("where", ["terminal", "notebook"])
def test_a_person_sees_a_bar_and_keeps_the_line_alone(where, monkeypatch, capsys):
    """In a notebook nothing on stderr, which is shown in red."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    if where == "notebook":
        monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    with Progress(2, "training", "steps") as bar:
        bar.update(2)
        bar.line("epoch 1 of 1")
    out, err = capsys.readouterr()
    assert "training" in (err if where == "terminal" else out)
    assert where == "terminal" or err == ""
    left = [line.split("\r")[-1].strip() for line in out.split("\n")]
    assert [line for line in left if line] == ["epoch 1 of 1"], "what stands there when every return has overwritten"
