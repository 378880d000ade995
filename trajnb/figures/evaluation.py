"""How a training run went, and how good the networks are beside baselines and oracles."""

import numpy as np
import seaborn as sns
from sklearn.metrics import confusion_matrix

from trajnb.evaluation import metrics
from trajnb.figures import style
from trajnb.figures.style import COLOURS, panels


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
        axis.set(title=f"{name}\ntop-1 {metrics.top1(one.prob_NK, test.label_N):.4f}", xlabel="predicted")
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
                axis.plot(x, history[score], "o-", color=COLOURS.get(name, "0.5"), markersize=4, label=name)
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
