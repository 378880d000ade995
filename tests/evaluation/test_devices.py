"""Whatever evaluates a trained network does so on the configured device; torch's meta device stands in for a GPU."""

import numpy as np
import pytest
import torch

from trajnb import models
from trajnb.attention import table
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import leaderboard, predictions
from trajnb.models import trained
from trajnb.robustness import study as robustness
from trajnb.world import recipes

CFG = Config(models=["i3d"], model="i3d")


@pytest.fixture(autouse=True)
def on_meta(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    trained.save(CFG.stage_dir(CFG.train_stage) / trained.FILE, models.build(CFG), CFG)
    monkeypatch.setattr(trained, "device", lambda cfg: torch.device("meta"))


def where(net):
    return {weight.device.type for weight in net.parameters()}


def test_predictions(monkeypatch):
    seen = []
    monkeypatch.setattr(leaderboard, "predict", lambda net, clips, cfg: seen.append(net))
    monkeypatch.setattr(leaderboard, "said_by", lambda predictions: predictions)
    predictions.of_training_run(CFG, None)
    assert where(seen[0]) == {"meta"}


def test_robustness(monkeypatch):
    clips = ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(4)))
    monkeypatch.setattr(robustness.data, "load", lambda cfg, which: clips)
    monkeypatch.setattr(robustness.controls, "picture_trees", lambda train: {})
    assert where(robustness.contenders(CFG).networks["i3d"][0]) == {"meta"}


def test_attention():
    assert where(table.network(CFG).net) == {"meta"}
