"""The loop: learns, resumes to the same weights, repeats itself, stops on NaN without harm."""

import itertools
import os
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from trajnb import config
from trajnb.training.augment import augment, draw
from trajnb.training.checkpoints import newest, written
from trajnb.training.fit import fit, order, train_step, validate, warmup_cosine
from trajnb.training.losses import training_loss

TIMES = ("seconds", "clips_per_second")
COLUMNS = ["epoch", "step", "clips_seen", "lr", "train_loss", "train_top1", "val_loss", "val_top1", "val_ade_px"]


def cut(batches):
    """The power goes off after so many batches."""

    def change(number, batch):
        if number > batches:
            raise InterruptedError
        return batch

    return change


@pytest.fixture
def train(make_cfg, make_net, make_clips):
    """Trains a tiny net in `folder` and returns (net, history); `change(number, batch)` is what it gets for a batch."""

    def run(folder, change=None, prepare=None, clip_seed=0, **changes):
        cfg = make_cfg(**changes)
        net, clips, number = make_net(cfg), make_clips(cfg, seed=clip_seed), itertools.count(1)
        plain = clips.batch
        if change:
            clips.batch = lambda rows: change(next(number), plain(rows))
        if prepare:
            prepare(net)
        return net, fit(net, clips, make_clips(cfg, 12, seed=1), cfg, folder)

    return run


def without_times(history):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in history]


def test_leaves_what_it_says(train, tmp_path, capsys):
    net, history = train(tmp_path)
    assert list(history[0]) == [*COLUMNS, *TIMES]
    assert [row["step"] for row in history] == [2, 4, 6, 8]
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints", "final.safetensors", "history.csv"}
    assert [int(path.name[5:13]) for path in written(tmp_path)] == [8, 6], "the newest two"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), pd.DataFrame(history))
    final = load_file(tmp_path / "final.safetensors")
    assert all(torch.equal(final[name], w) for name, w in net.state_dict().items())
    assert sum(line.startswith("epoch") for line in capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize(("seconds", "precision"), [(1e6, "float32"), (0.0, "float32"), (0.0, "bfloat16")])
def test_resumes_to_the_same_history_and_weights(train, tmp_path, seconds, precision):
    """A network that draws random numbers in its forward pass, as dropout does."""

    def noisy(net):
        net.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 0.1 * torch.randn(inputs[0].shape),))

    folder, options = tmp_path / "cut", {"prepare": noisy, "checkpoint_seconds": seconds, "precision": precision}
    _, whole = train(tmp_path / "whole", **options)
    for batches in (5,) if seconds else (3, 0, 1, 2):  # of eight; the second time not one more
        with pytest.raises(InterruptedError):
            train(folder, cut(batches), **options)
    place = newest(folder)["state"]
    if seconds:  # the last checkpoint is after the second of four epochs
        assert (place["history"][-1]["step"], place["step"]) == (4, 0)
    else:
        assert place["history"][-1]["step"] + place["step"] > 4
    assert not (folder / "final.safetensors").exists()
    _, resumed = train(folder, **options)
    assert without_times(resumed) == without_times(whole)
    final, other = ((at / "final.safetensors").read_bytes() for at in (tmp_path / "whole", folder))
    assert final == other
    pd.testing.assert_frame_equal(pd.read_csv(folder / "history.csv"), pd.DataFrame(resumed))


@pytest.mark.parametrize("damage", ["cut", "bit", "removed"])
def test_what_a_power_loss_leaves_is_named_and_an_older_checkpoint_used(train, tmp_path, capsys, damage):
    _, whole = train(tmp_path)
    (tmp_path / "final.safetensors").rename(tmp_path / "before")
    path = written(tmp_path)[0]
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    harmed = {"cut": content[:-1], "bit": bytes(flipped)}
    path.write_bytes(harmed[damage]) if damage in harmed else path.unlink()
    (path.parent / f".{path.name}.1a2b.tmp").write_bytes(content[:100])  # a save that was cut
    (tmp_path / "history.csv").unlink()  # or one epoch behind
    capsys.readouterr()
    _, again = train(tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), pd.DataFrame(again))
    assert again[:3] == whole[:3], "times too: not from the beginning"
    assert without_times(again) == without_times(whole)
    assert (tmp_path / "final.safetensors").read_bytes() == (tmp_path / "before").read_bytes()
    assert (tmp_path / "checkpoints" / f"{path.stem}.damaged").exists() == (damage != "removed")
    named = f"checkpoint {path.name} is not as it was written: going on from an older one"
    assert (named in capsys.readouterr().out) == (damage != "removed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_of_the_very_step(train, tmp_path, number):
    _, whole = train(tmp_path / "whole")
    before = signal.getsignal(number)

    def signals(count, batch):
        if count == 3:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)  # as a Jupyter server does some seconds later
        return batch

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", signals)
    assert signal.getsignal(number) == before, "handed back"
    place = newest(tmp_path / "cut")["state"]
    assert (len(place["history"]), place["step"]) == (1, 1)
    _, again = train(tmp_path / "cut")
    assert without_times(again) == without_times(whole)


def test_a_finished_training_is_not_repeated_whatever_later_stages_need(train, tmp_path):
    _, history = train(tmp_path)
    assert train(tmp_path, robustness_clips=99, attention_clips=77)[1] == history, "times too"


