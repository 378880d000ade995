"""The two figures of a run's front page. They are narrow enough to be read on a phone."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from trajnb.evaluation import verdict
from trajnb.figures.style import COLOURS, MOTION_COLOURS, frame_limits, panels

TOP1 = ["test_top1", "test_top1_low", "test_top1_high"]
MARKERS = {"transformer": "o", "i3d": "s", "slowfast": "^", "magvit": "D"}  # colour alone would not do for everybody
GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # of a number over a line


def standing(board, ade):
    """Accuracy above ADE of every network with 95 % intervals, beside chance, constant velocity and the pixel oracle.

    `board`: the leaderboard; `ade` {model: (mean, low, high) in pixels}.
    """
    rows = board.set_index("model")
    networks = rows[rows["kind"] == "network"].sort_values("test_top1", ascending=False)
    control = rows.loc[rows["kind"] == "control", "test_top1"].max()
    figure, axes = panels(2, 1, 6.0, 0.75 + 0.22 * len(networks))
    accuracy, error = axes[:, 0]
    intervals(accuracy, dict(zip(networks.index, networks[TOP1].to_numpy(), strict=True)), ".3f")
    intervals(error, {model: ade[model] for model in networks.index}, ".2f")
    top1, ade_px = rows["test_top1"], rows["ade_px"]
    limits(accuracy, {"chance": top1["chance"], "best control": control, "pixel oracle": top1["pixel_oracle"]})
    limits(error, {"pixel oracle": ade_px["pixel_oracle"], "constant velocity": ade_px["constant_velocity"]})
    accuracy.set(xlabel="test accuracy, 95 % interval (more is better)", xlim=(0, 1.08))
    error.set(xlabel="average displacement error (ADE), px, 95 % interval (less is better)", xlim=(0, None))
    return figure


def intervals(axis, scores, form):
    """A row for each network {model: (mean, low, high)}: marker, interval as a line, and the mean as a number."""
    for row, (model, (mean, low, high)) in enumerate(scores.items()):
        colour = COLOURS.get(model, "0.4")
        axis.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        axis.plot(mean, row, MARKERS.get(model, "o"), color=colour, markersize=6)
        axis.annotate(f"{mean:{form}}", (high, row), (7, 0), textcoords="offset points", va="center", bbox=GROUND)
    axis.set_yticks(range(len(scores)), [verdict.name(model) for model in scores])
    axis.set(ylim=(len(scores) - 0.4, -0.6))
    axis.grid(axis="x", color="0.92")


def limits(axis, values):
    """Labelled vertical lines {label: value} between which networks are judged; every second label stands higher."""
    for number, (label, value) in enumerate(values.items()):
        axis.axvline(value, color="0.35", linestyle="--" if "oracle" in label else ":", linewidth=1.2, zorder=0)
        height, across = 1.01 + 0.14 * (number % 2), axis.get_xaxis_transform()
        axis.text(value, height, label, transform=across, ha="center", va="bottom", fontsize=9)


def futures(clips, networks):
    """Clips in two columns with the observed path, the true future and each network's predicted one.

    `clips` (ClipSet): one clip a panel; `networks` {model: Predictions for these clips}. All frames of a clip are added
    up, dark on light. Below a clip stand the networks that name another class than the true one.
    """
    figure, axes = panels(-(-len(clips) // 2), 2, 3.0, 3.0)
    for axis in axes.flat[len(clips) :]:
        axis.axis("off")
    for row, (axis, video_TSS) in enumerate(zip(axes.flat, clips.render(range(len(clips))), strict=False)):
        dark_on_light(axis, video_TSS)
        draw_futures(axis, clips, networks, row)
        motion = clips.cfg.motions[clips.label_N[row]]
        frame_limits(axis, clips.cfg.size, motion, margin=7)
        axis.title.set_color(MOTION_COLOURS[motion])
        axis.set_xlabel(mistakes(clips, networks, row), fontsize=9)
    figure.legend(handles=legend(networks), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def dark_on_light(axis, video_TSS):
    """All frames added up, the object dark on a light ground."""
    sum_SS, size = video_TSS.max(axis=0).astype(float), video_TSS.shape[-1]
    ground = np.median(sum_SS)
    axis.imshow(sum_SS, cmap="gray_r", vmin=ground - 10, vmax=2 * sum_SS.max() - ground, interpolation="nearest")
    axis.add_patch(Rectangle((-0.5, -0.5), size, size, fill=False, edgecolor="0.7", linewidth=0.8))


def draw_futures(axis, clips, networks, row):
    """One clip's observed path, its true future and the predicted ones, in pixels."""
    cfg, uv_Fx2 = clips.cfg, clips.track_NFx3[row, :, :2] * clips.cfg.size
    axis.plot(*uv_Fx2[: cfg.frames].T, color="0.2", linewidth=1)
    for model, predictions in networks.items():
        uv_Hx2 = np.concatenate([uv_Fx2[[cfg.frames - 1]], predictions.track_NHx3[row, :, :2] * cfg.size])
        axis.plot(*uv_Hx2.T, color=COLOURS.get(model, "0.4"), linewidth=1)
        axis.plot(*uv_Hx2[1:].T, MARKERS.get(model, "o"), color=COLOURS.get(model, "0.4"), markersize=3.5)
    axis.plot(*uv_Fx2[cfg.frames :].T, "x", color="black", markersize=7, markeredgewidth=1.5)


def mistakes(clips, networks, row):
    """Which networks name another class than the true one, and which."""
    guesses = {model: predictions.prob_NK[row].argmax() for model, predictions in networks.items()}
    wrong = [f"{verdict.name(m)} names {clips.cfg.motions[k]}" for m, k in guesses.items() if k != clips.label_N[row]]
    return "\n".join(wrong) or "all correct"


def legend(networks):
    """What lines and markers of `futures` mean."""
    looks = {"observed path": {"color": "0.2"}, "true future": {"color": "black", "marker": "x", "linestyle": ""}}
    looks |= {verdict.name(m): {"color": COLOURS.get(m, "0.4"), "marker": MARKERS.get(m, "o")} for m in networks}
    return [Line2D([], [], label=label, **look) for label, look in looks.items()]
