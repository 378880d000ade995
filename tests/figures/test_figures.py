"""Every figure is drawn once on a small set; a warning is an error (pyproject.toml)."""

import numpy as np
import pandas as pd
import pytest

from trajnb import figures, files
from trajnb.config import Config
from trajnb.data import ClipSet, scenes
from trajnb.evaluation import (
    calibration,
    controls,
    leaderboard,
    metrics,
    reconstruction,
    robustness,
    seeds,
    trackers,
)
from trajnb.figures import style
from trajnb.world import recipes

CFG = Config()


@pytest.fixture(scope="module")
def clips():
    return ClipSet(CFG, 0, recipes.draw(CFG, 0, np.arange(80)))


@pytest.fixture(scope="module")
def said(clips):
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.ones(4), len(clips))
    future = clips.track_NFx3[:, CFG.frames :]
    return Predictions(prob, future + rng.normal(0, 0.02, future.shape), np.full(future.shape, -7.0))


def figures_of_data(clips):
    table = clips.table.assign(split=np.where(np.arange(len(clips)) % 2, "train", "val"))
    yield figures.film_strips(clips)
    yield figures.image_paths(clips)
    yield figures.world_paths(clips)
    yield figures.class_balance(table, table.assign(split="test"))
    yield figures.nuisances(controls.nuisance_table(clips), clips.table["motion"].to_numpy(), 0.26, 0.25)
    yield figures.single_frames(np.full(16, 0.25), 0.25)
    yield figures.scene(scenes.clip(CFG, scenes.Scene("random", 3)))


def figures_of_results(clips, said):
    contenders = {"transformer": said, "constant_velocity": Predictions(None, said.track_NHx3)}
    yield figures.confusion(contenders, clips.label_N, CFG.motions)
    yield figures.reliability({"transformer": said}, clips.label_N)
    yield figures.futures(clips, said, "transformer")
    steady = trackers.measured_constant_velocity(clips)
    yield figures.answer(clips, said, steady, row=3)
    yield figures.answers(clips, said, steady, rows=[0, 1, 2, 3])
    yield figures.error_by_step({"all": leaderboard.per_step(contenders, clips, CFG)})
    yield figures.regions(leaderboard.coverage(said, clips, CFG))
    costs = {"macs": 8e7, "parameters": 4e5, "train_seconds": 90.0, "latency_ms": 9.0}
    board = [{"model": "transformer"} | leaderboard.scores(said, clips, CFG) | costs]
    yield figures.tradeoffs(pd.DataFrame(board, columns=leaderboard.COLUMNS))
    history = {"clips_seen": [100, 200], "seconds": [1.0, 1.1], "val_top1": [0.3, 0.6], "val_ade_px": [9.0, 4.0]}
    yield figures.race({"transformer": pd.DataFrame(history)}, 0.25)
    seen_NTSS = clips.render(np.arange(80)) / 255
    yield figures.reconstructions(reconstruction.Pictures(seen_NTSS, seen_NTSS, seen_NTSS, np.ones(4)), clips)
    rows = [{"model": name} | leaderboard.scores(one, clips, CFG) for name, one in contenders.items()]
    yield figures.standing(pd.DataFrame(rows, columns=leaderboard.COLUMNS))
    epochs = {"epoch": [1, 2], "train_loss": [2.0, 1.0], "val_loss": [2.0, 1.0], "train_top1": [0.3, 0.6]}
    yield figures.learning_curves(pd.DataFrame(epochs | {"val_top1": [0.3, 0.6], "val_ade_px": [9.0, 4.0]}), 0.25, 4.1)


def figures_of_the_post_mortem(clips, said):
    table = clips.table.assign(split=np.where(np.arange(len(clips)) < 64, "train", "val"))
    yield figures.file_order({"one": table, "other": table})
    yield figures.top1_by_epoch(pd.DataFrame({1: [0.0, 1.0], 2: [0.3, 0.7]}, index=["linear", "random"]), 0.25)
    part = pd.DataFrame({"val_top1": [0.0, 1.0]}, index=["transformer", "i3d"])
    yield figures.beside_the_report({"reported": part, "class order": part, "by recipe": part}, 0.25)
    yield figures.old_target(clips, said)


class Net:
    """Says the same of every clip."""


