"""Parity: our TimeSformer and SlowFast against the packages that bring the authors' networks, on the same weights.

Command   make .venv/parity/.ready                   installs the packages, exact versions of tests/parity.lock
          PYTHONPATH=.venv/parity .venv/bin/python benchmarks/parity.py          small networks of that shape: seconds
          PYTHONPATH=.venv/parity .venv/bin/python benchmarks/parity.py paper    the `paper` presets: 3 minutes, 8 GB

Random weights and clips, float64, training mode: relative errors of features, of every weight's gradient and of batch
normalisation's running averages, at most 1e-6. Then changes of ours, each of which must be noticed. Exit code 1
otherwise.
"""

import sys
import types
from pathlib import Path
from unittest import mock

import torch
from einops import rearrange
from torch import nn
from transformers import TimesformerConfig, TimesformerModel

# pytorchvideo imports torchvision for its detection head alone, which is not used here: an empty name is enough.
EMPTY = {"torchvision": types.ModuleType("torchvision"), "torchvision.ops": mock.Mock()}
with mock.patch.dict(sys.modules, EMPTY):
    from pytorchvideo.models.slowfast import create_slowfast

sys.path.insert(0, str(Path(__file__).parents[1]))
from trajnb.models import slowfast, transformer  # noqa: E402
from trajnb.models.attention import Attend  # noqa: E402

BOUND = 1e-6
# Parts of names: ours, theirs, replaced one after the other.
TIMESFORMER_NAMES = {
    "embed.": "embeddings.patch_embeddings.projection.",
    "cls_11D": "embeddings.cls_token",
    "where_LD": "embeddings.position_embeddings",
    "when_T1D": "embeddings.time_embeddings",
    "blocks.": "encoder.layer.",
    "temporal_norm": "temporal_layernorm",
    "spatial_norm": "layernorm_before",
    "temporal_fc": "temporal_dense",
    "attention.qkv": "attention.attention.qkv",
    "attention.proj": "attention.output.dense",
    "spatial_attention": "attention",
    "mlp.0": "layernorm_after",
    "mlp.1": "intermediate.dense",
    "mlp.3": "output.dense",
}
SLOWFAST_NAMES = {
    "slow_stem.unit": "blocks.0.multipathway_blocks.0",
    "fast_stem.unit": "blocks.0.multipathway_blocks.1",
    **{f"slow.{k}": f"blocks.{k + 1}.multipathway_blocks.0.res_blocks" for k in range(4)},
    **{f"fast.{k}": f"blocks.{k + 1}.multipathway_blocks.1.res_blocks" for k in range(4)},
    **{f"laterals.{k}.unit": f"blocks.{k}.multipathway_fusion" for k in range(4)},
    "fusion.conv": "fusion.conv_fast_to_slow",
    **{f".{x}.{part}": f".branch2.{part}_{x}" for x in "abc" for part in ("conv", "norm")},
    "shortcut.": "branch1_",
}


class TimeSformerPair:
    """Ours, theirs, a clip, and the features of each in ours' layout."""

    def __init__(self, preset: str):
        shape = {"frames": 8, "size": 32, "width": 48, "depth": 3, "heads": 4} if preset == "small" else {}
        shape = transformer.PRESETS["paper"] | shape
        self.ours, self.names = transformer.Transformer(**shape), TIMESFORMER_NAMES
        width, depth = shape.get("width", 768), shape.get("depth", 12)
        config = TimesformerConfig(
            image_size=shape["size"],
            num_frames=shape["frames"],
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=shape.get("heads", 12),
            intermediate_size=4 * width,
        )
        self.theirs = TimesformerModel(config)
        self.video_BCTHW = torch.rand(1 if preset == "paper" else 3, 3, shape["frames"], shape["size"], shape["size"])

    def features(self):
        video_BTCHW = rearrange((self.video_BCTHW - 0.45) / 0.225, "b c t h w -> b t c h w")
        token_BLD = self.theirs(pixel_values=video_BTCHW).last_hidden_state[:, 1:]
        ours_BTHWD, _ = self.ours(self.video_BCTHW)
        T, H = ours_BTHWD.shape[1:3]
        return ours_BTHWD, rearrange(token_BLD, "b (h w t) d -> b t h w d", t=T, h=H)


