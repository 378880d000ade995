"""How a training run went, and how good the networks are beside baselines and oracles."""

import numpy as np
import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from scipy.stats import chi2
from sklearn.metrics import confusion_matrix

from trajnb.evaluation import metrics, verdict
from trajnb.figures import style
from trajnb.figures.style import COLOURS, GREY, MOTION_COLOURS, frame_limits, panels

LINES = {  # label: how `draw_prediction` draws it
    "observed path": {"color": "deepskyblue"},
    "true future": {"color": "gold", "marker": "x", "linestyle": ""},
    "network, with 80 % regions": {"color": "orangered", "marker": "."},
    "constant velocity": {"color": "palegreen", "marker": "s", "markersize": 3, "linestyle": "--"},
}


def confusion(models, test, columns=4):
    """Confusion matrices of {name: Predictions}: row the true class, column the predicted one, in clips."""
    motions, named = test.cfg.motions, {name: one for name, one in models.items() if one.prob_NK is not None}
    figure, axes = panels(-(-len(named) // columns), min(columns, len(named)), 2.7, 2.7)
    for axis in axes.flat[len(named) :]:
        axis.axis("off")
    for number, (axis, (name, one)) in enumerate(zip(axes.flat, named.items(), strict=False)):
        counts = confusion_matrix(test.label_N, one.prob_NK.argmax(axis=1), labels=range(len(motions)))
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        sns.heatmap(share, annot=counts, fmt="d", cmap="Blues", vmin=0, vmax=1, cbar=False, square=True, ax=axis)
        axis.set(title=f"{verdict.name(name)}\ntop-1 {metrics.top1(one.prob_NK, test.label_N):.4f}", xlabel="predicted")
        axis.set_xticklabels(motions, rotation=45, ha="right")
        axis.set_yticklabels([] if number % columns else motions, rotation=0)
        axis.set_ylabel("" if number % columns else "true")
    return figure


def learning_speed(histories, chance):
    """Validation top-1 and ADE of every network {model: history} against clips seen and against seconds."""
    figure, axes = panels(2, 2, 3.6, 2.2, sharex="col", sharey="row")
    for name, history in histories.items():
        for column, x in zip(axes.T, (history["clips_seen"], history["seconds"].cumsum()), strict=True):
            for axis, score in zip(column, ("val_top1", "val_ade_px"), strict=True):
                axis.plot(
                    x, history[score], "o-", color=COLOURS.get(name, "0.5"), markersize=4, label=verdict.name(name)
                )
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
