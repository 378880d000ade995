"""Attribution maps: which cells of space and time matter for the predicted class; and control maps without a network.

Source:   gradient-weighted attention, https://arxiv.org/abs/2103.15679, equations 5 and 6; Grad-CAM,
          https://arxiv.org/abs/1610.02391, equations 1 and 2.
Differs:  attention starts from the head's class query; the divided attention of a block counts as two layers. A row
          vector is propagated down through the layers instead of multiplying their matrices: the same result.

Shapes:   B clips   T, H, W cells   S = T x H x W   P = H x W cells of one moment   Q queries
"""

from typing import NamedTuple

import numpy as np
import torch
from captum.attr import LayerActivation, LayerGradCam
from einops import rearrange
from scipy.ndimage import uniform_filter

from trajnb.attention.layers import Axis, Explained, tiles
from trajnb.models.attention import attention_weights
from trajnb.models.transformer import Transformer

CENTRE_WIDTH = 0.25  # of the frame: deviation of the Gaussian at its centre
SMOOTHING = (1, 1, 3, 3)  # pixels over which brightness and change are averaged, against single noisy pixels
CONTROLS = ("random", "centre", "brightest_pixel", "motion_energy")


class Map(NamedTuple):
    """Relevance of each cell, not negative and without a unit, and where the cells are."""

    cells_BTHW: np.ndarray
    axes: tuple[Axis, Axis, Axis] = (Axis(), Axis(), Axis())  # frames and pixels themselves

    def upsampled(self, shape) -> np.ndarray:
        """The map at a clip's resolution `shape` (T, H, W): linear between cell centres, constant beyond."""
        weights = []  # of time, rows and columns: each frame or pixel (length) from the cells
        for axis, cells, length in zip(self.axes, self.cells_BTHW.shape[1:], shape, strict=True):
            centre, middle = axis.first + axis.step * np.arange(cells), np.arange(length) + 0.5
            each = np.stack([np.interp(middle, centre, one) for one in np.eye(cells)], axis=1)
            weights.append(torch.from_numpy(each).float())
        return torch.einsum("bthw,xt,yh,zw->bxyz", torch.from_numpy(self.cells_BTHW), *weights).numpy()


def all_maps(explained: Explained, video_BCTHW, target_B) -> dict[str, Map]:
    """Every map of a network for the target classes (B,)."""
    propagated = gradient_attention(explained, video_BCTHW, target_B)
    return head(explained, video_BCTHW) | propagated | fine_maps(explained, video_BCTHW, target_B)


def head(explained, video_BCTHW):
    """Attention of the head's queries, mean of its pools and heads: the class query, and one for each future frame."""
    with torch.no_grad(), attention_weights(explained.net.head) as weights:
        grid_BTHWD, _ = explained.net.features(video_BCTHW)
        explained.net.head(grid_BTHWD)
    mean_BQS = torch.stack([w.mean(dim=1) for w in weights.values()]).mean(dim=0)
    names = ["head_class", *(f"head_future_{step}" for step in range(1, explained.net.head.horizon + 1))]
    cells = mean_BQS.unflatten(2, grid_BTHWD.shape[1:4])
    return {name: Map(as_array(cells[:, q]), explained.grid_axes) for q, name in enumerate(names)}


def gradient_attention(explained, video_BCTHW, target_B):
    """Attention times its positive gradient of the target's logit, propagated down through the Transformer's layers:
    nothing for other networks, nor for one with a class token (preset paper)."""
    extractor = explained.net.extractor
    if not isinstance(extractor, Transformer) or extractor.cls_11D is not None:
        return {}
    with attention_weights(explained.net) as weights:
        logit_B = explained(video_BCTHW).gather(1, target_B[:, None])
    gradients = torch.autograd.grad(logit_B.sum(), list(weights.values()))
    each = zip(weights.items(), gradients, strict=True)
    raised = {name: (w * gradient).clamp(min=0).mean(dim=1).detach() for (name, w), gradient in each}
    pools = [w[:, 0] for name, w in raised.items() if name.startswith("head.")]
    row_BTP = rearrange(torch.stack(pools).mean(dim=0), "b (t p) -> b t p", t=len(extractor.when_T1D))
    for number in reversed(range(len(extractor.blocks))):  # each block also passes the class query's row on as it is
        block = f"extractor.blocks.{number}"
        space = rearrange(raised[f"{block}.spatial_attention.attend"], "(b t) p q -> b t p q", t=row_BTP.shape[1])
        time = rearrange(raised[f"{block}.temporal_attention.attend"], "(b p) t s -> b p t s", b=len(row_BTP))
        row_BTP = row_BTP + torch.einsum("btp,btpq->btq", row_BTP, space)
        row_BTP = row_BTP + torch.einsum("btp,bpts->bsp", row_BTP, time)
    cells = rearrange(row_BTP, "b t (h w) -> b t h w", h=extractor.rows)
    return {"gradient_attention": Map(as_array(cells), tiles(extractor.tubelet))}


def fine_maps(explained, video_BCTHW, target_B):
    """Two maps of each fine layer, so of each pathway: `activation`, the distance of a cell's features from the clip's
    mean feature (MAGVIT: its latents), and Grad-CAM."""
    activation, gradcam = {}, {}
    for layer in explained.fine:
        with torch.no_grad():
            x = LayerActivation(explained, layer.module).attribute(video_BCTHW)
        distance = (x - x.mean(dim=(2, 3, 4), keepdim=True)).norm(dim=1)
        cam = LayerGradCam(explained, layer.module).attribute(video_BCTHW, target_B, relu_attributions=True)
        activation[f"activation{layer.name}"] = Map(as_array(distance), layer.axes)
        gradcam[f"gradcam{layer.name}"] = Map(as_array(cam[:, 0]), layer.axes)
    return activation | gradcam


def as_array(tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


def controls(video_BCTHW, index_B) -> dict[str, Map]:
    """Maps that need no network: noise seeded by the clips' index, nearness to the centre, brightness, frame change."""
    video_BTSS = video_BCTHW[:, 0].cpu().numpy()
    shape = video_BTSS.shape[1:]
    near_S = np.exp(-0.5 * (((np.arange(shape[1]) + 0.5) / shape[1] - 0.5) / CENTRE_WIDTH) ** 2)
    centre_SS = np.outer(near_S, near_S).astype(np.float32)
    # From the previous and to the next frame: both change only where the object is. At the ends one counts twice.
    before_BTSS = np.diff(video_BTSS, axis=1, prepend=video_BTSS[:, 1:2])
    after_BTSS = np.diff(video_BTSS, axis=1, append=video_BTSS[:, -2:-1])
    cells = (
        np.stack([np.random.default_rng(int(k)).random(shape, np.float32) for k in index_B]),
        np.ascontiguousarray(np.broadcast_to(centre_SS, video_BTSS.shape)),
        uniform_filter(video_BTSS, SMOOTHING),
        uniform_filter(np.abs(before_BTSS) + np.abs(after_BTSS), SMOOTHING),
    )
    return {name: Map(cells_BTSS) for name, cells_BTSS in zip(CONTROLS, cells, strict=True)}
