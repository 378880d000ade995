"""MAGVIT's tokenizer: counts, shapes, a quantiser that goes there and back, a decoder that reads the codes alone."""

import math

import pytest
import torch
from torch import nn

from trajnb.models.magvit import PRESETS, TEMPERATURE, UCF101, Magvit, Quantiser, entropy_loss, square_distance

TINY = {"frames": 8, "size": 16, "widths": (8, 16), "pools": (2,), "blocks": 1, "codes": 16, "latent": 6}


def millions(module):
    return sum(weight.numel() for weight in module.parameters()) / 1e6


@pytest.mark.parametrize(
    ("preset", "whole", "encoder", "grid"),
    [(PRESETS["paper"], "36.60", "15.38", (4, 16, 16)), (UCF101, "40.58", "17.15", (4, 16, 16))],
)
def test_paper_presets_have_the_papers_parameters(preset, whole, encoder, grid):
    with torch.device("meta"):
        net = Magvit(**preset)
    assert (f"{millions(net):.2f}", f"{millions(net.encoder):.2f}") == (whole, encoder)
    features, _ = net(torch.zeros(1, 3, 16, preset["size"], preset["size"], device="meta"))
    assert features.shape == (1, *grid, 256)


@pytest.mark.parametrize("preset", [*PRESETS.values(), UCF101])
def test_norms_have_the_32_groups_of_flax_at_every_width(preset):
    with torch.device("meta"):
        net = Magvit(**{"frames": 16, "size": 64} | preset)
    norms = [module for module in net.modules() if isinstance(module, nn.GroupNorm)]
    assert {(norm.num_groups, norm.eps) for norm in norms} == {(32, 1e-6)}
    assert len(norms) == {1: 10, 3: 34, 4: 42}[len(preset.get("widths", (1, 2, 4)))]


def test_initialisation_of_the_paper_preset_is_that_of_flax():
    """LeCun's deviation 1 / sqrt(inputs), cut at two deviations of the normal distribution before the cut."""
    for module in Magvit(**TINY | {"widths": (32, 64)}, from_scratch=False).modules():
        if isinstance(module, nn.Conv3d) and module.weight.numel() > 10_000:
            lecun = module.weight[0].numel() ** -0.5
            assert module.weight.std().item() == pytest.approx(lecun, rel=0.05)
            assert 0.95 < module.weight.abs().max().item() / (2 * lecun / 0.87962566) <= 1


@pytest.mark.parametrize("unit", [True, False])
def test_nearest_code_by_hand(unit):
    """By distance, or by direction; without training the loss is that of codes to latents and of latents to codes."""
    quantiser, latent = Quantiser(8, 3, unit).eval(), torch.randn(1, 3, 2, 2, 2)
    latent_ND, codebook_KD = latent[0].flatten(1).T, quantiser.codebook_KD
    if unit:
        latent_ND, codebook_KD = (nn.functional.normalize(x, dim=-1) for x in (latent_ND, codebook_KD))
    exact_NK = (latent_ND[:, None] - codebook_KD).square().sum(-1)
    code, number, loss = quantiser(latent)
    assert torch.equal(number.flatten(), exact_NK.argmin(1))
    torch.testing.assert_close(code[0].flatten(1).T, codebook_KD[number.flatten()])
    torch.testing.assert_close(loss, (1 + 0.25) * exact_NK.amin(1).mean() / 3)
    torch.testing.assert_close(square_distance(latent_ND, codebook_KD), exact_NK, atol=1e-5, rtol=1e-4)


def test_gradient_passes_straight_through():
    quantiser, latent = Quantiser(8, 4, unit=False).eval(), torch.randn(1, 4, 2, 2, 2, requires_grad=True)
    wanted = torch.randn(1, 4, 2, 2, 2)
    (quantiser(latent)[0] * wanted).sum().backward()
    torch.testing.assert_close(latent.grad, wanted)


def test_entropy_and_its_gradient_are_those_of_the_formula():
    """-log 4 where each is sure of its own code; 0 where all are sure of one, and where each is unsure."""
    own, one, none = 10 - 10 * torch.eye(4), 10.0 * (torch.arange(4) > 0).expand(4, 4), torch.zeros(4, 4)
    assert [entropy_loss(x).item() for x in (own, one, none)] == pytest.approx([-math.log(4), 0, 0], abs=1e-3)
    for distance_NK in (torch.randn(4, 4).double() / 50, own.double()):
        choice_NK = (distance_NK.requires_grad_() * (-1 / TEMPERATURE)).softmax(1)
        each = -(choice_NK * choice_NK.clamp(min=1e-300).log()).sum(1).mean()
        formula = each + (choice_NK.mean(0) * (choice_NK.mean(0) + 1e-5).log()).sum()
        torch.testing.assert_close(loss := entropy_loss(distance_NK), formula)
        wanted, got = (torch.autograd.grad(one, distance_NK)[0] for one in (formula, loss))
        torch.testing.assert_close(got, wanted)


def test_decoder_reads_the_codes_alone():
    """What it gets is the quantiser's output, not the latents; it answers in the shape of the folded clip."""
    net, seen = Magvit(**TINY), []
    for part in (net.encoder, net.decoder):
        part.register_forward_hook(lambda module, inputs, output: seen.extend((inputs[0], output)))
    assert net.train()(torch.rand(2, 1, 8, 16, 16))[1]["loss"].isfinite()
    folded, latent, code, restored = seen
    torch.testing.assert_close(code, net.quantiser(latent)[0])
    assert not torch.allclose(code, latent, atol=1e-2)
    assert restored.shape == folded.shape == (2, 1, 8, 16, 16)


def test_frames_that_the_pools_do_not_divide():
    with pytest.raises(ValueError, match=r"frames 7 is not a multiple of patch and pools' 2: 7 = 2 x 3.5"):
        Magvit(**TINY | {"frames": 7})