def figures_of_robustness(clips, said, monkeypatch):
    kinds = {"transformer": seeds.Trained(np.ones((2, 80)), np.ones((2, 80)))}
    table = seeds.table(kinds, 0.25)
    one = {"transformer": said}
    yield figures.robustness.spread(kinds, table)
    yield figures.robustness.calibrated(one, calibration.scaled(one, one, clips), clips)
    yield figures.robustness.selective(one, clips)
    yield figures.robustness.coverage(calibration.regions(one, one, clips, clips, CFG))
    base = conditions.base(CFG.replace(suite_clips=8))
    yield figures.robustness.questions(base)
    monkeypatch.setattr(
        robustness,
        "predict",
        lambda net, clips, cfg: {
            "logits_NK": np.zeros((len(clips), 4)),
            "mean_NHx3": np.zeros((len(clips), 5, 3)),
            "logvar_NHx3": np.zeros((len(clips), 5, 3)),
        },
    )
    who = robustness.Contenders({"transformer": [Net()]}, {})
    answers = robustness.answers(who, base.cfg)
    curves = robustness.curves(answers)
    yield figures.robustness.curves(curves)
    yield figures.robustness.curves(curves, "ade_px")
    yield figures.robustness.areas(robustness.wide(robustness.areas(answers)))
    yield figures.robustness.sooner_and_later(curves, robustness.ahead(who, base.cfg), 5)


def test_every_figure_of_robustness_is_drawn(clips, said, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    for number, figure in enumerate(figures_of_robustness(clips, said, monkeypatch)):
        figures.save(figure, tmp_path, f"figure_{number}")
    assert len(list((tmp_path / "figures").glob("*.png"))) == 9


def test_a_figure_in_a_marked_folder_carries_the_mark(clips, said, tmp_path):
    figure, other = figures.single_frames(np.full(16, 0.25), 0.25), figures.futures(clips, said, "i3d")
    files.write_text(tmp_path / files.MARK, "FORCED: worth nothing\n")
    figures.save(figure, tmp_path, "one")
    figures.save(other, tmp_path, "two")
    assert figure.get_suptitle() == "FORCED: worth nothing"
    assert other.get_suptitle().startswith("FORCED: worth nothing\ni3d: seen path"), "its own title stays"


def test_the_first_row_says_what_the_columns_show(clips):
    titles = [axis.get_title() for axis in figures.film_strips(clips).axes]
    assert titles[:2] + titles[8:10] == ["frame 0", "frame 2", "all 16", ""]


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in [*axis.texts, axis.title]]


def test_a_scene_says_its_numbers_and_what_a_data_set_would_refuse():
    taken, refused = (texts(figures.scene(scenes.clip(CFG, scenes.Scene(gravity=share)))) for share in (1.0, 0.0))
    assert any("gravity 9.81 m/s²" in text and "would take it" in text for text in taken)
    assert any(
        "gravity 0.00 m/s²" in text and "would refuse it" in text and "NO: 0.5 px off any line" in text
        for text in refused
    )


def test_an_answer_says_class_and_errors_beside_the_truth(clips, said):
    steady = trackers.measured_constant_velocity(clips)
    for row in range(4):
        prob_K, motion = said.prob_NK[row], CFG.motions[clips.label_N[row]]
        seen = "\n".join(texts(figures.answer(clips, said, steady, row)))
        guess = CFG.motions[prob_K.argmax()]
        assert f"The network says: {guess}\n{'right' if guess == motion else 'WRONG'}" in seen
        assert all(f"{share:.2f}" in seen for share in prob_K)
        off_px = metrics.displacement_px(steady, clips.track_NFx3[:, CFG.frames :], CFG)[row].mean()
        assert f"constant velocity {off_px:.1f} px" in seen


def test_every_figure_is_drawn_and_kept(clips, said, tmp_path):
    drawn = [*figures_of_data(clips), *figures_of_results(clips, said), *figures_of_the_post_mortem(clips, said)]
    assert len(drawn) == len(figures.__all__) - 1, "a figure without a test"
    for number, figure in enumerate(drawn):
        shown = figures.save(figure, tmp_path, f"{number}")
        kept = (tmp_path / "figures" / f"{number}.png").read_bytes()
        assert shown.data == kept, "a notebook shows what is kept"
        assert 3000 < len(kept) < 150_000


def test_a_long_title_takes_as_many_lines_as_its_figure_is_narrow():
    figure, _ = style.panels(1, 1, 3, 2)
    style.headline(figure, "what is wider than its figure would be cut at both sides, so it takes another line")
    figure.draw_without_rendering()
    extent = figure.texts[0].get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.width
    assert figure.get_suptitle().count("\n") == 1
