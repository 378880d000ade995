"""How a split by class order makes numbers, in pictures."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Patch

from trajnb.figures.style import GREY, MOTION_COLOURS, bare, panels


def file_order(tables):
    """Every file in order, a line in the colour of its class, training above validation; a panel for each table."""
    figure, axes = panels(len(tables), 1, 8, 1.1)
    for axis, (title, table) in zip(axes[:, 0], tables.items(), strict=True):
        colour_Nx3 = np.array([MOTION_COLOURS[motion] for motion in table["motion"]])
        rows = [(table["split"] == split).to_numpy()[:, None] for split in ("train", "val")]
        picture = np.array([np.where(row_N1, colour_Nx3, 1.0) for row_N1 in rows])
        axis.imshow(picture, aspect="auto", interpolation="nearest", extent=(0, len(table), 2, 0))
        axis.set(yticks=[0.5, 1.5], yticklabels=["train", "validation"], title=title)
    axes[-1, 0].set_xlabel("file")
    motions = pd.unique(pd.concat([table["motion"] for table in tables.values()]))
    handles = [Patch(color=MOTION_COLOURS[motion], label=motion) for motion in motions]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    return figure


def top1_by_epoch(top1, chance):
    """Validation top-1 as numbers: a row for each last class, a column for each epoch."""
    figure, axes = panels(1, 1, max(4.6, 1.8 + 0.62 * top1.shape[1]), 1.0 + 0.42 * len(top1))
    norm = TwoSlopeNorm(100 * chance, 0, 100)  # white is chance
    sns.heatmap(100 * top1, annot=True, fmt=".0f", ax=axes[0, 0], cbar=False, cmap="RdBu", norm=norm)
    axes[0, 0].set(xlabel="epoch", ylabel="last class", title="validation top-1, %, files in class order")
    axes[0, 0].tick_params(axis="y", rotation=0)
    return figure


def beside_the_report(parts, chance):
    """Validation top-1 of every network: as reported, in class order, split by recipe; the dotted line is chance."""
    figure, axes = panels(1, 1, 7, 2.6)
    top1 = 100 * pd.DataFrame({name: part["val_top1"] for name, part in parts.items()})
    axis = top1.plot.bar(ax=axes[0, 0], rot=0, width=0.8, color=["0.75", "tab:red", "tab:blue"])
    for bars in axis.containers:
        axis.bar_label(bars, fmt="%.1f", fontsize=7)
    axis.axhline(100 * chance, color="0.3", linestyle=":", linewidth=1)
    axis.set(xlabel="", ylabel="validation top-1, %", ylim=(0, 112))
    axis.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    sns.despine(figure)
    return figure


def old_target(clips, predictions):
    """A clip of each class: observed path, old target, true future, predictions of a network trained on the old one."""
    cfg = clips.cfg
    figure, axes = panels(1, len(cfg.motions), 2.2, 2.5)
    for k, (axis, motion) in enumerate(zip(axes[0], cfg.motions, strict=True)):
        row = int((clips.label_N == k).argmax())
        axis.imshow(clips.render([row])[0].max(axis=0), **GREY)
        uv_Fx2, predicted_Hx2 = (x[row, :, :2] * cfg.size for x in (clips.track_NFx3, predictions.track_NHx3))
        axis.plot(*uv_Fx2[: cfg.frames].T, color="deepskyblue", linewidth=1, label="observed")
        axis.plot(*uv_Fx2[cfg.frames :].T, "x", color="gold", label="true future")
        axis.plot(*uv_Fx2[cfg.frames - 1], "o", markerfacecolor="none", color="lime", markersize=9, label="old target")
        axis.plot(*predicted_Hx2.T, ".", color="orangered", label="network")
        bare(axis, motion)
        axis.set(xlim=(-12, cfg.size + 12), ylim=(cfg.size + 12, -12))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure
