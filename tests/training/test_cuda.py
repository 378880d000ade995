"""What only a GPU can show; skipped, and said so, where there is none."""

import numpy as np
import pytest
import torch

from trajnb import models
from trajnb.config import Config
from trajnb.training.fit import fit
from trajnb.training.predictions import predict

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: the CUDA path is not verified here")


@pytest.mark.parametrize("model", models.EXTRACTORS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_trains_and_predicts_as_on_a_cpu(model, precision, discs, tmp_path):
    cfg = Config(model=model, device="cuda", precision=precision, epochs=1, batch_size=8)
    history = fit(net := models.build(cfg), discs(32), discs(16, seed=1), cfg, tmp_path)
    assert np.isfinite(history[-1]["val_loss"])
    there = predict(net, discs(16, seed=1), cfg)
    here = predict(net.cpu(), discs(16, seed=1), cfg.replace(device="cpu", precision="float32"))
    tolerance = 1e-2 if precision == "float32" else 0.2
    for name in there:
        np.testing.assert_allclose(there[name], here[name], atol=tolerance)
