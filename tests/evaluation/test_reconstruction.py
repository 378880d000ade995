"""The tokenizer's pictures against the scene: perfect, empty and collapsed ones have the scores they must have."""

import numpy as np
import pytest

from trajnb import models
from trajnb.config import Config
from trajnb.data import ClipSet
from trajnb.evaluation import reconstruction
from trajnb.evaluation.reconstruction import code_health, table
from trajnb.world import recipes

CFG = Config(model="magvit")


@pytest.fixture(scope="module")
def clips():
    return ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(12)))


@pytest.fixture(scope="module")
def found(clips):
    return reconstruction.pictures(models.build(CFG), clips, batch=5)


def test_the_scene_is_the_clip_without_its_noise(found, clips):
    noise = (found.observed - found.clean)[np.abs(found.observed - 0.5) < 0.49]
    assert abs(noise.mean()) < 0.01
    assert 0.5 < noise.std() / clips.table["noise"].mean() < 1.5
    assert found.decoded.shape == found.clean.shape == (12, 16, 64, 64)
    codes = models.build(CFG).extractor.tokenize(clips.batch(np.arange(1)).video.float() / 255)
    assert found.code_use_K.sum() == 12 * codes.numel()


def test_scores_of_known_pictures(found):
    clean = found.clean
    empty = np.broadcast_to(clean.mean(axis=(1, 2, 3), keepdims=True), clean.shape)
    perfect, blank = (table(found._replace(decoded=decoded)).set_index("picture") for decoded in (clean, empty))
    assert perfect.loc["decoded", "mse"] == 0
    shares = ["share_of_mean_clip", "object_share_of_mean_clip"]
    assert blank.loc["decoded", shares].tolist() == pytest.approx([1, 1])
    assert table(found).set_index("picture").loc["decoded", shares[1]] > 0.5, "an untrained decoder shows nothing"
    assert 0 < perfect.loc["still clip", "object_mse"] < perfect.loc["mean clip", "object_mse"]
    assert perfect.loc["observed, with noise", "object_share_of_mean_clip"] < 0.05


def test_codes_in_use():
    assert code_health(np.full(8, 5)) == {"codes": 8, "used_share": 1.0, "perplexity": pytest.approx(8)}
    assert code_health(np.array([9, 0, 0, 0])) == {"codes": 4, "used_share": 0.25, "perplexity": pytest.approx(1)}
