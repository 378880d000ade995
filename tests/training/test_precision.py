"""The arithmetic that pays: probed once, kept with the training, and the net is what it was."""

import pytest
import torch

from trajnb import files, models
from trajnb.config import Config
from trajnb.models import trained
from trajnb.training import checkpoints, precision, validate
from trajnb.training.augment import as_float
from trajnb.training.fit import fit


def test_the_net_is_left_as_it_was(discs, monkeypatch):
    monkeypatch.setattr(precision, "ROUNDS", 1)
    net = models.build(Config(model="i3d"))  # its batch normalisation keeps averages of what it sees
    before = {name: value.clone() for name, value in net.state_dict().items()}
    seconds = precision.pass_seconds(net, as_float(discs(4).batch(range(4)).video))
    assert set(seconds) == {"float32", "bfloat16"}
    assert min(seconds.values()) > 0
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(weight.grad is None for weight in net.parameters())


@pytest.mark.parametrize(("low", "chosen"), [(0.5, "bfloat16"), (0.95, "float32"), (2.0, "float32")])
def test_only_what_pays_is_chosen_and_a_resumed_training_keeps_it(
    low, chosen, make_cfg, make_net, make_clips, tmp_path, monkeypatch
):
    monkeypatch.setattr(precision, "pass_seconds", lambda *a: {"float32": 1.0, "bfloat16": low})
    cfg = make_cfg(precision="auto", epochs=1)
    clips = make_clips(cfg)
    fit(make_net(cfg), clips, clips, cfg, tmp_path)
    assert files.read_json(tmp_path / "precision.json")["chosen"] == chosen
    assert checkpoints.newest(tmp_path)["identity"]["precision"] == chosen
    monkeypatch.setattr(precision, "pass_seconds", lambda *a: pytest.fail("probed again"))
    assert precision.resolve(cfg, None, clips, tmp_path, torch.device("cpu")).precision == chosen


def test_fast_but_wrong_is_not_chosen(make_cfg, make_net, make_clips, tmp_path, monkeypatch):
    """A patch embedding with a large offset, which float32 takes out again and bfloat16 drowns in."""
    monkeypatch.setattr(precision, "pass_seconds", lambda *a: {"float32": 1.0, "bfloat16": 0.1})
    cfg = make_cfg(precision="auto")
    net, clips = make_net(cfg), make_clips(cfg)
    assert precision.resolve(cfg, net, clips, tmp_path / "good", torch.device("cpu")).precision == "bfloat16"
    net.extractor.embed.bias.data += 1000.0
    assert precision.resolve(cfg, net, clips, tmp_path / "bad", torch.device("cpu")).precision == "float32"
    errors = [files.read_json(tmp_path / name / "precision.json")["error"] for name in ("good", "bad")]
    assert errors[0] < precision.LARGEST_ERROR < errors[1]


@pytest.mark.parametrize(("low", "chosen"), [(0.5, "bfloat16"), (2.0, "float32")])
def test_every_score_is_in_the_arithmetic_of_the_training(
    low, chosen, make_cfg, make_net, make_clips, tmp_path, monkeypatch
):
    """What is loaded gives the last validation's loss to the bit, whatever the parameters say by then."""
    monkeypatch.setattr(precision, "pass_seconds", lambda *a: {"float32": 1.0, "bfloat16": low})
    monkeypatch.setattr(models, "build", make_net)
    cfg = make_cfg(precision="auto", epochs=1)
    clips = make_clips(cfg)
    history = fit(make_net(cfg), clips, clips, cfg, tmp_path)
    for later in ("auto", "float32", "bfloat16"):
        net = trained.load_trained(cfg, tmp_path)
        assert net.precision == chosen
        assert validate(net, clips, cfg.replace(precision=later))["val_loss"] == history[-1]["val_loss"]
    net.precision = "float32" if chosen == "bfloat16" else "bfloat16"
    assert validate(net, clips, cfg)["val_loss"] != history[-1]["val_loss"]


def test_a_fixed_precision_is_not_probed(make_cfg, tmp_path):
    cfg = make_cfg()
    assert precision.resolve(cfg, None, None, tmp_path, None) is cfg
    assert list(tmp_path.iterdir()) == []
