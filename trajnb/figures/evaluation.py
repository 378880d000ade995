"""How a training run went, and how good the networks are beside baselines and oracles."""

import numpy as np
import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Rectangle
from sklearn.metrics import confusion_matrix

from trajnb.evaluation import metrics, verdict
from trajnb.evaluation.predictions import half_axes
from trajnb.figures import style
from trajnb.figures.style import COLOURS, MOTION_COLOURS, bare, look, panels

MARGIN = 7  # pixels around a frame, for futures that leave it
COLUMNS = 4  # confusion matrices side by side
GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # of a number over a line


def confusion(models, test):
    """Confusion matrices of {name: Predictions}: row the true class, column the predicted one, in clips."""
    motions, named = test.cfg.motions, {name: one for name, one in models.items() if one.prob_NK is not None}
    figure, axes = panels(-(-len(named) // COLUMNS), min(COLUMNS, len(named)), 2.7, 2.7, used=len(named))
    for number, (axis, (name, one)) in enumerate(zip(axes.flat, named.items(), strict=False)):
        counts = confusion_matrix(test.label_N, one.prob_NK.argmax(axis=1), labels=range(len(motions)))
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        sns.heatmap(share, annot=counts, fmt="d", cmap="Blues", vmin=0, vmax=1, cbar=False, square=True, ax=axis)
        axis.set(title=f"{verdict.name(name)}\ntop-1 {metrics.top1(one.prob_NK, test.label_N):.4f}", xlabel="predicted")
        axis.set_xticklabels(motions, rotation=45, ha="right")
        axis.set_yticklabels([] if number % COLUMNS else motions, rotation=0)
        axis.set_ylabel("" if number % COLUMNS else "true")
    return figure


def learning_speed(histories, chance):
    """Validation top-1 and ADE of every network {model: history} against clips seen and against seconds."""
    figure, axes = panels(2, 2, 3.6, 2.2, sharex="col", sharey="row")
    for name, history in histories.items():
        one = {"color": COLOURS.get(name, "0.5"), "label": verdict.name(name), "marker": "o", "markersize": 4}
        for column, x in zip(axes.T, (history["clips_seen"], history["seconds"].cumsum()), strict=True):
            column[0].plot(x, history["val_top1"], **one)
            column[1].plot(x, history["val_ade_px"], **one)
    for axis in axes[0]:
        axis.axhline(chance, color="0.4", linestyle=":", linewidth=1)
    axes[0, 0].set(ylabel="validation top-1", ylim=(0, 1.02))
    axes[1, 0].set(ylabel="validation ADE, px", xlabel="training clips seen", xlim=(0, None))
    axes[1, 1].set(xlabel="training, s", xlim=(0, None))
    axes[1, 0].set_ylim(0, 1.06 * axes[1, 0].dataLim.ymax)
    style.key(figure, axes[0, 0])
    return figure


def learning_curves(history, chance, constant_velocity_px):
    """Loss, top-1 and ADE after each epoch (pandas, one row an epoch), beside chance and constant velocity."""
    figure, axes = panels(1, 3, 3.1, 2.5)
    lines = {"loss, nats": {"train_loss": "training objective", "val_loss": "validation NLL"}}
    lines |= {"top-1": {"train_top1": "training (augmented)", "val_top1": "validation"}}
    lines |= {"ADE, px": {"val_ade_px": "validation"}}
    limits = {"top-1": ("chance", chance), "ADE, px": ("constant velocity", constant_velocity_px)}
    for axis, (title, columns) in zip(axes[0], lines.items(), strict=True):
        for column, label in columns.items():
            axis.plot(history["epoch"], history[column], "C1s-" if label.startswith("val") else "C0o-", label=label)
        if title in limits:
            label, level = limits[title]
            axis.axhline(level, color="0.4", linestyle=":", linewidth=1, label=label)
            axis.set_ylim(0, 1.02 if title == "top-1" else None)
        axis.set(title=title, xlabel="epoch")
        axis.legend(frameon=False)
        axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def futures(clips, models):
    """Clips in two columns: observed path, true future, and what each of {name: Predictions for these clips} predicts.

    Regions of 80 % are drawn of predictions that have a variance. Below a clip stands the class that each network
    names, its probability, and the mean distance from the true future.
    """
    figure, axes = panels(-(-len(clips) // 2), 2, 3.0, 3.4, used=len(clips))
    for row, (axis, video_TSS) in enumerate(zip(axes.flat, clips.render(range(len(clips))), strict=False)):
        draw_clip(axis, clips, models, row, video_TSS)
    looks = {"observed path": {"color": "0.2"}, "true future": {"color": "black", "marker": "x", "linestyle": ""}}
    looks |= {verdict.name(name): look(name) for name in models}
    handles = [Line2D([], [], label=label, **one) for label, one in looks.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def draw_clip(axis, clips, models, row, video_TSS):
    """One clip: all frames, added up, dark on light; observed path, true future, and each model's future and note."""
    cfg, label, uv_Fx2 = clips.cfg, clips.label_N[row], clips.track_NFx3[row, :, :2] * clips.cfg.size
    sum_SS, notes = video_TSS.max(axis=0).astype(float), []
    ground = np.median(sum_SS)
    axis.imshow(sum_SS, cmap="gray_r", vmin=ground - 10, vmax=2 * sum_SS.max() - ground, interpolation="nearest")
    axis.add_patch(Rectangle((-0.5, -0.5), cfg.size, cfg.size, fill=False, edgecolor="0.7", linewidth=0.8))
    axis.plot(*uv_Fx2[: cfg.frames].T, color="0.2", linewidth=1)
    for name, one in models.items():
        uv_Hx2 = np.concatenate([uv_Fx2[[cfg.frames - 1]], one.track_NHx3[row, :, :2] * cfg.size])
        axis.plot(*uv_Hx2.T, **look(name), linewidth=1, markersize=3.5, markevery=slice(1, None))
        if one.logvar_NHx3 is not None:
            size_Hx2 = 2 * half_axes(one.logvar_NHx3[row]) * cfg.size
            for centre, size in zip(uv_Hx2[1:], size_Hx2, strict=True):
                axis.add_patch(Ellipse(centre, *size, fill=False, edgecolor=look(name)["color"], linewidth=0.6))
        note = f"{metrics.error_px(one, clips)[row].mean():.1f} px off"
        if one.prob_NK is not None:
            k = one.prob_NK[row].argmax()
            note = f"{cfg.motions[k]}{'' if k == label else ' (wrong)'} {one.prob_NK[row, k]:.2f}, {note}"
        notes.append(f"{verdict.name(name)}: {note}")
    axis.plot(*uv_Fx2[cfg.frames :].T, "x", color="black", markersize=7, markeredgewidth=1.5)
    bare(axis)
    axis.set(xlim=(-MARGIN, cfg.size + MARGIN), ylim=(cfg.size + MARGIN, -MARGIN))
    axis.set_title(cfg.motions[label], color=MOTION_COLOURS[cfg.motions[label]])
    axis.set_xlabel("\n".join(notes), fontsize=8)


def standing(board, ade):
    """Accuracy above ADE of every network with 95 % intervals, beside chance, best control, constant velocity and the
    pixel oracle; `board`: the leaderboard, `ade` {model: (mean, low, high) in pixels}. Narrow enough for a phone."""
    rows = board.set_index("model")
    networks = rows[rows["kind"] == "network"].sort_values("test_top1", ascending=False)
    figure, axes = panels(2, 1, 6.0, 0.75 + 0.22 * len(networks))
    accuracy, error = axes[:, 0]
    top1, ade_px = rows["test_top1"], rows["ade_px"]
    control = top1[rows["kind"] == "control"].max()
    limits = {"chance": top1["chance"], "best control": control, "pixel oracle": top1["pixel_oracle"]}
    scores = networks[["test_top1", "test_top1_low", "test_top1_high"]].to_numpy()
    intervals(accuracy, dict(zip(networks.index, scores, strict=True)), ".3f", limits)
    limits = {"pixel oracle": ade_px["pixel_oracle"], "constant velocity": ade_px["constant_velocity"]}
    intervals(error, {model: ade[model] for model in networks.index}, ".2f", limits)
    accuracy.set(xlabel="test accuracy, 95 % interval (more is better)", xlim=(0, 1.08))
    error.set(xlabel="average displacement error (ADE), px, 95 % interval (less is better)", xlim=(0, None))
    return figure


def intervals(axis, scores, form, limits):
    """A row for each network {model: (mean, low, high)}: marker, interval as a line, and the mean as a number; and
    vertical lines of `limits` {label: value} between which networks are judged, every second label higher."""
    for row, (model, (mean, low, high)) in enumerate(scores.items()):
        axis.plot([low, high], [row, row], color=look(model)["color"], linewidth=3, solid_capstyle="butt")
        axis.plot(mean, row, **look(model), markersize=6)
        axis.annotate(f"{mean:{form}}", (high, row), (7, 0), textcoords="offset points", va="center", bbox=GROUND)
    axis.set_yticks(range(len(scores)), [verdict.name(model) for model in scores])
    axis.set(ylim=(len(scores) - 0.4, -0.6))
    axis.grid(axis="x", color="0.92")
    for number, (label, value) in enumerate(limits.items()):
        axis.axvline(value, color="0.35", linestyle="--" if "oracle" in label else ":", linewidth=1.2, zorder=0)
        height, across = 1.01 + 0.14 * (number % 2), axis.get_xaxis_transform()
        axis.text(value, height, label, transform=across, ha="center", va="bottom", fontsize=9)


def reliability(models, label_N):
    """Accuracy against confidence of {name: Predictions}, and clips per bin; the diagonal is perfect calibration."""
    figure, axes = panels(2, len(models), 3, 1.7, sharex=True, height_ratios=[2, 1])
    for (top, bottom), (name, one) in zip(axes.T, models.items(), strict=True):
        count, confidence, accuracy = metrics.reliability(one.prob_NK, label_N)
        top.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        top.plot(confidence, accuracy, "o-", color=COLOURS.get(name, "C0"), markersize=4)
        top.set(title=f"{verdict.name(name)}: ECE {metrics.ece(one.prob_NK, label_N):.4f}", ylabel="accuracy")
        bottom.stairs(count, np.linspace(0, 1, len(count) + 1), fill=True, color="0.7")
        bottom.set(yscale="log", xlabel="confidence", ylabel="clips")
    return figure
