"""The losses against arithmetic."""

from types import SimpleNamespace

import numpy as np
import torch

from trajnb.models.head import SCALE, Output
from trajnb.training.losses import as_target, position_nll, training_loss

CFG = SimpleNamespace(frames=3, beta_nll=0.5, position_weight=3.0, observed_weight=5.0, aux_weight=2.0)


def random_case(seed=0):
    """Two clips with three observed and two future frames, every number different."""
    torch.manual_seed(seed)
    future = torch.cat([torch.rand(2, 2, 3), torch.randn(2, 2, 3) - 3], dim=-1)
    return Output(torch.randn(2, 4), future, torch.rand(2, 3, 3)), torch.tensor([3, 1]), torch.rand(2, 5, 3) + 0.5


def test_the_loss_by_hand():
    """Future predictions meet the frames strictly after the last observed one, the others the observed ones."""
    output, label, track = random_case()
    output.observed_BTx3[0, 0] = as_target(track)[0, 0] + 0.02  # inside of smooth-L1's quadratic part
    logits, future, observed, true = (x.double().numpy() for x in (*output, track))
    true = np.concatenate([true[..., :2], np.log(true[..., 2:])], axis=-1)
    cross_entropy = np.mean(np.log(np.exp(logits).sum(1)) - logits[[0, 1], [3, 1]])
    variance = np.exp(future[..., 3:]) / 0.25**2
    error = (future[..., :3] - true[:, [3, 4]]) / 0.25
    position = variance**0.5 * (np.log(variance) + error**2 / variance + np.log(2 * np.pi)) / 2
    distance = np.abs(observed - true[:, [0, 1, 2]]) / 0.25
    smooth = np.where(distance < 0.1, distance**2 / 0.2, distance - 0.05)
    expected = cross_entropy + 3 * position.mean() + 5 * smooth.mean()
    torch.testing.assert_close(training_loss(output, {}, label, track, CFG), torch.tensor(expected).float())
    aux = {"loss": torch.tensor(7.0), "codes": None}
    torch.testing.assert_close(training_loss(output, aux, label, track, CFG), torch.tensor(expected + 14).float())


def test_beta_weighs_by_variance_without_its_gradient():
    future = torch.zeros(1, 1, 6, requires_grad=True)
    target = torch.full((1, 1, 3), 0.3)
    plain, weighted = position_nll(future, target), position_nll(future, target, beta=0.5)
    torch.testing.assert_close(weighted, plain / SCALE)  # variance 1 = deviation of 1 / SCALE standard units
    (gradient,) = torch.autograd.grad(weighted.sum(), future)
    (expected,) = torch.autograd.grad(plain.sum(), future)
    torch.testing.assert_close(gradient, expected / SCALE)
