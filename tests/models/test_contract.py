"""What every extractor promises, joined to the shared head; a new extractor passes this file unchanged."""

import re

import pytest
import torch

from trajnb import ParameterError, models, runs
from trajnb.config import Config
from trajnb.models import own
from trajnb.training import fit


@pytest.fixture(scope="module", params=models.EXTRACTORS)
def cfg(request):
    return Config(model=request.param)


@pytest.fixture
def net(cfg):
    return models.build(cfg)


def test_the_contract_is_kept(net, discs, cfg):
    video = discs(3).batch(range(3)).video.float() / 255
    assert list(own.problems(net, video)) == []
    output, aux = net.train()(video)
    assert output.logits_BK.shape == (3, 4)
    assert output.future_BFx6.shape == (3, cfg.horizon, 6)
    assert output.observed_BTx3.shape == (3, cfg.frames, 3)
    assert all(part.isfinite().all() for part in output)
    assert aux.get("loss", torch.zeros(())).ndim == 0
    assert net.eval()(video)[0].observed_BTx3 is None


def test_base_preset_is_about_ten_million(cfg):
    clip = {"frames": 16, "size": 64}
    with torch.device("meta"):
        net = models.EXTRACTORS[cfg.model](**clip | models.PRESETS[cfg.model]["base"])
    assert 9e6 <= sum(weight.numel() for weight in net.parameters()) <= 11e6
    grid_BTHWD, _ = net(torch.zeros(1, 1, 16, 64, 64, device="meta"))
    assert min(grid_BTHWD.shape[2:4]) >= 4


@pytest.mark.parametrize(("name", "odd"), [("frames", 15), ("size", 62)])  # which no patch divides
def test_a_clip_of_another_shape_is_one_sentence_with_numbers(cfg, name, odd):
    clip = {"frames": 16, "size": 64, name: odd}
    with pytest.raises(ValueError, match=rf"^{name} {odd} is not a multiple of .*\Z"):  # on one line
        models.EXTRACTORS[cfg.model](**clip | models.PRESETS[cfg.model]["nano"])


@pytest.mark.slow
def test_overfits_32_clips(net, discs, cfg, tmp_path):
    still = {"mirror": False, "shift_px": 0, "contrast": 0.0, "weight_decay": 0.0}
    cfg = cfg.replace(epochs=16, batch_size=32, lr=1e-2, warmup_share=0.2, **still)
    assert fit(net, discs(32), discs(4), cfg, tmp_path)[-1]["train_top1"] == 1


OWN = """from torch import nn

class Mine(nn.Module):
    num_features = 12

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv3d(1, 12, (3, 8, 8), (1, 8, 8), (1, 0, 0)), nn.BatchNorm3d(12)

    def forward(self, video_BCTHW):
        return self.norm(self.conv(video_BCTHW)).permute(0, 2, 3, 4, 1)
"""
MASKED = """y = self.norm(self.conv(video_BCTHW))
        return (grid := video_BCTHW.new_zeros(y.shape)).index_put_((grid == 0,), y.flatten())"""
REFUSED = {  # error message: a change of that file
    "AttributeError": ("class Mine", "class Other"),
    "is no torch.nn.Module with": ("num_features = 12", ""),
    "ModuleNotFoundError": ("from torch", "from nowhere"),
    "cannot be made": ("nn.Conv3d(", "nn.Conv3d('x', "),
    "forward returns (3, 12, 16, 8, 8), not": (".permute(0, 2, 3, 4, 1)", ""),
    "has (2, 2) rows and columns, below 4": ("(1, 8, 8), (1, 0, 0)", "(1, 32, 32), (1, 0, 0)"),
    "depends on the other clips": ("self.norm(", "(lambda x: x - x.mean())("),
    "mine.py:Mine: no gradient reaches 2 parameters, extractor.net.idle.weight": (
        "self.conv,",
        "self.idle = nn.Linear(2, 2); self.conv,",
    ),
    "played backwards has the same grid": ("BCTHW))", "BCTHW.mean(2, True).expand(-1, -1, 16, -1, -1)))"),
    "infinities or NaN": ("BCTHW))", "BCTHW) / 0)"),
    "dtypes match": ("return self.norm(self.conv(video_BCTHW))", MASKED),  # in bfloat16 alone
}


def mine(tmp_path, old="", new=""):
    (tmp_path / "mine.py").write_text(OWN.replace(old, new))
    return f"{tmp_path / 'mine.py'}:Mine"


def test_a_network_of_one_s_own_is_accepted_and_a_missing_one_refused(tmp_path):
    name = mine(tmp_path)
    assert Config(model=name).train_stage == "train-Mine"
    runs.check_networks(Config(models=[name]))
    with pytest.raises(ParameterError, match="there is no such file"):
        runs.check_networks(Config(models=["nothing.py:Mine"]))


@pytest.mark.parametrize("problem", REFUSED)
def test_a_network_that_cannot_be_used_is_refused_before_a_run(tmp_path, problem):
    with pytest.raises(ParameterError, match=f"^models: .*{re.escape(problem)}.*trajnb check"):
        runs.check_networks(Config(models=[mine(tmp_path, *REFUSED[problem])], precision="bfloat16"))