def test_resume_with_another_lr_other_clips_or_other_code_is_refused(train, tmp_path, monkeypatch):
    train(tmp_path)
    with pytest.raises(ValueError, match=r"other parameters \(training clips [0-9a-f]+ -> [0-9a-f]+\)"):
        train(tmp_path, clip_seed=3)
    with pytest.raises(ValueError, match=r"lr 0\.01 -> 0\.001") as error:
        train(tmp_path, lr=1e-3, threads=2)
    assert "threads" not in str(error.value), "where a training runs may change"
    real, other = config.code_hash, "0123456789abcdef"
    monkeypatch.setattr(config, "code_hash", lambda rooms, model: other if rooms == ["world"] else real(rooms, model))
    with pytest.raises(ValueError, match=r"other parameters \(world code [0-9a-f]+ -> 0123456789abcdef\)"):
        train(tmp_path)


def test_threads_are_those_it_began_with(train, tmp_path):
    for threads in (1, 2):
        torch.set_num_threads(threads)
        train(tmp_path, threads=0, epochs=2)
    assert torch.get_num_threads() == 1


def test_an_infinite_loss_stops_before_anything_is_overwritten(train, tmp_path):
    def poison(number, batch):
        return batch._replace(track=batch.track * float("inf")) if number > 4 else batch

    with pytest.raises(FloatingPointError, match=r"loss inf in epoch 3, step 5.*lower lr \(now 0\.01\)"):
        train(tmp_path, poison)
    assert newest(tmp_path)["state"]["history"][-1]["epoch"] == 2
    assert all(w.isfinite().all() for w in newest(tmp_path)["weights"].values())
    assert pd.read_csv(tmp_path / "history.csv")["epoch"].tolist() == [1, 2]
    assert not (tmp_path / "final.safetensors").exists()


def test_learning_rate_by_hand():
    """Six steps up in a line, then half a cosine down to 1 %."""
    rates = [warmup_cosine(step, 100, 0.06) for step in (0, 4, 5, 6, 53, 100)]
    assert rates == pytest.approx([1 / 6, 5 / 6, 1, 1, 0.505, 0.01])
    assert warmup_cosine(0, 1, 0.0) == 1.0


def test_one_step_by_hand(make_cfg, make_net, make_clips):
    """Loss and accuracy are of the moved clips; the gradient's length is cut, and nothing of the last one is left."""
    cfg = make_cfg(grad_clip=0.01)
    net, twin, batch = make_net(cfg), make_net(cfg), make_clips(cfg).batch(np.arange(8))
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    for seed in (3, 4):
        twin.load_state_dict(net.state_dict())
        video, track = augment(batch.video, batch.track, draws := draw(cfg, np.random.default_rng(seed), 8))
        output, aux = twin(video)
        expected = training_loss(output, aux, batch.label, track, cfg)
        slopes = torch.cat([g.flatten() for g in torch.autograd.grad(expected, list(twin.parameters()))])
        loss, correct = train_step(net, optimizer, cfg, *batch, *draws, torch.tensor(1.0))
        torch.testing.assert_close(loss, expected.detach())
        assert correct == (output.logits_BK.argmax(1) == batch.label).float().mean()
        change = torch.cat([(a - b).flatten() for a, b in zip(twin.parameters(), net.parameters(), strict=True)])
        torch.testing.assert_close(change.detach(), 0.01 * slopes / slopes.norm(), atol=1e-6, rtol=1e-3)


def test_validation_by_hand(make_cfg, monkeypatch):
    """Cross-entropy and the plain likelihood of the frames after the observed ones; 3 and 4 of 32 px off are 5."""
    cfg = make_cfg()
    track = np.random.default_rng(0).uniform(0.5, 2, (3, 10, 3)).astype(np.float32)
    target = np.concatenate([track[:, 8:, :2], np.log(track[:, 8:, 2:])], axis=-1)
    predicted = {"logits_NK": np.log(np.array([[1, 2, 1], [2, 1, 1], [1, 1, 6]], np.float32))}
    predicted |= {"mean_NHx3": target + np.float32([3 / 32, 4 / 32, 0])}
    predicted |= {"logvar_NHx3": np.full_like(target, np.log(0.01))}
    monkeypatch.setattr(sys.modules[validate.__module__], "predict", lambda net, clips, cfg: predicted)
    result = validate(None, SimpleNamespace(label_N=np.array([1, 1, 2]), track_NFx3=track), cfg)
    squares = np.array([9 / 32**2, 16 / 32**2, 0]) / 0.01
    likelihood = np.mean(squares + np.log(0.01) + np.log(2 * np.pi)) / 2 - np.log(0.25)
    assert result["val_loss"] == pytest.approx(np.log([4 / 2, 4 / 1, 8 / 6]).mean() + likelihood, rel=1e-5)
    assert result["val_top1"] == pytest.approx(2 / 3)
    assert result["val_ade_px"] == pytest.approx(5, rel=1e-5)


def test_weights_that_are_not_finite_are_never_saved(train, tmp_path):
    """The loss of the step that spoils them is finite."""

    def spoil(net):
        net.head.to_class.bias.register_hook(lambda gradient: gradient * float("nan"))

    with pytest.raises(FloatingPointError, match="loss nan in epoch 1, step 2"):
        train(tmp_path, prepare=spoil, checkpoint_seconds=0.0)
    assert not written(tmp_path)


def test_order_shows_each_clip_once_and_differs_by_epoch():
    rows = order(0, 0, 50, 8)
    assert rows.shape == (6, 8) and len(np.unique(rows)) == 48
    assert not np.array_equal(rows, order(0, 1, 50, 8)) and np.array_equal(rows, order(0, 0, 50, 8))


def test_a_set_smaller_than_a_batch_is_one_batch(train, tmp_path):
    assert train(tmp_path, epochs=1, batch_size=32)[1][0]["clips_seen"] == 20
