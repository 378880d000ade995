"""Maps of what a network looks at: which cells of space and time matter for the class it names.

Source:   attention rollout, https://arxiv.org/abs/2005.00928, section 3; gradient-weighted attention,
          https://arxiv.org/abs/2103.15679, equations 5 and 6; Grad-CAM, https://arxiv.org/abs/1610.02391, equations 1
          and 2; HiResCAM, https://arxiv.org/abs/2011.08891; integrated gradients, https://arxiv.org/abs/1703.01365.
Differs:  a net without class token starts from what the head's class query looks at; the divided attention of a block
          counts as two layers, space and time. A row vector is carried down through the layers instead of multiplying
          their matrices up: the same result, without a cells x cells matrix for each clip.

Shapes:   B clips   T, H, W cells   S = T x H x W   P = H x W places of one moment   N heads   Q queries   K classes
"""

from typing import NamedTuple

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradCam, LayerGradientXActivation
from einops import rearrange, reduce

from trajnb.attention.clips import ground
from trajnb.attention.recorder import keep, recorded
from trajnb.attention.stages import Axis, Explained, fine, grid_axes, tiles
from trajnb.models.magvit import Magvit
from trajnb.models.transformer import Transformer

STEPS, AT_ONCE = 16, 64  # points on the way from an empty clip, and how many of them are computed together
TUBELET = (2, 4, 4)  # frames, rows, columns whose attributions are added up


class Map(NamedTuple):
    """What each cell counts for, not negative and in no unit, and where the cells are."""

    cells_BTHW: np.ndarray
    axes: tuple[Axis, Axis, Axis] = (Axis(), Axis(), Axis())  # frames and pixels themselves

    def stretched(self, shape) -> np.ndarray:
        """The map in a clip's own resolution `shape` (T, H, W): linear between the centres of cells, level beyond."""
        sizes = zip(self.axes, self.cells_BTHW.shape[1:], shape, strict=True)
        time, rows, columns = (torch.from_numpy(between(*one)).float() for one in sizes)
        cells_BTHW = torch.from_numpy(self.cells_BTHW)
        return torch.einsum("bthw,xt,yh,zw->bxyz", cells_BTHW, time, rows, columns).numpy()


def between(axis: Axis, cells: int, length: int) -> np.ndarray:
    """Matrix (length, cells) that reads off values between the centres of cells at each frame or pixel's middle."""
    centre = axis.first + axis.step * np.arange(cells)
    return np.stack([np.interp(np.arange(length) + 0.5, centre, one) for one in np.eye(cells)], axis=1)


def methods(explained: Explained, names) -> dict:
    """{name: function(explained, video_BCTHW, target_B) -> {map: Map}} of those in `names` that this net allows."""
    own = {"head": head, "activation": activation, "gradcam": gradcam, "hirescam": hirescam}
    own |= {"integrated_gradients": integrated_gradients}
    if isinstance(explained.net.extractor, Transformer):
        own |= {"gradient_attention": gradient_attention, "rollout": rollout, "attention_parts": attention_parts}
    if isinstance(explained.net.extractor, Magvit):
        own["codes"] = codes
    return {name: own[name] for name in names if name in own}


def head(explained, video_BCTHW, target_B):
    """Where the head's queries look, mean of its pools and heads: the class query, and that of each future frame."""
    with torch.no_grad(), recorded(explained.net.head) as weights:
        grid_BTHWD, _ = explained.net.features(video_BCTHW)
        explained.net.head(grid_BTHWD)
    mean_BQS = torch.stack([w.mean(dim=1) for w in weights.values()]).mean(dim=0)
    names = ["head_class", *(f"head_future_{step}" for step in range(1, explained.net.head.horizon + 1))]
    cells = mean_BQS.unflatten(2, grid_BTHWD.shape[1:4])
    return {name: Map(as_array(cells[:, q]), grid_axes(explained)) for q, name in enumerate(names)}


def rollout(explained, video_BCTHW, target_B, parts=("time", "space")):
    """Attention carried down through the Transformer's layers, half of it staying where it is; blind to the class."""
    with torch.no_grad(), recorded(explained.net) as weights:
        explained(video_BCTHW)
    mean = {name: w.mean(dim=1) for name, w in weights.items()}
    row_BTP = start_row(explained, mean)
    down = descend(explained, mean, row_BTP, parts, lambda row, passed: (row + passed) / 2)
    return {"rollout": placed(explained, down)}


def gradient_attention(explained, video_BCTHW, target_B, parts=("time", "space")):
    """Attention where it raises the target's logit, carried down through the Transformer's layers."""
    with recorded(explained.net) as weights:
        logit_B = explained(video_BCTHW).gather(1, target_B[:, None])
    gradients = torch.autograd.grad(logit_B.sum(), list(weights.values()))
    raised = {
        name: (w * gradient).clamp(min=0).mean(dim=1).detach()
        for (name, w), gradient in zip(weights.items(), gradients, strict=True)
    }
    row_BTP = start_row(explained, raised)
    down = descend(explained, raised, row_BTP, parts, lambda row, passed: row + passed)
    return {"gradient_attention": placed(explained, down)}


