"""How a training run went, and how good the networks are beside baselines and oracles."""

import numpy as np
import seaborn as sns
from matplotlib.patches import Ellipse

from trajnb.evaluation import cost, metrics
from trajnb.figures import style
from trajnb.figures.style import BASELINE_COLOURS, COLOURS, GREY, MOTION_COLOURS, bare, panels

COSTS = {"macs": ("multiply-adds a clip, M", 1e6), "parameters": ("parameters, M", 1e6)}  # label, and its unit
COSTS |= {"train_seconds": ("training, s", 1), "latency_ms": ("latency, ms", 1)}


def confusion(models, test, columns=4):
    """Confusion matrices of {name: Predictions}: row the true class, column the predicted one, in clips."""
    motions, named = test.cfg.motions, {name: one for name, one in models.items() if one.prob_NK is not None}
    figure, axes = panels(-(-len(named) // columns), min(columns, len(named)), 2.7, 2.7)
    for axis in axes.flat[len(named) :]:
        axis.axis("off")
    for number, (axis, (name, one)) in enumerate(zip(axes.flat, named.items(), strict=False)):
        counts = metrics.confusion(one.prob_NK, test.label_N)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        sns.heatmap(share, annot=counts, fmt="d", cmap="Blues", vmin=0, vmax=1, cbar=False, square=True, ax=axis)
        axis.set(title=f"{name}\ntop-1 {metrics.top1(one.prob_NK, test.label_N):.4f}", xlabel="predicted")
        axis.set_xticklabels(motions, rotation=45, ha="right")
        axis.set_yticklabels([] if number % columns else motions, rotation=0)
        axis.set_ylabel("" if number % columns else "true")
    return figure


def reliability(models, label_N):
    """Accuracy against confidence of {name: Predictions}, and clips per bin; the diagonal is perfect calibration."""
    figure, axes = panels(2, len(models), 3, 1.7, sharex=True, height_ratios=[2, 1])
    for (top, bottom), (name, one) in zip(axes.T, models.items(), strict=True):
        count, confidence, accuracy = metrics.reliability(one.prob_NK, label_N)
        top.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        top.plot(confidence, accuracy, "o-", color=COLOURS.get(name, "C0"), markersize=4)
        top.set(title=f"{name}: ECE {metrics.ece(one.prob_NK, label_N):.4f}", ylabel="accuracy")
        bottom.stairs(count, np.linspace(0, 1, len(count) + 1), fill=True, color="0.7")
        bottom.set(yscale="log", xlabel="confidence", ylabel="clips")
    return figure


def futures(clips, predictions, name, each=4, level=0.80, radii=None):
    """Predicted and true futures on frames: observed path, true future (crosses), predicted means and regions.

    The regions are the network's own Gaussians, or those of `radii` (evaluation.leaderboard.region_radii).
    """
    cfg = clips.cfg
    square_H = np.full(cfg.horizon, metrics.gaussian_radius(level)) if radii is None else radii[level]
    figure, axes = panels(len(cfg.motions), each, 2.1, 2.15)
    for number, motion in enumerate(cfg.motions):
        for axis, row in zip(axes[number], np.flatnonzero(clips.label_N == number)[:each], strict=False):
            axis.imshow(clips.render([row])[0].max(axis=0), **GREY)
            draw_future(axis, clips, predictions, row, square_H)
            best = cfg.motions[predictions.prob_NK[row].argmax()]
            style.frame_limits(axis, cfg.size, f"{best} {predictions.prob_NK[row].max():.2f}")
            axis.title.set_color("black" if best == motion else "crimson")
        axes[number, 0].set_ylabel(motion, color=MOTION_COLOURS[motion])
    figure.suptitle(f"{name}: observed path, true future (x), predicted future with {level:.0%} regions", fontsize=10)
    return figure


def draw_future(axis, clips, predictions, row, square_H):
    """One clip's future: crosses at the true positions, ellipses around the predicted ones."""
    cfg = clips.cfg
    uv_Fx2, mean_Hx2 = clips.track_NFx3[row, :, :2] * cfg.size, predictions.track_NHx3[row, :, :2] * cfg.size
    axis.plot(*uv_Fx2[: cfg.frames].T, color="deepskyblue", linewidth=0.8)
    axis.plot(*uv_Fx2[cfg.frames :].T, "x", color="gold", markersize=4, markeredgewidth=1)
    axis.plot(*mean_Hx2.T, ".-", color="orangered", markersize=3, linewidth=0.7)
    diameters_Hx2 = 2 * np.sqrt(square_H[:, None] * np.exp(predictions.logvar_NHx3[row, :, :2])) * cfg.size
    for centre, (width, height) in zip(mean_Hx2, diameters_Hx2, strict=True):
        axis.add_patch(Ellipse(centre, width, height, fill=False, edgecolor="orangered", linewidth=0.5, alpha=0.8))


def error_by_step(steps_by_motion):
    """Image error at each future frame: a panel for each {motion: table}, a line for each model."""
    figure, axes = panels(1, len(steps_by_motion), 2.4, 2.6, sharex=True)
    for axis, (motion, table) in zip(axes[0], steps_by_motion.items(), strict=True):
        for name in table.columns:
            line = "--" if name in BASELINE_COLOURS and not name.startswith("ensemble") else "o-"
            axis.plot(table.index, table[name], line, color=COLOURS.get(name), markersize=3, label=name)
        axis.set(xlabel="frames ahead", title=motion)
        style.from_zero(axis)
    axes[0, 0].set_ylabel("mean error, px")
    style.key(figure, axes[0, 0], "lower")
    return figure


def regions(coverage):
    """Empirical against nominal coverage of the predicted regions, for all clips and each class."""
    figure, axes = panels(1, 1, 3.6, 3)
    axis, nominal = axes[0, 0], coverage["nominal_coverage"]
    axis.plot([0.4, 1], [0.4, 1], color="0.7", linewidth=1)
    for name in coverage.columns.drop("nominal_coverage"):
        colour, width = MOTION_COLOURS.get(name, "black"), 2 if name == "all" else 1
        axis.plot(nominal, coverage[name], "o-", color=colour, linewidth=width, markersize=4, label=name)
    axis.set(xlabel="nominal coverage", ylabel="empirical coverage", title="above the line: regions too large")
    axis.legend(frameon=False)
    return figure


def standing(board):
    """Top-1 with 95 % intervals, and ADE, of every row of the leaderboard."""
    figure, axes = panels(1, 2, 4.2, 0.8 + 0.26 * len(board), sharey=True)
    names = board["model"].tolist()
    colours = [COLOURS.get(name, COLOURS.get(name.split("_")[0], "0.5")) for name in names]  # a control: its network's
    for row, (_, line) in enumerate(board.iterrows()):
        axes[0, 0].plot([line["test_top1_low"], line["test_top1_high"]], [row, row], color=colours[row], linewidth=2)
    for axis, score in zip(axes[0], ("test_top1", "ade_px"), strict=True):
        axis.scatter(board[score], range(len(board)), c=colours, zorder=3)
        axis.grid(axis="x", color="0.9")
    axes[0, 0].set(yticks=range(len(board)), yticklabels=names, xlabel="test top-1, 95 % interval", xlim=(0, 1.02))
    axes[0, 0].set_ylim(len(board) - 0.4, -0.6)
    axes[0, 1].set(xlabel="test ADE, px", xlim=(0, None))
    return figure


def tradeoffs(board):
    """Top-1 with its interval, and ADE, of networks and ensembles against their costs; the line is the Pareto front."""
    rows = board[board["macs"].notna()]
    figure, axes = panels(2, len(COSTS), 2.5, 2.2, sharex="col", sharey="row")
    for column, (name, (label, unit)) in zip(axes.T, COSTS.items(), strict=True):
        for line in rows.itertuples():
            colour, x = COLOURS.get(line.model, "0.5"), getattr(line, name) / unit
            around = [[line.test_top1 - line.test_top1_low], [line.test_top1_high - line.test_top1]]
            column[0].errorbar(x, line.test_top1, around, fmt="o", color=colour, markersize=5, label=line.model)
            column[1].plot(x, line.ade_px, "o", color=colour, markersize=5)
        for axis, (score, sign) in zip(column, cost.SCORES.items(), strict=True):
            best = rows[cost.front(rows[name], sign * rows[score])].sort_values(name)
            axis.step(best[name] / unit, best[score], where="post", color="0.6", linewidth=1, zorder=0)
        column[1].set(xlabel=label, xlim=(0, None))
    axes[0, 0].set(ylabel="test top-1, 95 %")
    axes[1, 0].set(ylabel="test ADE, px")
    style.key(figure, axes[0, 0])
    return figure


def learning_speed(histories, chance):
    """Validation top-1 and ADE of every network {model: history} against clips seen and against seconds."""
    figure, axes = panels(2, 2, 3.6, 2.2, sharex="col", sharey="row")
    for name, history in histories.items():
        for column, x in zip(axes.T, (history["clips_seen"], history["seconds"].cumsum()), strict=True):
            for axis, score in zip(column, ("val_top1", "val_ade_px"), strict=True):
                axis.plot(x, history[score], "o-", color=COLOURS.get(name, "0.5"), markersize=4, label=name)
    for axis in axes[0]:
        axis.axhline(chance, color="0.4", linestyle=":", linewidth=1)
    axes[0, 0].set(ylabel="validation top-1", ylim=(0, 1.02))
    axes[1, 0].set(ylabel="validation ADE, px", xlabel="training clips seen", xlim=(0, None))
    axes[1, 1].set(xlabel="training, s", xlim=(0, None))
    style.from_zero(axes[1, 0])
    style.key(figure, axes[0, 0])
    return figure


def reconstructions(pictures, clips, frame=8):
    """One clip of each class: a frame and all frames as observed, without noise, and decoded from codes alone."""
    kinds = {"observed": pictures.observed, "without noise": pictures.clean, "from codes alone": pictures.decoded}
    rows = [int((clips.label_N[: len(pictures.observed)] == k).argmax()) for k in range(len(clips.cfg.motions))]
    figure, axes = panels(len(kinds), 2 * len(rows), 1.25, 1.35)
    for number, (line, (name, video_NTSS)) in enumerate(zip(axes, kinds.items(), strict=True)):
        for pair, row, motion in zip(line.reshape(-1, 2), rows, clips.cfg.motions, strict=True):
            shown = {motion: video_NTSS[row, frame], "all frames": video_NTSS[row].max(axis=0)}
            for axis, (title, picture_SS) in zip(pair, shown.items(), strict=True):
                axis.imshow(picture_SS, **GREY | {"vmax": 1})
                bare(axis, "" if number else title)
        line[0].set_ylabel(name)
    return figure


def learning_curves(history, chance, constant_velocity_px):
    """Loss, top-1 and ADE after each epoch (pandas, one row an epoch), beside chance and constant velocity."""
    figure, axes = panels(1, 3, 3.1, 2.5)
    lines = {  # column: (panel, label, look)
        "train_loss": (0, "training objective", "C0o-"),
        "val_loss": (0, "validation NLL", "C1s-"),
        "train_top1": (1, "training (augmented)", "C0o-"),
        "val_top1": (1, "validation", "C1s-"),
        "val_ade_px": (2, "validation", "C1s-"),
    }
    for column, (panel, label, look) in lines.items():
        axes[0, panel].plot(history["epoch"], history[column], look, label=label)
    for panel, (level, label) in {1: (chance, "chance"), 2: (constant_velocity_px, "constant velocity")}.items():
        axes[0, panel].axhline(level, color="0.4", linestyle=":", linewidth=1, label=label)
    limits = {"loss, nats": {}, "top-1": {"ylim": (0, 1.02)}, "ADE, px": {"ylim": (0, None)}}
    for axis, (title, limit) in zip(axes[0], limits.items(), strict=True):
        axis.set(title=title, xlabel="epoch", **limit)
        axis.legend(frameon=False)
        axis.xaxis.get_major_locator().set_params(integer=True)
    return figure
