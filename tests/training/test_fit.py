"""The loop: learns, resumes to the same weights, repeats itself, stops on NaN without harm."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from trajnb.training import checkpoints
from trajnb.training.fit import fit, order, warmup_cosine
from trajnb.training.predictions import predict

TIMES = ("seconds", "clips_per_second")
COLUMNS = [
    "epoch",
    "step",
    "clips_seen",
    "lr",
    "train_loss",
    "train_top1",
    "val_loss",
    "val_top1",
    "val_ade_px",
    *TIMES,
]


@pytest.fixture
def train(make_cfg, make_net, make_clips):
    """Trains a tiny net in `folder` and returns (net, history)."""

    def run(folder, **changes):
        cfg = make_cfg(**changes)
        net = make_net(cfg)
        return net, fit(net, make_clips(cfg), make_clips(cfg, 12, seed=1), cfg, folder)

    return run


def without_times(history):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in history]


class Stop(Exception):
    """Stands for a power cut."""


class CutOff:
    """A clip set whose power goes off after so many batches."""

    def __init__(self, clips, batches):
        self.clips, self.left = clips, batches

    def __len__(self):
        return len(self.clips)

    def for_epoch(self, epoch):
        return self

    def batch(self, rows):
        self.left -= 1
        if self.left < 0:
            raise Stop
        return self.clips.batch(rows)


def test_fits_one_batch(train, tmp_path):
    quiet = {"mirror": False, "contrast": 0.0, "shift_px": 0}
    _, history = train(tmp_path, epochs=60, batch_size=20, lr=5e-3, checkpoint_every=60, **quiet)
    assert history[-1]["train_top1"] == 1.0
    assert history[-1]["train_loss"] < history[0]["train_loss"] - 1


def test_leaves_what_it_says(train, tmp_path, capsys):
    net, history = train(tmp_path)
    assert list(history[0]) == COLUMNS
    assert [row["step"] for row in history] == [2, 4, 6, 8]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "final.safetensors",
        "history.csv",
        "last.pt",
        "progress.json",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), pd.DataFrame(history))
    final = load_file(tmp_path / "final.safetensors")
    assert all(torch.equal(final[name], w) for name, w in net.state_dict().items())
    assert sum(line.startswith("epoch") for line in capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resumes_to_the_same_history_and_weights(train, make_cfg, make_net, make_clips, tmp_path, ema):
    whole_net, whole = train(tmp_path / "whole", ema=ema)
    cfg, folder = make_cfg(ema=ema), tmp_path / "cut"
    with pytest.raises(Stop):  # in the fourth epoch of four; the last checkpoint is after the second
        fit(make_net(cfg), CutOff(make_clips(cfg), 7), make_clips(cfg, 12, seed=1), cfg, folder)
    state = torch.load(folder / "last.pt", weights_only=True)
    assert state["epoch"] == 2
    assert state["step"] == 4
    assert not (folder / "final.safetensors").exists()
    resumed_net, resumed = train(folder, ema=ema)
    assert without_times(resumed) == without_times(whole)
    for name, weight in whole_net.state_dict().items():
        assert torch.equal(weight, resumed_net.state_dict()[name]), name
    final, other = (load_file(at / "final.safetensors") for at in (tmp_path / "whole", folder))
    assert all(torch.equal(final[name], other[name]) for name in final)


def test_a_finished_training_is_not_repeated(train, tmp_path):
    _, history = train(tmp_path)
    _, again = train(tmp_path)
    assert again == history, "times too"


def test_resume_with_another_lr_is_refused(train, tmp_path):
    train(tmp_path)
    with pytest.raises(ValueError, match=r"lr 0\.01 -> 0\.001") as error:
        train(tmp_path, lr=1e-3, threads=2)
    assert "threads" not in str(error.value), "where a training runs may change"


def test_same_seed_same_history_other_seed_another(train, tmp_path):
    first, again, other = (train(tmp_path / name, seed=seed)[1] for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    assert without_times(first) == without_times(again)
    assert without_times(first) != without_times(other)


def test_nan_stops_before_anything_is_overwritten(train, make_cfg, make_net, make_clips, tmp_path):
    train(tmp_path, epochs=4)
    good = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "progress.json"}
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    state["history"] = state["history"][:2]
    state["weights"]["head.to_class.weight"][0, 0] = float("nan")
    torch.save(state, tmp_path / "last.pt")
    poisoned = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(FloatingPointError, match=r"epoch 3, step 5.*lower lr \(now 0\.01\)"):
        train(tmp_path, epochs=4)
    assert (tmp_path / "last.pt").read_bytes() == poisoned
    assert all((tmp_path / name).read_bytes() == data for name, data in good.items() if name != "last.pt")


def test_learning_rate_starts_above_zero_and_ends_at_one_percent():
    rates = [warmup_cosine(step, 100, 0.06) for step in range(101)]
    assert 0 < rates[0] < rates[5] == 1.0
    assert rates[100] == pytest.approx(0.01)
    assert all(a > b for a, b in zip(rates[6:], rates[7:], strict=False))
    assert warmup_cosine(0, 1, 0.0) == 1.0


def test_order_shows_each_clip_once_and_differs_by_epoch():
    rows = order(0, 0, 50, 8)
    assert rows.shape == (6, 8)
    assert len(np.unique(rows)) == 48
    assert not np.array_equal(rows, order(0, 1, 50, 8))
    assert np.array_equal(rows, order(0, 0, 50, 8))


def test_a_set_smaller_than_a_batch_is_one_batch(make_cfg, make_net, make_clips, tmp_path):
    cfg = make_cfg(epochs=1, batch_size=32)
    assert fit(make_net(cfg), make_clips(cfg, 20), make_clips(cfg, 5), cfg, tmp_path)[0]["clips_seen"] == 20


def test_predictions_do_not_depend_on_the_batch(make_cfg, make_net, make_clips):
    cfg = make_cfg()
    net, clips = make_net(cfg), make_clips(cfg, 21)
    whole, parts = predict(net, clips, cfg), predict(net, clips, cfg, batch=4)
    assert {name: array.shape for name, array in whole.items()} == {
        "logits_NK": (21, 4),
        "mean_NHx3": (21, 2, 3),
        "logvar_NHx3": (21, 2, 3),
    }
    assert all(np.allclose(whole[name], parts[name], atol=1e-5) for name in whole)


def test_weights_come_back(make_cfg, make_net, tmp_path):
    cfg = make_cfg()
    first, second = make_net(cfg, 0), make_net(cfg, 1)
    checkpoints.save_weights(tmp_path / "w.safetensors", first)
    checkpoints.load_weights(tmp_path / "w.safetensors", second)
    assert all(torch.equal(w, second.state_dict()[name]) for name, w in first.state_dict().items())
