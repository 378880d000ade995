"""The loop: learns, resumes to the same weights, repeats itself, stops on NaN without harm."""

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
from trajnb.training import checkpoints
from trajnb.training.augment import augment, draw
from trajnb.training.fit import fit, order, refuse_nonfinite, train_step, validate, warmup_cosine
from trajnb.training.losses import training_loss

TIMES = ("seconds", "clips_per_second")
COLUMNS = ["epoch", "step", "clips_seen", "lr", "train_loss", "train_top1", "val_loss", "val_top1", "val_ade_px"]


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
        self.label_N, self.track_NFx3 = clips.label_N, clips.track_NFx3
        self.spread = clips.spread

    def __len__(self):
        return len(self.clips)

    def batch(self, rows):
        self.left -= 1
        if self.left < 0:
            raise Stop
        return self.clips.batch(rows)


def test_leaves_what_it_says(train, tmp_path, capsys):
    net, history = train(tmp_path)
    assert list(history[0]) == [*COLUMNS, *TIMES]
    assert [row["step"] for row in history] == [2, 4, 6, 8]
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints", "final.safetensors", "history.csv"}
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), pd.DataFrame(history))
    final = load_file(tmp_path / "final.safetensors")
    assert all(torch.equal(final[name], w) for name, w in net.state_dict().items())
    assert sum(line.startswith("epoch") for line in capsys.readouterr().out.splitlines()) == 4


def last(folder):
    """The newest checkpoint's state."""
    return checkpoints.newest(folder)


@pytest.mark.parametrize("seconds", [1e6, 0.0])
def test_resumes_to_the_same_history_and_weights(make_cfg, make_net, make_clips, tmp_path, seconds):
    """A network that draws random numbers in its forward pass, as dropout does."""
    cfg, folder = make_cfg(checkpoint_seconds=seconds), tmp_path / "cut"

    def trained(folder, batches=8):
        net = make_net(cfg)
        net.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 0.1 * torch.randn(inputs[0].shape),))
        return net, fit(net, CutOff(make_clips(cfg), batches), make_clips(cfg, 12, seed=1), cfg, folder)

    whole_net, whole = trained(tmp_path / "whole")
    for batches in (5,) if seconds else (3, 0, 1, 2):  # of eight; the second time not one more
        with pytest.raises(Stop):
            trained(folder, batches)
    place = last(folder)["state"]
    if seconds:  # the last checkpoint is after the second of four epochs
        assert (place["history"][-1]["step"], place["step"]) == (4, 0)
    else:
        assert place["history"][-1]["step"] + place["step"] > 4
    assert not (folder / "final.safetensors").exists()
    resumed_net, resumed = trained(folder)
    assert without_times(resumed) == without_times(whole)
    for name, weight in whole_net.state_dict().items():
        assert torch.equal(weight, resumed_net.state_dict()[name]), name
    final, other = ((at / "final.safetensors").read_bytes() for at in (tmp_path / "whole", folder))
    assert final == other
    pd.testing.assert_frame_equal(pd.read_csv(folder / "history.csv"), pd.DataFrame(resumed))


def test_only_the_newest_checkpoints_are_kept(train, tmp_path):
    train(tmp_path, epochs=6)
    assert [int(path.name[5:13]) for path in checkpoints.written(tmp_path)] == [12, 10]


@pytest.mark.parametrize("damage", ["cut", "bit", "removed"])
def test_what_a_power_loss_leaves_is_named_and_an_older_checkpoint_used(train, tmp_path, capsys, damage):
    _, whole = train(tmp_path)
    (tmp_path / "final.safetensors").rename(tmp_path / "before")
    newest = checkpoints.written(tmp_path)[0]
    content = newest.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    harmed = {"cut": content[:-1], "bit": bytes(flipped)}
    newest.write_bytes(harmed[damage]) if damage in harmed else newest.unlink()
    (newest.parent / f".{newest.name}.1a2b.tmp").write_bytes(content[:100])  # a save that was cut
    (tmp_path / "history.csv").unlink()  # or one epoch behind
    capsys.readouterr()
    _, again = train(tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), pd.DataFrame(again))
    assert without_times(again) == without_times(whole)
    assert (tmp_path / "final.safetensors").read_bytes() == (tmp_path / "before").read_bytes()
    assert (tmp_path / "checkpoints" / f"{newest.stem}.damaged").exists() == (damage != "removed")
    named = f"checkpoint {newest.name} is not as it was written: going on from an older one"
    assert (named in capsys.readouterr().out) == (damage != "removed")


def test_damaged_checkpoints_never_push_whole_ones_out(train, make_cfg, make_net, make_clips, tmp_path):
    """Of ever so many damaged ones none counts as kept: what is saved next stays."""
    cfg = make_cfg()
    with pytest.raises(Stop):
        fit(make_net(cfg), CutOff(make_clips(cfg), 5), make_clips(cfg, 12, seed=1), cfg, tmp_path)
    for path in checkpoints.written(tmp_path):
        path.write_bytes(b"damaged")
    with pytest.raises(Stop):  # from the beginning, and cut again after its first epoch
        fit(make_net(cfg), CutOff(make_clips(cfg), 3), make_clips(cfg, 12, seed=1), cfg, tmp_path)
    assert len(last(tmp_path)["state"]["history"]) == 1
    _, whole = train(tmp_path / "whole")
    assert without_times(train(tmp_path)[1]) == without_times(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_of_the_very_step(train, make_cfg, make_net, make_clips, tmp_path, number):
    _, whole = train(tmp_path / "whole")
    cfg, clips = make_cfg(), make_clips(make_cfg())
    before = signal.getsignal(number)

    class Signals(CutOff):
        def batch(self, rows):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), signal.SIGTERM)  # as a Jupyter server does some seconds later
            return self.clips.batch(rows)

    with pytest.raises(KeyboardInterrupt):
        fit(make_net(cfg), Signals(clips, 3), make_clips(cfg, 12, seed=1), cfg, tmp_path / "cut")
    assert signal.getsignal(number) == before, "handed back"
    place = last(tmp_path / "cut")["state"]
    assert (len(place["history"]), place["step"]) == (1, 1)
    _, again = train(tmp_path / "cut")
    assert without_times(again) == without_times(whole)


