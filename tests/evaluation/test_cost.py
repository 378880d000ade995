"""Costs against arithmetic done by hand."""

import pytest
import torch

from trajnb import models
from trajnb.config import Config
from trajnb.evaluation.cost import cost, latency_ms, macs
from trajnb.models.transformer import Transformer

SHAPE = (1, 16, 64, 64)


def test_divided_attention_by_hand():
    net = Transformer(frames=4, size=16, tubelet=(1, 8, 8), width=24, depth=1, heads=2, mlp_ratio=2)
    linear = 16 * (64 * 24 + (3 + 1 + 1) * 24**2 + (3 + 1) * 24**2 + 2 * 2 * 24**2)
    attention = 2 * (4 * 4 * 4 * 24) + 2 * (4 * 4 * 4 * 24)  # 4 places x 4 x 4 moments, 4 moments x 4 x 4 places
    assert macs(net, (1, 4, 16, 16)) == linear + attention


def test_nano_presets_cost_the_same():
    """Within 20 % of one another, 65 to 90 million multiply-adds before the head, decoder counted."""
    spent = {name: macs(models.build(Config(model=name)).extractor, SHAPE, training=True) for name in models.EXTRACTORS}
    assert max(spent.values()) <= 1.2 * min(spent.values()), spent
    assert 65e6 <= min(spent.values()) and max(spent.values()) <= 90e6, spent


@pytest.mark.parametrize("name", models.EXTRACTORS)
def test_inference_costs_less_than_training_and_measuring_leaves_the_net_alone(name):
    net = models.build(Config(model=name))
    before = {key: w.clone() for key, w in net.state_dict().items()}
    spent = cost(net, SHAPE)
    assert latency_ms(net, SHAPE) > 0
    assert all(torch.equal(before[key], w) for key, w in net.state_dict().items())
    assert all(w.grad is None for w in net.parameters())
    assert spent["parameters"] < sum(w.numel() for w in net.parameters()), "no observed queries"
    assert spent["macs"] < spent["training_macs"]
    assert spent["model_mb"] == pytest.approx(4e-6 * spent["parameters"], rel=0.05)
    if name == "magvit":
        unneeded = [*net.extractor.decoder.parameters(), net.extractor.quantiser.codebook_KD]
        whole = sum(w.numel() for w in net.extractor.parameters())
        assert spent["backbone_parameters"] == whole - sum(w.numel() for w in unneeded)


PAPERS = {  # the multiply-adds of the paper's layers at the paper's clip, in training; and that in 10^9, as published
    "transformer": (195_829_972_992, 196),  # TimeSformer's own figure; sums over the layer tables for the rest
    "i3d": (111_150_276_608, 111.15),
    "slowfast": (27_637_743_616, 27.64),
    "magvit": (171_068_882_944, 55.8 + 115.3),
}


@pytest.mark.parametrize("name", PAPERS)
def test_paper_presets_cost_what_the_papers_layers_do(name):
    preset = models.PRESETS[name]["paper"]
    with torch.device("meta"):
        net = models.EXTRACTORS[name](**preset)
    spent = macs(net, (3, preset["frames"], preset["size"], preset["size"]), training=True)
    assert spent == PAPERS[name][0]
    assert spent == pytest.approx(PAPERS[name][1] * 1e9, rel=2e-3)
