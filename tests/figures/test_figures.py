"""Every figure is drawn once on a small set; a warning is an error (pyproject.toml)."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from trajnb import figures
from trajnb.evaluation import controls, metrics
from trajnb.evaluation.predictions import Predictions
from trajnb.figures import style

USER_STYLE = {
    "savefig.bbox": "tight",
    "savefig.facecolor": "black",
    "axes.prop_cycle": matplotlib.cycler(color=["r", "g"]),
    "font.size": 30,
    "lines.linewidth": 9,
    "backend": "TkAgg",  # which cannot start without a screen
}


@pytest.fixture(scope="module")
def predicted(clips):
    rng = np.random.default_rng(0)
    future = metrics.future(clips)
    noisy = future + rng.normal(0, 0.02, future.shape)
    return Predictions(rng.dirichlet(np.ones(4), len(clips)), noisy, np.full(future.shape, -7.0))


def every_figure(clips, predicted):
    yield figures.film_strips(clips)
    yield figures.image_paths(clips)
    yield figures.nuisances(controls.nuisance_table(clips), clips.table["motion"].to_numpy(), 0.26, 0.25)
    four = Predictions(*(part[:4] for part in predicted))
    velocity = Predictions(None, four.track_NHx3)
    yield figures.confusion({"transformer": predicted, "constant_velocity": velocity}, clips)
    yield figures.futures(clips.take(slice(4)), {"transformer": four, "constant_velocity": velocity})
    yield figures.reliability({"transformer": predicted}, clips.label_N)
    history = {"clips_seen": [100, 200], "seconds": [1.0, 1.1], "val_top1": [0.3, 0.6], "val_ade_px": [9.0, 4.0]}
    yield figures.learning_speed({"transformer": pd.DataFrame(history)}, 0.25)
    epochs = {"epoch": [1, 2], "train_loss": [2.0, 1.0], "val_loss": [2.0, 1.0], "train_top1": [0.3, 0.6]}
    yield figures.learning_curves(pd.DataFrame(epochs | {"val_top1": [0.3, 0.6], "val_ade_px": [9.0, 4.0]}), 0.25, 4.1)


def test_every_figure_is_drawn_and_saved(clips, predicted, tmp_path):
    drawn = list(every_figure(clips, predicted))
    assert len(drawn) == len(figures.__all__) - 1, "a figure without a test"
    for number, figure in enumerate(drawn):
        shown = figures.save(figure, tmp_path, f"{number}")
        saved = (tmp_path / "figures" / f"{number}.png").read_bytes()
        assert shown.data == saved, "a notebook shows what is saved"
        assert 3000 < len(saved) < 300_000
        assert shown.width == pytest.approx(0.6 * int.from_bytes(saved[16:20], "big"), abs=1), "90 of 150 dots per inch"


def drawn():
    pictures = []
    for number in range(2):  # the second as the first
        figure, axes = style.panels(1, 1 + number, 2, 2)
        axis = axes[0, 0]
        axis.imshow(np.arange(12).reshape(3, 4))
        axis.plot([0, 1, 2], [0, 1, 1], label="$x$ 0.5 %")
        axis.legend()
        figure.suptitle("a title")
        pictures.append(style.png(figure))
    return pictures


def test_no_setting_of_a_user_changes_a_figure():
    before = drawn()
    with matplotlib.rc_context():
        dict.update(matplotlib.rcParams, USER_STYLE)  # as from a file: no backend is asked for
        assert drawn() == before


def test_the_reliability_diagram_shows_what_was_counted():
    prob_NK, label_N = np.random.default_rng(0).dirichlet(np.ones(4), 500), np.arange(500) % 4
    figure = figures.reliability({"i3d": Predictions(prob_NK)}, label_N)
    diagonal, line = figure.axes[0].lines[:2]
    np.testing.assert_array_equal(*diagonal.get_data())
    np.testing.assert_array_equal(line.get_data(), metrics.reliability(prob_NK, label_N)[1:])