class SlowFastPair:
    """As above; the slow pathway gets every alpha-th frame in both."""

    def __init__(self, preset: str):
        shape = {"frames": 16, "size": 64, "width": 16} if preset == "small" else {}
        if shape:
            shape["stages"] = [(1, *stage[1:]) for stage in slowfast.R50]
        shape = slowfast.PRESETS["paper"] | shape
        self.ours, self.names = slowfast.SlowFast(**shape), SLOWFAST_NAMES
        width = shape.get("width", 64)
        self.theirs = create_slowfast(
            model_depth=18 if preset == "small" else 50,  # their 18 has one block in each stage
            stem_dim_outs=(width, width // 8),
            slowfast_fusion_conv_kernel_size=(5, 1, 1),
            slowfast_fusion_conv_stride=(8, 1, 1),
        )
        self.theirs.blocks = self.theirs.blocks[:5]  # no head
        self.video_BCTHW = torch.rand(1 if preset == "paper" else 3, 3, shape["frames"], shape["size"], shape["size"])

    def features(self):
        video_BCTHW = (self.video_BCTHW - 0.45) / 0.225
        slow, fast = self.theirs([video_BCTHW[:, :, ::8], video_BCTHW])
        slow = rearrange(slow, "b d t h w -> b t h w d")
        fast = rearrange(fast, "b d (t alpha) h w -> b t h w (alpha d)", alpha=8)
        return self.ours(self.video_BCTHW)[0], torch.cat([slow, fast], dim=-1)


def layer_norm_eps(net):
    for module in net.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5


def temporal_fc_left_out(net):
    for block in net.blocks:
        block.temporal_fc = nn.Identity()


def half_the_heads(net):
    for module in net.modules():
        if isinstance(module, Attend):
            module.heads //= 2


def lateral_before_slow(net):
    for lateral in net.laterals:
        lateral.forward = lambda slow, fast, layer=lateral: (
            type(layer).forward(layer, slow, fast).roll(-slow.shape[1], dims=1)
        )


def lateral_without_relu(net):
    for lateral in net.laterals:
        lateral.forward = lambda slow, fast, layer=lateral: torch.cat([slow, layer.unit(fast)], dim=1)


def batch_norm_momentum(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = 0.01


PAIRS = {
    "TimeSformer": (TimeSformerPair, (layer_norm_eps, temporal_fc_left_out, half_the_heads)),
    "SlowFast": (SlowFastPair, (lateral_before_slow, lateral_without_relu, batch_norm_momentum)),
}


def errors(pair, change=None) -> dict[str, float]:
    """Largest relative error of features, gradients and running averages, after the weights of ours went to theirs.

    `change` is done to our network then.
    """
    renamed = {name: rename(name, pair.names) for name in pair.ours.state_dict()}
    assert sorted(renamed.values()) == sorted(pair.theirs.state_dict()), "a weight without a counterpart"
    with torch.no_grad():
        for weight in pair.ours.parameters():
            weight += 0.05 * torch.randn_like(weight)  # no path stays at zero
        theirs = pair.theirs.state_dict()
        for name, value in pair.ours.state_dict().items():
            theirs[renamed[name]].copy_(value.view_as(theirs[renamed[name]]))
    if change:
        change(pair.ours)
    ours, theirs = pair.features()
    toward = torch.randn_like(ours)
    (ours * toward).sum().backward()
    (theirs * toward).sum().backward()
    weights, averages = dict(pair.theirs.named_parameters()), dict(pair.theirs.named_buffers())
    largest = {"features": relative(ours, theirs)}
    largest["gradients"] = max(relative(w.grad, weights[renamed[n]].grad) for n, w in pair.ours.named_parameters())
    running = [relative(x, averages[renamed[n]]) for n, x in pair.ours.named_buffers()]
    return largest | ({"averages": max(running)} if running else {})


def rename(name: str, names: dict[str, str]) -> str:
    for ours, theirs in names.items():
        name = name.replace(ours, theirs)
    return "layernorm" + name[4:] if name.startswith("norm.") else name


def relative(ours, theirs) -> float:
    """Norm of the difference over that of theirs."""
    theirs = theirs.reshape(ours.shape).double()
    return ((ours - theirs).norm() / theirs.norm().clamp(min=1e-30)).item()


def main(preset="small"):
    torch.set_default_dtype(torch.float64)
    print(f"{'':36s} features gradients averages")
    ok = True
    for name, (kind, changes) in PAIRS.items():
        for change in (None, *(changes if preset == "small" else ())):
            torch.manual_seed(0)
            pair = kind(preset)
            largest = errors(pair, change)
            equal = max(largest.values()) <= BOUND
            right = equal == (change is None)
            ok &= right
            what = f"{name}, {change.__name__.replace('_', ' ')}" if change else f"{name}, {count(pair.ours):,} weights"
            numbers = " ".join(f"{value:9.1e}" for value in largest.values())
            print(f"{what:36s}{numbers}  {'equal' if equal else 'differs'}{'' if right else ': WRONG'}", flush=True)
    return 0 if ok else 1


def count(net) -> int:
    return sum(weight.numel() for weight in net.parameters())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
