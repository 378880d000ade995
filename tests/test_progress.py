"""Where a computation is, for a person and for a log."""

import pytest

from trajnb.progress import progress, write_line


def test_a_log_gets_a_line_a_minute_with_the_time_left(monkeypatch, capsys):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with progress(3010, "training", "step", done=10) as bar:
        bar.start_t = bar.last_print_t = 0.0
        for now, count in ((30.0, 200), (60.0, 400), (61.0, 1)):
            monkeypatch.setattr(bar, "_time", lambda now=now: now)
            bar.set_postfix(clips_per_second=7, refresh=False)
            bar.update(count)
        write_line("epoch 1 of 2")
    out, err = capsys.readouterr()
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    assert lines == ["training: step 610 of 3010, about 04:00 left, clips_per_second=7", "epoch 1 of 2"]
    assert err == ""


@pytest.mark.parametrize("where", ["terminal", "notebook"])
def test_a_person_sees_a_bar_and_keeps_the_line_alone(where, monkeypatch, capsys):
    """In a notebook nothing on stderr, which is shown in red."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    if where == "notebook":
        monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    with progress(2, "training", "steps") as bar:
        bar.update(2)
        write_line("epoch 1 of 1")
    out, err = capsys.readouterr()
    assert "training" in (err if where == "terminal" else out)
    assert where == "terminal" or err == ""
    left = [line.split("\r")[-1].strip() for line in out.split("\n")]
    assert [line for line in left if line] == ["epoch 1 of 1"], "what stands there when every return has overwritten"
