"""What only a GPU can show; skipped where there is none."""

from unittest.mock import DEFAULT, Mock

import numpy as np
import pytest
import torch

from trajnb import models
from trajnb.config import Config
from trajnb.models import trained
from trajnb.training import graph
from trajnb.training.fit import fit, predict

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU: the CUDA path is not verified on this machine"
)


@pytest.mark.parametrize("model", models.EXTRACTORS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_trains_and_predicts_as_on_a_cpu(model, precision, discs, tmp_path):
    cfg = Config(model=model, device="cuda", precision=precision, epochs=1, batch_size=8)
    history = fit(net := models.build(cfg), discs(32), discs(16, seed=1), cfg, tmp_path)
    assert np.isfinite(history[-1]["val_loss"])
    on_gpu = predict(net, discs(16, seed=1), cfg)
    on_cpu = predict(net.cpu(), discs(16, seed=1), cfg.replace(device="cpu"))
    for name in on_gpu:
        np.testing.assert_allclose(on_gpu[name], on_cpu[name], atol=1e-2)


def test_a_trained_network_comes_back_to_the_gpu(tmp_path):
    cfg = Config(model="i3d", device="cuda")
    trained.save(tmp_path / trained.FILE, models.build(cfg), cfg)
    assert {weight.device.type for weight in trained.load_trained(cfg, tmp_path).parameters()} == {"cuda"}
    assert trained.device_name(trained.device(cfg)).startswith("cuda (")


def test_a_training_that_was_cut_ends_as_one_that_was_not(discs, tmp_path, monkeypatch):
    """Within rounding; what a checkpoint holds and what later steps measure must lie on one device."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    cfg, clips = Config(model="i3d", device="cuda", epochs=1, batch_size=8, checkpoint_seconds=1e-9), discs(32)
    clips.batch = Mock(wraps=clips.batch, side_effect=[DEFAULT, DEFAULT, InterruptedError])
    with pytest.raises(InterruptedError):
        fit(models.build(cfg), clips, discs(16, seed=1), cfg, tmp_path / "cut")
    cut, whole = (fit(models.build(cfg), discs(32), discs(16, seed=1), cfg, tmp_path / n)[-1] for n in ("cut", "whole"))
    for score in ("train_loss", "val_loss", "val_ade_px"):
        assert cut[score] == pytest.approx(whole[score], rel=0.02, abs=0.02)


@pytest.mark.parametrize("model", models.EXTRACTORS)
def test_replayed_steps_are_the_eager_ones(model, discs, tmp_path, monkeypatch):
    """The same training run with every step launched kernel by kernel, and as one graph: the same within rounding."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    cfg, histories = Config(model=model, device="cuda", epochs=2, batch_size=8, lr=1e-3), {}
    for name, warm_up in (("eager", 10**9), ("replayed", graph.WARM_UP)):
        monkeypatch.setattr(graph, "WARM_UP", warm_up)
        histories[name] = fit(models.build(cfg), discs(64), discs(16, seed=1), cfg, tmp_path / name)
    for eager, replayed in zip(*histories.values(), strict=True):
        for score in ("train_loss", "val_loss", "val_ade_px"):
            assert replayed[score] == pytest.approx(eager[score], rel=0.02, abs=0.02)
