"""Power is lost at every call that saving and pruning make of the disk: the newest committed checkpoint loads."""

import itertools
import shutil

import pandas as pd
import pytest
from crashes import BYTES, NAMES, Recorder, after

from trajnb import files
from trajnb.training import checkpoints, optimizers

SAVES = 5


@pytest.fixture
def recorded(make_cfg, make_net, tmp_path, monkeypatch):
    """[(calls so far, steps committed)] of several saves in turns with history.csv; what a disk is asked to do."""
    cfg, net = make_cfg(checkpoints_kept=1), make_net(make_cfg())
    optimizer = optimizers.build(net, cfg.lr, cfg.weight_decay)
    recorder = Recorder(tmp_path, monkeypatch)
    keeper = checkpoints.Checkpoints(tmp_path / "train", net, None, optimizer, cfg, {"training clips": "x"})
    committed, rows = [], []
    for number in range(1, SAVES + 1):
        rows.append({"step": number, "val_loss": abs(number - 2.0)})  # the second is the best
        keeper.save(checkpoints.TrainState(list(rows)))
        committed.append((len(recorder.calls), number))
        files.write_csv(tmp_path / "train" / "history.csv", pd.DataFrame(rows))
    calls = list(recorder.calls)
    monkeypatch.undo()
    return calls, committed


def test_the_newest_committed_checkpoint_survives_every_crash(recorded, tmp_path, capsys):
    (calls, committed), folder = recorded, tmp_path / "after"
    assert {what for what, _, _ in calls} == {"mkdir", "create", "write", "fsync", "rename", "unlink"}
    crashes = 0
    for end, names, data in itertools.product(range(len(calls) + 1), NAMES, BYTES):
        disk = after(calls[:end], names, data)
        least = max([number for count, number in committed if count <= end], default=0)
        lay(disk, folder)
        state = checkpoints.newest(folder / "train")
        assert (state["state"]["history"][-1]["step"] if state else 0) >= least, (end, names, data)
        history = folder / "train" / "history.csv"
        assert not history.exists() or len(pd.read_csv(history)) >= least - 1, "whole, of this epoch or the one before"
        crashes += 1
    assert crashes > 300


def lay(disk, folder):
    """Write {path: bytes} below an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in disk.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@pytest.mark.parametrize("left_out", ["fsync of the file", "fsync of the folder"])
def test_the_shim_catches_a_writer_that_does_not_flush(recorded, left_out):
    """The test of the test: without one of the flushes some crash loses a committed checkpoint."""
    calls, committed = recorded
    folders = {path for what, path, _ in calls if what == "mkdir"} | {"."}
    careless = [c for c in calls if c[0] != "fsync" or (c[1] in folders) != (left_out == "fsync of the folder")]
    disk = after(careless, "flushed" if "folder" in left_out else "all", "half")
    whole = [path for path, content in disk.items() if path.endswith(".pt") and content]
    good = [path for path in whole if checkpoints.digest(disk[path]) in path]
    assert not [path for path in good if f"step-{committed[-1][1]:08d}" in path]
