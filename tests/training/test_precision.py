"""The arithmetic that pays: probed once, kept with the training, and the net is what it was."""

import pytest
import torch

from trajnb import files, models
from trajnb.config import Config
from trajnb.training import checkpoints, precision
from trajnb.training.fit import fit


def test_the_net_is_left_as_it_was(discs):
    net = models.build(Config(model="i3d"))  # its batch normalisation keeps averages of what it sees
    before = {name: value.clone() for name, value in net.state_dict().items()}
    seconds = precision.probe(net, discs(4).batch(range(4)).video, torch.device("cpu"))
    assert set(seconds) == {"float32", "bfloat16"}
    assert min(seconds.values()) > 0
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(weight.grad is None for weight in net.parameters())


@pytest.mark.parametrize(("low", "chosen"), [(0.5, "bfloat16"), (0.95, "float32"), (2.0, "float32")])
def test_only_what_pays_is_chosen_and_a_resumed_training_keeps_it(
    low, chosen, make_cfg, make_net, make_clips, tmp_path, monkeypatch
):
    monkeypatch.setattr(precision, "probe", lambda *a: {"float32": 1.0, "bfloat16": low})
    cfg = make_cfg(precision="auto", epochs=1)
    clips = make_clips(cfg)
    fit(make_net(cfg), clips, clips, cfg, tmp_path)
    assert files.read_json(tmp_path / "precision.json")["chosen"] == chosen
    assert checkpoints.newest(tmp_path)["cfg"]["precision"] == chosen
    monkeypatch.setattr(precision, "probe", lambda *a: pytest.fail("probed again"))
    assert precision.resolve(cfg, None, clips, tmp_path, torch.device("cpu")).precision == chosen


def test_a_fixed_precision_is_not_probed(make_cfg, tmp_path):
    cfg = make_cfg()
    assert precision.resolve(cfg, None, None, tmp_path, None) is cfg
    assert list(tmp_path.iterdir()) == []
