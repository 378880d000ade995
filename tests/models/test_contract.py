"""What every extractor promises, joined to the shared head; a new extractor passes this file unchanged."""

import copy
import re

import pytest
import torch
from torch import nn

from trajnb import models
from trajnb.config import Config
from trajnb.training import optimizers
from trajnb.training.losses import training_loss

ODD_SIZE = 62  # pixels; no patch divides it


@pytest.fixture(scope="module", params=models.EXTRACTORS)
def cfg(request):
    return Config(model=request.param)


@pytest.fixture(scope="module")
def fresh(cfg):
    return models.build(cfg)


@pytest.fixture
def net(fresh):
    return copy.deepcopy(fresh)


@pytest.fixture(scope="module")
def clips(discs):
    """Three different clips with labels and tracks."""
    return as_floats(discs(3))


def as_floats(clip_set):
    batch = clip_set.batch(range(len(clip_set)))
    return batch.video.float() / 255, batch.label, batch.track


def train_step(net, optimizer, clips, cfg):
    video, label, track = clips
    output, aux = net.train()(video)
    loss = training_loss(output, aux, label, track, cfg)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    return output


def test_shapes_and_finite(net, clips, cfg):
    video = clips[0]
    grid_BTHWD, _ = net.extractor(video)
    assert grid_BTHWD.ndim == 5
    assert grid_BTHWD.shape[-1] == net.extractor.num_features
    assert min(grid_BTHWD.shape[2:4]) >= 4, "too coarse to say where"
    output, aux = net.train()(video)
    assert output.logits_BK.shape == (3, 4)
    assert output.future_BFx6.shape == (3, cfg.horizon, 6)
    assert output.observed_BTx3.shape == (3, cfg.frames, 3)
    assert all(part.isfinite().all() for part in output)
    assert aux.get("loss", torch.zeros(())).ndim == 0
    assert net.eval()(video)[0].observed_BTx3 is None


def test_gradient_reaches_every_parameter(net, clips, cfg):
    """After two steps: a path whose last map starts at zero passes no gradient in the first."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for _ in range(3):
        train_step(net, optimizer, clips, cfg)
    without = [name for name, w in net.named_parameters() if w.grad is None or not w.grad.any()]
    assert not without


def test_a_prediction_depends_on_its_clip_alone(net, clips):
    net.eval()
    first, second, alone = net(clips[0])[0], net(clips[0])[0], net(clips[0][1:2])[0]
    assert torch.equal(first.logits_BK, second.logits_BK)
    assert torch.equal(first.future_BFx6, second.future_BFx6)
    torch.testing.assert_close(alone.logits_BK, first.logits_BK[1:2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(alone.future_BFx6, first.future_BFx6[1:2], atol=1e-5, rtol=1e-4)


def test_observed_queries_change_nothing_else(net, clips):
    """The head's futures are the same with and without the auxiliary queries."""
    with torch.no_grad():
        grid, _ = net.eval().extractor(clips[0])
        with_observed, without = net.head.train()(grid), net.head.eval()(grid)
    torch.testing.assert_close(with_observed.future_BFx6, without.future_BFx6, atol=1e-5, rtol=1e-4)


def test_reversed_clip_gives_other_features(net, clips):
    """Other than the same features in reversed order, too, once the temporal path is awake."""
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
        forward, backward = (net.eval().extractor(video)[0] for video in (clips[0], clips[0].flip(2)))
    assert (forward - backward).abs().max() > 1e-3
    assert (forward - backward.flip(1)).abs().max() > 1e-3


def test_base_preset_is_about_ten_million(cfg):
    clip = {"frames": 16, "size": 64}
    with torch.device("meta"):
        net = models.EXTRACTORS[cfg.model](**clip | models.PRESETS[cfg.model]["base"])
    assert 9e6 <= sum(weight.numel() for weight in net.parameters()) <= 11e6
    grid_BTHWD, _ = net(torch.zeros(1, 1, 16, 64, 64, device="meta"))
    assert min(grid_BTHWD.shape[2:4]) >= 4


def test_wrong_size_is_one_sentence_with_numbers(cfg):
    with pytest.raises(ValueError) as error:
        models.EXTRACTORS[cfg.model](**{"frames": 16, "size": ODD_SIZE} | models.PRESETS[cfg.model]["nano"])
    assert re.search(rf"size.*{ODD_SIZE}", str(error.value))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_overfits_32_clips(net, discs, cfg):
    clips = as_floats(discs(32))
    optimizer = optimizers.build(net, lr=1e-2, weight_decay=0.0)
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(1e-2 * min(1, (step + 1) / 10))
        output = train_step(net, optimizer, clips, cfg)
        correct = (output.logits_BK.argmax(1) == clips[1]).all()
        if correct and step > 10:
            break
    assert correct, f"32 clips not overfitted in {step + 1} steps"
