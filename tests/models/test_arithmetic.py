"""bfloat16 stays where it does no harm: predictions, losses and the quantiser have the resolution of float32."""

from types import SimpleNamespace

import pytest
import torch

from trajnb import models
from trajnb.config import Config
from trajnb.models import attention, magvit
from trajnb.models.arithmetic import autocast
from trajnb.models.attention import Attend
from trajnb.models.head import Head
from trajnb.models.magvit import Quantiser, square_distance
from trajnb.training.losses import training_loss

LOW = {"device_type": "cpu", "dtype": torch.bfloat16}


def finer_than_bfloat16(x) -> float:
    """Share of values that bfloat16 cannot hold: about 1 in float32, 0 after bfloat16 whatever the dtype is then."""
    return (x != x.bfloat16().to(x.dtype)).double().mean().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_head_under_autocast_is_the_head_in_float32(dtype):
    torch.manual_seed(0)
    head, grid = Head(features=10, classes=4, frames=16, horizon=5).eval(), torch.randn(64, 4, 4, 4, 10)
    head.to_future.weight.data *= 20  # as spread as a trained one's
    with torch.no_grad():
        outside = head(grid.to(dtype).float())
        with torch.autocast(**LOW):
            inside = head.train()(grid.to(dtype))
    assert inside.observed_BTx3.dtype == torch.float32
    torch.testing.assert_close(inside.future_BFx6, outside.future_BFx6, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(inside.logits_BK, outside.logits_BK, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("unit", [True, False])
def test_quantiser_under_autocast_rounds_as_float32_does(unit, monkeypatch):
    """Distances of given latents are off by float32's rounding alone; codes, numbers and loss are those without it."""
    torch.manual_seed(0)
    quantiser, latent_BDTHW = Quantiser(512, 32, unit).train(), torch.randn(4, 32, 4, 4, 4).bfloat16()
    calls = []
    monkeypatch.setattr(
        magvit, "square_distance", lambda x, y: calls.append((x, y, square_distance(x, y))) or calls[-1][2]
    )
    with torch.autocast(**LOW):
        output = quantiser(latent_BDTHW)
    x_ND, y_KD, distance_NK = (part.detach() for part in calls[0])
    exact_NK = square_distance(x_ND.double(), y_KD.double())
    assert (distance_NK - exact_NK).abs().max() < 1e-6 * exact_NK.max()
    for under_autocast, plain in zip(output, quantiser(latent_BDTHW.float()), strict=True):
        assert torch.equal(under_autocast, plain)


@pytest.mark.parametrize("model", models.EXTRACTORS)
def test_a_network_trained_in_bfloat16_is_scored_and_predicts_in_float32(model, discs):
    cfg, clips = Config(model=model, precision="bfloat16"), discs(4).batch(range(4))
    net, dtypes = models.build(cfg).train(), set()
    for module in net.extractor.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv3d):
            module.register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
    assert net.eval()(clips.video.float() / 255) and dtypes == {torch.float32}
    dtypes.clear()
    output, aux = net.train()(clips.video.float() / 255)
    losses = [training_loss(output, aux, clips.label, clips.track, cfg), *aux.values()]
    assert dtypes == {torch.bfloat16}, "the extractor does use it"
    for values in (*output, torch.stack(losses)):
        assert values.dtype == torch.float32
        assert finer_than_bfloat16(values) > 0.9


@pytest.mark.parametrize(("able", "device", "low"), [(True, "cpu", True), (False, "cpu", False), (True, "cuda", False)])
def test_auto_is_bfloat16_on_a_cpu_made_for_it(able, device, low, monkeypatch):
    """Without such instructions bfloat16 is emulated, up to 16 times as slow as float32."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype, enabled: enabled)
    x = SimpleNamespace(device=SimpleNamespace(type=device), is_meta=False)
    assert [autocast(precision, x) for precision in ("float32", "bfloat16", "auto")] == [False, True, low]


def test_group_normalisation_which_bfloat16_makes_slow_stays_in_float32():
    module, x = magvit.GroupNorm(24), torch.randn(3, 24, 24).bfloat16()
    with torch.autocast(**LOW):
        inside = module(x)
    assert torch.equal(inside, module(x.float())) and inside.dtype == torch.float32


def test_attention_in_bfloat16_is_written_out_on_a_cpu(monkeypatch):
    """torch's fused kernels for it are the slower ones there; the result is float32's but for rounding."""
    module, x = Attend(24, 2), torch.randn(3, 24, 24)
    exact = module(x, x, x)
    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", None)
    torch.testing.assert_close(module(*[x.bfloat16()] * 3), exact.bfloat16(), atol=0.05, rtol=0)
