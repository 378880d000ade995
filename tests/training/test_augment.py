"""Clip and target move together, exactly, and gravity keeps its direction."""

from unittest.mock import Mock, call

import numpy as np
import torch

from trajnb.training.augment import augment, draw


def test_two_clips_by_hand(make_cfg):
    """The first is mirrored, moved one pixel right and stretched, the second moved two left and one down."""
    video = torch.tensor([[[0, 10, 20, 60]] * 3 + [[70, 80, 90, 150]], [[0, 0, 0, 0]] * 2 + [[51, 102, 153, 204]] * 2])
    video = video[:, None, None].expand(2, 1, 3, 4, 4).to(torch.uint8)  # three frames of the same
    track = torch.tensor([0.25, 0.5, 3.0]).expand(2, 5, 3)
    known = {"random": [0.49, 0.5], "integers": [[1, 0], [-2, 1]], "uniform": [2.0, 0.5]}
    rng = Mock(**{f"{name}.return_value": np.array(numbers) for name, numbers in known.items()})
    cfg = make_cfg(mirror=True, shift_px=2, contrast=0.25)
    moved, after = augment(video, track, draw(cfg, rng, 2))
    assert rng.mock_calls == [call.random(2), call.integers(-2, 3, (2, 2)), call.uniform(0.75, 1.25, 2)]
    assert draw(cfg, rng, 2)[2].dtype == torch.float32
    first = torch.tensor([[60.0, 60, 20, 10]] * 3 + [[150.0, 150, 90, 80]]) / 255
    second = torch.tensor([[0.0, 0, 0, 0]] * 3 + [[153.0, 204, 204, 204]]) / 255
    for result, plain, factor in zip(moved[:, 0], (first, second), (2.0, 0.5), strict=True):
        expected = (plain.mean() + factor * (plain - plain.mean())).clamp(0, 1)
        torch.testing.assert_close(result, expected.expand(3, 4, 4))
    assert after.tolist() == [[[1 - 0.25 + 1 / 4, 0.5, 3.0]] * 5, [[0.25 - 2 / 4, 0.5 + 1 / 4, 3.0]] * 5]
    assert augment(video, track, draw(cfg.replace(mirror=False), rng, 2))[1][0, 0, 0] == 0.25 + 1 / 4
