"""How good the networks are, beside baselines and oracles."""

import numpy as np
import seaborn as sns
from matplotlib.patches import Ellipse

from trajnb.evaluation import fronts, metrics
from trajnb.figures.style import BASELINE_COLOURS, COLOURS, GREY, MOTION_COLOURS, bare, panels

COSTS = {"macs": ("multiply-adds a clip, M", 1e6), "parameters": ("parameters, M", 1e6)}  # label, and its unit
COSTS |= {"train_seconds": ("training, s", 1), "latency_ms": ("latency, ms", 1)}


def confusion(contenders, label_N, motions, columns=4):
    """Confusion matrices, four in a row: row the true class, column the predicted one, in clips."""
    named = {name: said for name, said in contenders.items() if said.prob_NK is not None}
    figure, axes = panels(-(-len(named) // columns), min(columns, len(named)), 2.7, 2.7)
    for axis in axes.flat[len(named) :]:
        axis.axis("off")
    for number, (axis, (name, said)) in enumerate(zip(axes.flat, named.items(), strict=False)):
        counts = metrics.confusion(said.prob_NK, label_N)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        sns.heatmap(share, annot=counts, fmt="d", cmap="Blues", vmin=0, vmax=1, cbar=False, square=True, ax=axis)
        axis.set(title=f"{name}\ntop-1 {metrics.top1(said.prob_NK, label_N):.4f}", xlabel="predicted")
        axis.set_xticklabels(motions, rotation=45, ha="right")
        axis.set_yticklabels([] if number % columns else motions, rotation=0)
        axis.set_ylabel("" if number % columns else "true")
    return figure


def reliability(contenders, label_N):
    """Share correct against confidence, with the number of clips below: on the diagonal, confidence is honest."""
    figure, axes = panels(2, len(contenders), 3, 1.7, sharex=True, height_ratios=[2, 1])
    for (top, bottom), (name, said) in zip(axes.T, contenders.items(), strict=True):
        count, confidence, right = metrics.reliability(said.prob_NK, label_N)
        top.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        top.plot(confidence, right, "o-", color=COLOURS.get(name, "C0"), markersize=4)
        top.set(title=f"{name}: ECE {metrics.ece(said.prob_NK, label_N):.4f}", ylabel="share correct")
        edges = np.linspace(0, 1, len(count) + 1)
        bottom.stairs(count, edges, fill=True, color="0.7")
        bottom.set(yscale="log", xlabel="confidence", ylabel="clips")
    sns.despine(figure)
    return figure


def futures(clips, said, name, each=4, level=0.80, radii=None):
    """Predicted against true futures on frames: seen path, true future (crosses), predicted means and regions.

    The regions are the network's own Gaussians, or those of `radii` (evaluation.leaderboard.region_radii).
    """
    cfg = clips.cfg
    square_H = np.full(cfg.horizon, metrics.gaussian_radius(level)) if radii is None else radii[level]
    figure, axes = panels(len(cfg.motions), each, 2.1, 2.15)
    for number, motion in enumerate(cfg.motions):
        for axis, row in zip(axes[number], np.flatnonzero(clips.label_N == number)[:each], strict=False):
            axis.imshow(clips.render([row])[0].max(axis=0), **GREY)
            draw_future(axis, clips.track_NFx3[row], said, row, cfg, square_H)
            guess = cfg.motions[said.prob_NK[row].argmax()]
            bare(axis, f"{guess} {said.prob_NK[row].max():.2f}")
            axis.title.set_color("black" if guess == motion else "crimson")
            axis.set(xlim=(-10, cfg.size + 10), ylim=(cfg.size + 10, -10))
        axes[number, 0].set_ylabel(motion, color=MOTION_COLOURS[motion])
    figure.suptitle(f"{name}: seen path, true future (x), predicted future with {level:.0%} regions", fontsize=10)
    return figure


def draw_future(axis, track_Fx3, said, row, cfg, square_H):
    """One clip's future: crosses where the object goes, ellipses where the network expects it."""
    uv_Fx2, said_Hx2 = track_Fx3[:, :2] * cfg.size, said.track_NHx3[row, :, :2] * cfg.size
    axis.plot(*uv_Fx2[: cfg.frames].T, color="deepskyblue", linewidth=0.8)
    axis.plot(*uv_Fx2[cfg.frames :].T, "x", color="gold", markersize=4, markeredgewidth=1)
    axis.plot(*said_Hx2.T, ".-", color="orangered", markersize=3, linewidth=0.7)
    diameters_Hx2 = 2 * np.sqrt(square_H[:, None] * np.exp(said.logvar_NHx3[row, :, :2])) * cfg.size
    for centre, (width, height) in zip(said_Hx2, diameters_Hx2, strict=True):
        axis.add_patch(Ellipse(centre, width, height, fill=False, edgecolor="orangered", linewidth=0.5, alpha=0.8))


def error_by_step(steps_by_motion):
    """Image error at each future frame: a panel for each {motion: table}, a line for each contender."""
    figure, axes = panels(1, len(steps_by_motion), 2.4, 2.6, sharex=True)
    for axis, (motion, table) in zip(axes[0], steps_by_motion.items(), strict=True):
        for name in table.columns:
            dashed = name in BASELINE_COLOURS and not name.startswith("ensemble")
            axis.plot(
                table.index, table[name], "--" if dashed else "o-", color=COLOURS.get(name), markersize=3, label=name
            )
        axis.set(xlabel="frames ahead", title=motion, ylim=(0, None))
    axes[0, 0].set_ylabel("mean error, px")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    sns.despine(figure)
    return figure


def regions(coverage):
    """Claimed against measured coverage of the predicted regions, for all clips and each class."""
    figure, axes = panels(1, 1, 3.6, 3)
    axis = axes[0, 0]
    axis.plot([0.4, 1], [0.4, 1], color="0.7", linewidth=1)
    for name in coverage.columns.drop("claimed"):
        colour, width = MOTION_COLOURS.get(name, "black"), 2 if name == "all" else 1
        axis.plot(coverage["claimed"], coverage[name], "o-", color=colour, linewidth=width, markersize=4, label=name)
    axis.set(
        xlabel="claimed probability", ylabel="share of true positions inside", title="above the line: too cautious"
    )
    axis.legend(frameon=False)
    sns.despine(figure)
    return figure


def standing(board):
    """Top-1 with 95 % intervals, and ADE, of every row of the leaderboard."""
    figure, axes = panels(1, 2, 4.2, 0.8 + 0.26 * len(board), sharey=True)
    names = board["model"].tolist()
    colours = [COLOURS.get(name, COLOURS.get(name.split("_")[0], "0.5")) for name in names]  # a control: its network's
    for row, (_, line) in enumerate(board.iterrows()):
        axes[0, 0].plot([line["test_top1_low"], line["test_top1_high"]], [row, row], color=colours[row], linewidth=2)
    axes[0, 0].scatter(board["test_top1"], range(len(board)), c=colours, zorder=3)
    axes[0, 1].scatter(board["ade_px"], range(len(board)), c=colours, zorder=3)
    axes[0, 0].set(yticks=range(len(board)), yticklabels=names, xlabel="test top-1, 95 % interval", xlim=(0, 1.02))
    axes[0, 0].invert_yaxis()
    axes[0, 1].set(xlabel="ADE, px", xlim=(0, None))
    for axis in axes[0]:
        axis.grid(axis="x", color="0.9")
    sns.despine(figure)
    return figure


def tradeoffs(board):
    """Top-1 with its interval, and ADE, of every network and ensemble against what it costs.

    The line joins those that nobody beats at their price or less (Pareto front).
    """
    rows = board[board["macs"].notna()]
    figure, axes = panels(2, len(COSTS), 2.5, 2.2, sharex="col", sharey="row")
    for column, (name, (label, unit)) in zip(axes.T, COSTS.items(), strict=True):
        for line in rows.itertuples():
            colour, x = COLOURS.get(line.model, "0.5"), getattr(line, name) / unit
            around = [[line.test_top1 - line.test_top1_low], [line.test_top1_high - line.test_top1]]
            column[0].errorbar(x, line.test_top1, around, fmt="o", color=colour, markersize=5, label=line.model)
            column[1].plot(x, line.ade_px, "o", color=colour, markersize=5)
        for axis, (score, sign) in zip(column, fronts.SCORES.items(), strict=True):
            best = rows[fronts.front(rows[name], sign * rows[score])].sort_values(name)
            axis.step(best[name] / unit, best[score], where="post", color="0.6", linewidth=1, zorder=0)
        column[1].set(xlabel=label, xlim=(0, None))
    axes[0, 0].set(ylabel="test top-1, 95 %")
    axes[1, 0].set(ylabel="test ADE, px")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False)
    sns.despine(figure)
    return figure


def race(histories, chance):
    """Validation top-1 and ADE of every network {model: history} against clips seen and against seconds."""
    figure, axes = panels(2, 2, 3.6, 2.2, sharex="col", sharey="row")
    for name, history in histories.items():
        for column, x in zip(axes.T, (history["clips_seen"], history["seconds"].cumsum()), strict=True):
            for axis, score in zip(column, ("val_top1", "val_ade_px"), strict=True):
                axis.plot(x, history[score], "o-", color=COLOURS.get(name, "0.5"), markersize=4, label=name)
    for axis in axes[0]:
        axis.axhline(chance, color="0.4", linestyle=":", linewidth=1)
    axes[0, 0].set(ylabel="validation top-1", ylim=(0, 1.02))
    axes[1, 0].set(ylabel="validation ADE, px", ylim=(0, None), xlabel="training clips seen", xlim=(0, None))
    axes[1, 1].set(xlabel="seconds of training", xlim=(0, None))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    sns.despine(figure)
    return figure


def reconstructions(pictures, clips, frame=8):
    """One clip of each class: a frame as seen, the scene without noise, the frame decoded from codes alone."""
    kinds = {"seen": pictures.seen, "without noise": pictures.clean, "from codes alone": pictures.decoded}
    rows = [int((clips.label_N[: len(pictures.seen)] == k).argmax()) for k in range(len(clips.cfg.motions))]
    figure, axes = panels(len(kinds), 2 * len(rows), 1.25, 1.35)
    for number, (line, (name, video_NTSS)) in enumerate(zip(axes, kinds.items(), strict=True)):
        for k, (row, motion) in enumerate(zip(rows, clips.cfg.motions, strict=True)):
            first, last = line[2 * k], line[2 * k + 1]
            first.imshow(video_NTSS[row, frame], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            last.imshow(video_NTSS[row].max(axis=0), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            bare(first, "" if number else motion)
            bare(last, "" if number else "all frames")
        line[0].set_ylabel(name)
    return figure