def attention_parts(explained, video_BCTHW, target_B):
    """Rollout and gradient-weighted attention, carried down through the attention over time or over space alone."""
    found = {}
    for part in ("time", "space"):
        each = rollout(explained, video_BCTHW, target_B, (part,))
        each |= gradient_attention(explained, video_BCTHW, target_B, (part,))
        found |= {f"{name}_{part}": one for name, one in each.items()}
    return found


def placed(explained, row_BTP) -> Map:
    """A row over the Transformer's cells as a map."""
    extractor = explained.net.extractor
    cells = rearrange(row_BTP, "b t (h w) -> b t h w", h=extractor.rows)
    return Map(as_array(cells), tiles(extractor.tubelet))


def start_row(explained, weights):
    """What the class query reads of each cell (B, T, P): the mean of the head's pools."""
    pools = [w[:, 0] for name, w in weights.items() if name.startswith("head.")]
    return rearrange(torch.stack(pools).mean(dim=0), "b (t p) -> b t p", t=len(explained.net.extractor.when_T1D))


def descend(explained, weights, row_BTP, parts, join):
    """Carry a row vector over cells down through all blocks; `join(row, passed)` after each layer of `parts`.

    A class token, where there is one, is looked at by every moment as a copy of its own, and takes no part over time.
    """
    extractor, token_B1 = explained.net.extractor, row_BTP.new_zeros(len(row_BTP), 1)
    own = extractor.cls_11D is not None
    for number in reversed(range(len(extractor.blocks))):
        prefix, moments = f"extractor.blocks.{number}", row_BTP.shape[1]
        if "space" in parts:
            space = rearrange(weights[f"{prefix}.spatial_attention.attend"], "(b t) p q -> b t p q", t=moments)
            copies_BT1 = (token_B1 / moments)[:, None].expand(-1, moments, -1)
            before_BTP = torch.cat([copies_BT1, row_BTP], dim=2) if own else row_BTP
            passed = torch.einsum("btp,btpq->btq", before_BTP, space)
            if own:
                token_B1, passed = join(token_B1, passed[:, :, :1].sum(dim=1)), passed[:, :, 1:]
            row_BTP = join(row_BTP, passed)
        if "time" in parts:
            time = rearrange(weights[f"{prefix}.temporal_attention.attend"], "(b p) t s -> b p t s", b=len(row_BTP))
            row_BTP = join(row_BTP, torch.einsum("btp,bpts->bsp", row_BTP, time))
    return row_BTP


def activation(explained, video_BCTHW, target_B):
    """How far each cell's features are from the clip's mean feature, at the last fine stage (MAGVIT: its latents)."""
    parts, found = fine(explained), {}
    hooks = [part.module.register_forward_hook(keep(found, part.name)) for part in parts]
    with torch.no_grad():
        explained(video_BCTHW)
    for hook in hooks:
        hook.remove()
    apart = {name: x - x.mean(dim=(2, 3, 4), keepdim=True) for name, x in found.items()}
    return {f"activation{part.name}": Map(as_array(apart[part.name].norm(dim=1)), part.axes) for part in parts}


def codes(explained, video_BCTHW, target_B):
    """How rare each cell's code is among the clip's codes, nats: MAGVIT's own word for what is not background."""
    with torch.no_grad():
        code_BTHW = explained.net.extractor.tokenize(video_BCTHW)
    code_BS = code_BTHW.flatten(1)
    share_BS = (code_BS[:, :, None] == code_BS[:, None]).float().mean(dim=2)
    return {"codes": Map(as_array(-share_BS.log().view(code_BTHW.shape)), grid_axes(explained))}


def gradcam(explained, video_BCTHW, target_B):
    """Grad-CAM at the last fine stage, one map for each pathway there."""
    found = {}
    for part in fine(explained):
        seen = LayerGradCam(explained, part.module).attribute(video_BCTHW, target_B, relu_attributions=True)
        found[f"gradcam{part.name}"] = Map(as_array(seen[:, 0]), part.axes)
    return found


def hirescam(explained, video_BCTHW, target_B):
    """Gradient times activation, cell by cell, at the last fine stage, one map for each pathway there."""
    found = {}
    for part in fine(explained):
        seen = LayerGradientXActivation(explained, part.module).attribute(video_BCTHW, target_B)
        found[f"hirescam{part.name}"] = Map(as_array(seen.sum(dim=1).clamp(min=0)), part.axes)
    return found


def integrated_gradients(explained, video_BCTHW, target_B):
    """Size of what each tubelet adds to the target's logit, on the way from the same clip without its object.

    Attributions add up, so a tubelet's is the sum of its pixels', in which noise cancels. A flat clip would not do as
    the start: every network divides a clip by its deviation, which leaves the way from there without any middle. The
    ground has the clip's own noise.
    """
    path = IntegratedGradients(explained)
    options = {"baselines": ground(video_BCTHW), "n_steps": STEPS, "internal_batch_size": AT_ONCE}
    seen = path.attribute(video_BCTHW, target=target_B, **options)
    k, p, q = TUBELET
    added = reduce(seen, "b c (t k) (h p) (w q) -> b t h w", "sum", k=k, p=p, q=q)
    return {"integrated_gradients": Map(as_array(added.abs()), tiles(TUBELET))}


def as_array(tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