def test_a_finished_training_is_not_repeated_whatever_later_stages_need(train, tmp_path):
    _, history = train(tmp_path)
    assert train(tmp_path, robustness_clips=99, attention_clips=77)[1] == history, "times too"


def test_resume_with_another_lr_or_other_clips_is_refused(train, make_cfg, make_net, make_clips, tmp_path):
    train(tmp_path)
    cfg = make_cfg()
    with pytest.raises(ValueError, match=r"other parameters \(training clips [0-9a-f]+ -> [0-9a-f]+\)"):
        fit(make_net(cfg), make_clips(cfg, seed=3), make_clips(cfg, 12, seed=1), cfg, tmp_path)
    with pytest.raises(ValueError, match=r"lr 0\.01 -> 0\.001") as error:
        train(tmp_path, lr=1e-3, threads=2)
    assert "threads" not in str(error.value), "where a training runs may change"


def test_a_finished_training_run_of_other_code_is_no_result_of_this_one(train, tmp_path, monkeypatch):
    train(tmp_path)
    real, other = config.code_hash, "0123456789abcdef"
    monkeypatch.setattr(config, "code_hash", lambda rooms, model: other if rooms == ["world"] else real(rooms, model))
    with pytest.raises(ValueError, match=r"other parameters \(world code [0-9a-f]+ -> 0123456789abcdef\)"):
        train(tmp_path)


def test_threads_are_those_it_began_with(train, tmp_path):
    torch.set_num_threads(1)
    train(tmp_path, threads=0, epochs=2)
    torch.set_num_threads(2)
    train(tmp_path, threads=0, epochs=2)
    assert torch.get_num_threads() == 1


def test_nan_stops_before_anything_is_overwritten(train, tmp_path, make_cfg, make_net, make_clips):
    cfg = make_cfg()

    class Poison(CutOff):
        def batch(self, rows):
            self.left -= 1
            batch = self.clips.batch(rows)
            return batch._replace(track=batch.track * float("nan")) if self.left < 0 else batch

    with pytest.raises(FloatingPointError, match=r"epoch 3, step 5.*lower lr \(now 0\.01\)"):
        fit(make_net(cfg), Poison(make_clips(cfg), 4), make_clips(cfg, 12, seed=1), cfg, tmp_path)
    assert last(tmp_path)["state"]["history"][-1]["epoch"] == 2
    assert all(w.isfinite().all() for w in last(tmp_path)["weights"].values())
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
    predicted |= {
        "mean_NHx3": target + np.float32([3 / 32, 4 / 32, 0]),
        "logvar_NHx3": np.full_like(target, np.log(0.01)),
    }
    monkeypatch.setattr(sys.modules[validate.__module__], "predict", lambda net, clips, cfg: predicted)
    result = validate(None, SimpleNamespace(label_N=np.array([1, 1, 2]), track_NFx3=track), cfg)
    squares = np.array([9 / 32**2, 16 / 32**2, 0]) / 0.01
    likelihood = np.mean(squares + np.log(0.01) + np.log(2 * np.pi)) / 2 - np.log(0.25)
    assert result["val_loss"] == pytest.approx(np.log([4 / 2, 4 / 1, 8 / 6]).mean() + likelihood, rel=1e-5)
    assert result["val_top1"] == pytest.approx(2 / 3)
    assert result["val_ade_px"] == pytest.approx(5, rel=1e-5)


def test_the_first_step_that_is_not_finite_is_named(make_cfg):
    values = [torch.tensor(x) for x in (1.0, float("inf"), float("nan"))]
    with pytest.raises(FloatingPointError, match=r"loss inf in epoch 3, step 12"):
        refuse_nonfinite(values, 2, 10, make_cfg())
    refuse_nonfinite(values[:1], 2, 10, make_cfg())


def test_weights_that_are_not_finite_are_never_saved(make_cfg, make_net, make_clips, tmp_path):
    """The loss of the step that spoils them is finite."""
    cfg = make_cfg(checkpoint_seconds=0.0)
    net, clips = make_net(cfg), make_clips(cfg)
    net.head.to_class.bias.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(FloatingPointError, match="loss nan in epoch 1, step 2"):
        fit(net, clips, clips, cfg, tmp_path)
    assert not checkpoints.written(tmp_path)


def test_order_shows_each_clip_once_and_differs_by_epoch():
    rows = order(0, 0, 50, 8)
    assert rows.shape == (6, 8)
    assert len(np.unique(rows)) == 48
    assert not np.array_equal(rows, order(0, 1, 50, 8))
    assert np.array_equal(rows, order(0, 0, 50, 8))


def test_a_set_smaller_than_a_batch_is_one_batch(make_cfg, make_net, make_clips, tmp_path):
    cfg = make_cfg(epochs=1, batch_size=32)
    assert fit(make_net(cfg), make_clips(cfg, 20), make_clips(cfg, 5), cfg, tmp_path)[0]["clips_seen"] == 20
