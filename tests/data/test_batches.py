"""Clips in memory are those of the set; batches come in order, made ahead or not."""

import numpy as np
import psutil
import pytest
import torch

from trajnb.data import Rendered, batches, in_memory
from trajnb.data.batches import ahead

CPU = torch.device("cpu")


def test_rendered_clips_are_the_rendered_ones(clips):
    held, rows_KB = in_memory(clips, CPU), np.array([[3, 1], [7, 11]])
    assert isinstance(held, Rendered)
    assert len(held) == len(clips)
    for one, other, rows in zip(batches(held, rows_KB, CPU), batches(clips, rows_KB, CPU), rows_KB, strict=True):
        for part, same, again in zip(one, other, clips.batch(rows), strict=True):
            assert torch.equal(part, same) and torch.equal(part, again)


def test_what_does_not_fit_is_rendered_batch_by_batch(clips, monkeypatch):
    needed = len(clips) * clips.cfg.frames * clips.cfg.size**2
    for free, fits in ((needed / 0.4 + 9, True), (needed / 0.4 - 9, False)):
        monkeypatch.setattr(psutil, "virtual_memory", lambda free=free: type("Memory", (), {"available": free}))
        assert isinstance(in_memory(clips, CPU), Rendered) == fits
        for rows in ([3], slice(3, 4), np.array([3])):
            part = in_memory(clips).take(rows)
            assert np.array_equal(part.render([0]), clips.render([3]))
            assert part.batch(np.arange(1)).label.tolist() == clips.label_N[3:4].tolist()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_what_is_made_ahead_comes_in_order(count):
    assert list(ahead(lambda x: 10 * x, list(range(count)))) == [10 * k for k in range(count)]


def test_an_error_ahead_is_raised_where_its_batch_is_due():
    def fail(x):
        return 1 / (x - 2)

    results = ahead(fail, [0, 1, 2, 3])
    assert [next(results), next(results)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
