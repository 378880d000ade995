"""One clip at a time: as film strip, in the picture, in space, and a network's prediction for it."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from scipy.stats import chi2

from trajnb.evaluation import metrics
from trajnb.figures.data import draw_strip
from trajnb.figures.style import GREY, MOTION_COLOURS, blank, frame_limits, panels

LINES = {  # label: how `draw_prediction` draws it
    "observed path": {"color": "deepskyblue"},
    "true future": {"color": "gold", "marker": "x", "linestyle": ""},
    "network, with 80 % regions": {"color": "orangered", "marker": "."},
    "constant velocity": {"color": "palegreen", "marker": "s", "markersize": 3, "linestyle": "--"},
}


def scene(clips):
    """A set of one clip: film strip, path in the picture and from the side, and what its recipe says."""
    sizes = {"height_ratios": [1, 2.2], "width_ratios": [1, 1, 0.9]}
    figure = blank(9.2, 4.3)
    axes = figure.subplot_mosaic([["strip"] * 3, ["picture", "side", "text"]], **sizes)
    cfg, row = clips.cfg, clips.table.iloc[0]
    draw_strip(axes["strip"], clips.render([0])[0])
    axes["picture"].imshow(clips.render([0])[0].max(axis=0), **GREY)
    draw_path(axes["picture"], *(clips.track_NFx3[0, :, :2] * cfg.size).T, clips)
    frame_limits(axes["picture"], cfg.size, f"in the picture; the next {cfg.horizon} in grey")
    draw_side(axes["side"], clips)
    lines = [f"number {row['index']}"]
    lines += [f"gravity {cfg.gravity:.2f} m/s²" + ("" if row.motion == "parabolic" else " (not in this motion)")]
    lines += [f"extent {row.extent_px:.0f} px", f"depth {row.depth_m:.1f} m", f"noise {row.noise:.0%} of full scale"]
    axes["text"].axis("off")
    axes["text"].set_title(row.motion, color=MOTION_COLOURS[row.motion], loc="left")
    axes["text"].text(0, 1, "\n".join(lines), va="top", fontsize=8.5, linespacing=1.5, transform=axes["text"].transAxes)
    return figure


def predictions(clips, predicted, velocity_NHx3, rows):
    """What a network predicts for clips (row numbers) side by side: true and predicted future, class probabilities.

    `velocity_NHx3`: the futures at constant velocity.
    """
    figure, axes = panels(2, len(rows), max(2.3, 5 / len(rows)), 1.95, height_ratios=[2.2, 1])
    errors = {"network": predicted.track_NHx3, "constant velocity": velocity_NHx3}
    errors = {name: metrics.displacement_px(x, metrics.future(clips), clips.cfg) for name, x in errors.items()}
    for (top, bottom), row in zip(axes.T, rows, strict=True):
        motion = clips.cfg.motions[clips.label_N[row]]
        draw_prediction(top, clips, predicted, velocity_NHx3, row)
        lines = [motion, *(f"{name} {error_NH[row].mean():.1f} px off" for name, error_NH in errors.items())]
        top.set_title("\n".join(lines), color=MOTION_COLOURS[motion], fontsize=9)
        draw_bars(bottom, clips, predicted, row)
    axes[1, 0].set_yticks(range(len(clips.cfg.motions)), clips.cfg.motions)
    handles = [Line2D([], [], label=name, **look) for name, look in LINES.items()]
    look = {"facecolor": "0.35", "labelcolor": "white", "fontsize": 8}  # on grey, as some lines are light
    figure.legend(handles=handles, loc="outside lower center", ncols=4 if len(rows) > 3 else 2, **look)
    return figure


def draw_side(axis, clips):
    """Depth to the right, height up, in metres; the camera and the edges of its field of view."""
    far = clips.cfg.depth_max_m + 1
    edge = far * clips.cfg.size / 2 / clips.cfg.focal_px
    axis.fill([0, far, far], [0, edge, -edge], color="0.88", linewidth=0)
    axis.plot(0, 0, ">", color="0.2", markersize=9)
    draw_path(axis, clips.xyz_NFx3[0, :, 2], -clips.xyz_NFx3[0, :, 1], clips)
    axis.set(xlim=(-0.3, far), ylim=(-edge, edge), aspect="equal", title="from the side", xlabel="depth z, m")
    axis.set_ylabel("height -y, m")


def draw_path(axis, x_F, y_F, clips):
    """One path, a dot a frame: observed frames in the motion's colour, future ones in grey."""
    frames, colour = clips.cfg.frames, MOTION_COLOURS[clips.table["motion"].iloc[0]]
    axis.plot(x_F[frames - 1 :], y_F[frames - 1 :], ".-", color="0.65", markersize=4, linewidth=0.8)
    axis.plot(x_F[:frames], y_F[:frames], ".-", color=colour, markersize=5, linewidth=1.2)


def draw_prediction(axis, clips, predictions, velocity_NHx3, row):
    """The brightest value of every pixel; observed path, true future, the network's and constant velocity's."""
    cfg = clips.cfg
    axis.imshow(clips.render([row])[0].max(axis=0), **GREY)
    uv_Fx2, mean_Hx2 = clips.track_NFx3[row, :, :2] * cfg.size, predictions.track_NHx3[row, :, :2] * cfg.size
    axis.plot(*uv_Fx2[: cfg.frames].T, color="deepskyblue", linewidth=0.8)
    axis.plot(*uv_Fx2[cfg.frames :].T, "x", color="gold", markersize=4, markeredgewidth=1)
    axis.plot(*mean_Hx2.T, ".-", color="orangered", markersize=3, linewidth=0.7)
    diameters_Hx2 = 2 * np.sqrt(chi2.ppf(0.80, 2) * np.exp(predictions.logvar_NHx3[row, :, :2])) * cfg.size
    for centre, (width, height) in zip(mean_Hx2, diameters_Hx2, strict=True):
        axis.add_patch(Ellipse(centre, width, height, fill=False, edgecolor="orangered", linewidth=0.5, alpha=0.8))
    axis.plot(*velocity_NHx3[row, :, :2].T * cfg.size, linewidth=0.8, **LINES["constant velocity"])
    frame_limits(axis, cfg.size)


def draw_bars(axis, clips, predictions, row):
    """Probability of each class; the true one in its colour, the others grey."""
    motions, prob_K = clips.cfg.motions, predictions.prob_NK[row]
    colours = [MOTION_COLOURS[name] if k == clips.label_N[row] else "0.6" for k, name in enumerate(motions)]
    axis.bar_label(axis.barh(range(len(motions)), prob_K, color=colours), fmt="%.2f", fontsize=8, padding=2)
    axis.set(xlim=(0, 1.25), ylim=(len(motions) - 0.5, -0.5), xlabel="probability", xticks=[0, 0.5, 1], yticks=[])
