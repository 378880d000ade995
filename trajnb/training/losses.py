"""What is minimised: class, future positions, observed positions, and whatever loss an extractor brings.

Source:   beta-NLL from On the Pitfalls of Heteroscedastic Uncertainty Estimation, equation 5,
          https://arxiv.org/abs/2203.09168.
"""

import math

import torch
import torch.nn.functional as F

from trajnb.models.head import SCALE, standard


def training_loss(output, aux: dict, label_B, track_BFx3, cfg):
    """Scalar: cross-entropy + weighted future beta-NLL + weighted observed smooth-L1 + weighted aux["loss"], nats."""
    observed_BTx3, future_BHx3 = as_target(track_BFx3).tensor_split([cfg.frames], dim=1)
    position = position_nll(output.future_BFx6, future_BHx3, cfg.beta_nll).mean()
    # A dense signal: the position in every frame, not in the few future ones alone. Quadratic below 0.1 standard units,
    # 1.6 px, absolute beyond: what is far off at first does not outweigh all else.
    observed = F.smooth_l1_loss(standard(output.observed_BTx3), standard(observed_BTx3), beta=0.1)
    loss = F.cross_entropy(output.logits_BK, label_B) + cfg.position_weight * position + cfg.observed_weight * observed
    return loss + cfg.aux_weight * aux["loss"] if "loss" in aux else loss


def as_target(track_x3):
    """(u, v, z) -> (u, v, log z): frame widths and log metres."""
    # Depth as the camera sees it: apparent size changes by the share, not by the metre; an error in log z is a share.
    return torch.cat([track_x3[..., :2], track_x3[..., 2:].log()], dim=-1)


def position_nll(future_x6, target_x3, beta: float = 0.0):
    """Gaussian negative log-likelihood of each coordinate in nats, the coordinates in the head's standard units.

    beta 0 is the plain likelihood.
    """
    mean_x3, log_variance_x3 = future_x6.float().chunk(2, dim=-1)
    error_x3 = standard(mean_x3) - standard(target_x3)
    log_variance_x3 = log_variance_x3 - 2 * math.log(SCALE)
    nll_x3 = 0.5 * (log_variance_x3 + error_x3.square() / log_variance_x3.exp() + math.log(2 * math.pi))
    # Weighted by the variance held constant, so that hard clips do not escape by predicting a large one.
    return nll_x3 * log_variance_x3.detach().exp() ** beta if beta else nll_x3
