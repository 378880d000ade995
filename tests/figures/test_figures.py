"""Every figure is drawn once on a small set; a warning is an error (pyproject.toml)."""

import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from trajnb import figures
from trajnb.config import Config
from trajnb.data import ClipSet, scenes
from trajnb.evaluation import controls, leaderboard, metrics, reconstruction, trackers
from trajnb.evaluation.predictions import Predictions
from trajnb.figures import style
from trajnb.world import recipes

CFG = Config()
USER_STYLE = {
    "text.usetex": True,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "savefig.facecolor": "black",
    "image.cmap": "jet",
    "image.origin": "lower",
    "axes.prop_cycle": matplotlib.cycler(color=["r", "g"]),
    "axes.facecolor": "yellow",
    "axes.xmargin": 0.4,
    "font.family": ["serif"],
    "font.size": 30,
    "lines.linewidth": 9,
    "path.sketch": (1, 100, 2),
    "backend": "TkAgg",  # which cannot start without a screen
}
# Machado, Oliveira and Fernandes 2009: linear RGB as seen without the middle and without the long-wave cones.
BLINDNESS = {
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}


@pytest.fixture(scope="module")
def clips():
    return ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(80)))


@pytest.fixture(scope="module")
def predicted(clips):
    rng = np.random.default_rng(0)
    future = metrics.future(clips)
    noisy = future + rng.normal(0, 0.02, future.shape)
    return Predictions(rng.dirichlet(np.ones(4), len(clips)), noisy, np.full(future.shape, -7.0))


def figures_of_data(clips):
    table = clips.table.assign(split=np.where(np.arange(len(clips)) % 2, "train", "val"))
    yield figures.film_strips(clips)
    yield figures.image_paths(clips)
    yield figures.world_paths(clips)
    yield figures.class_balance(table, table.assign(split="test"))
    yield figures.nuisances(controls.nuisance_table(clips), clips.table["motion"].to_numpy(), 0.26, 0.25)
    yield figures.single_frames(np.full(16, 0.25), 0.25)
    yield figures.scene(scenes.clip(CFG, scenes.Scene("random", 3)))


def figures_of_results(clips, predicted):
    models = {"transformer": predicted, "constant_velocity": Predictions(None, predicted.track_NHx3)}
    velocity_NHx3 = trackers.measured_constant_velocity(clips)
    yield figures.confusion(models, clips)
    yield figures.reliability({"transformer": predicted}, clips.label_N)
    yield figures.futures(clips, predicted, "transformer")
    yield figures.predictions(clips, predicted, velocity_NHx3, rows=[0, 1, 2, 3])
    yield figures.error_by_step({"all": leaderboard.per_step(models, clips)})
    yield figures.regions(leaderboard.coverage(predicted, clips))
    costs = {"macs": 8e7, "parameters": 4e5, "train_seconds": 90.0, "latency_ms": 9.0}
    board = [{"model": "transformer"} | leaderboard.scores(predicted, clips, CFG) | costs]
    yield figures.tradeoffs(pd.DataFrame(board, columns=leaderboard.COLUMNS))
    history = {"clips_seen": [100, 200], "seconds": [1.0, 1.1], "val_top1": [0.3, 0.6], "val_ade_px": [9.0, 4.0]}
    yield figures.learning_speed({"transformer": pd.DataFrame(history)}, 0.25)
    video_NTSS = clips.render(np.arange(80)) / 255
    yield figures.reconstructions(reconstruction.Pictures(video_NTSS, video_NTSS, video_NTSS, np.ones(4)), clips)
    rows = [{"model": name} | leaderboard.scores(one, clips, CFG) for name, one in models.items()]
    yield figures.standing(pd.DataFrame(rows, columns=leaderboard.COLUMNS))
    epochs = {"epoch": [1, 2], "train_loss": [2.0, 1.0], "val_loss": [2.0, 1.0], "train_top1": [0.3, 0.6]}
    yield figures.learning_curves(pd.DataFrame(epochs | {"val_top1": [0.3, 0.6], "val_ade_px": [9.0, 4.0]}), 0.25, 4.1)


def test_every_figure_is_drawn_and_saved(clips, predicted, tmp_path):
    drawn = [*figures_of_data(clips), *figures_of_results(clips, predicted)]
    assert len(drawn) == len(figures.__all__) - 1, "a figure without a test"
    for number, figure in enumerate(drawn):
        shown = figures.save(figure, tmp_path, f"{number}")
        saved = (tmp_path / "figures" / f"{number}.png").read_bytes()
        assert shown.data == saved, "a notebook shows what is saved"
        assert 3000 < len(saved) < 300_000
        assert shown.width == pytest.approx(0.6 * int.from_bytes(saved[16:20], "big"), abs=1), "90 of 150 dots per inch"


def test_strips_are_labelled_with_frames(clips):
    labels = [label.get_text() for label in figures.film_strips(clips).axes[0].get_xticklabels()]
    assert labels[:2] + labels[8:] == ["frame 0", "frame 2", "all 16"]


def texts(figure):
    titles = [axis.get_title(loc) for axis in figure.axes for loc in ("left", "center")]
    return "\n".join(titles + [text.get_text() for axis in figure.axes for text in axis.texts])


def test_a_scene_shows_its_numbers_and_the_checks_of_a_data_set():
    accepted, rejected = (texts(figures.scene(scenes.clip(CFG, scenes.Scene(gravity=share)))) for share in (1.0, 0.0))
    assert "gravity 9.81 m/s²" in accepted and "would accept it" in accepted
    assert "gravity 0.00 m/s²" in rejected and "would reject it" in rejected and "NO: 0.5 px off any line" in rejected


def test_predictions_show_class_and_errors_beside_the_truth(clips, predicted):
    velocity_NHx3 = trackers.measured_constant_velocity(clips)
    for row in range(4):
        shown = texts(figures.predictions(clips, predicted, velocity_NHx3, [row]))
        assert CFG.motions[clips.label_N[row]] in shown
        assert all(f"{share:.2f}" in shown for share in predicted.prob_NK[row])
        off_px = metrics.displacement_px(velocity_NHx3, metrics.future(clips), CFG)[row].mean()
        assert f"constant velocity {off_px:.1f} px off" in shown
        assert f"network {metrics.error_px(predicted, clips)[row].mean():.1f} px off" in shown


def drawn():
    pictures = []
    for figure, axes in (style.panels(1, 1, 2, 2), style.mosaic("a", 2, 2)):
        axis = axes["a"] if isinstance(axes, dict) else axes[0, 0]
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


def lab(linear_3):
    """CIE L*a*b* of linear RGB under D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear_3
    x, y, z = np.cbrt(np.clip(xyz / [0.9505, 1, 1.089], 0.009, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("colours", [style.MOTION_COLOURS, style.MODEL_COLOURS], ids=["motions", "models"])
def test_colour_blind_readers_can_tell_the_colours_apart(colours, blindness):
    linear = {name: ((np.array(to_rgb(colour)) + 0.055) / 1.055) ** 2.4 for name, colour in colours.items()}
    seen = {name: lab(np.clip(BLINDNESS[blindness] @ rgb, 0, 1)) for name, rgb in linear.items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 11, (one, other)  # the dark palette had 7
