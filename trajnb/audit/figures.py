"""How a split by class order makes numbers, in pictures."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Patch

from trajnb.figures.style import GREY, MOTION_COLOURS, bare, panels


def file_order(tables):
    """Every file as a thin line in the colour of its class, in order; a panel for each {title: recipe table}.

    Above the line stand the files that train, below it those that validate; others are left out.
    """
    figure, axes = panels(len(tables), 1, 8, 1.1)
    for axis, (title, table) in zip(axes[:, 0], tables.items(), strict=True):
        colour_Nx3 = np.array([MOTION_COLOURS[motion] for motion in table["motion"]])
        picture = np.ones((2, len(table), 3))
        for row, split in enumerate(("train", "val")):
            picture[row, table["split"] == split] = colour_Nx3[table["split"] == split]
        axis.imshow(picture, aspect="auto", interpolation="nearest", extent=(0, len(table), 2, 0))
        axis.set(yticks=[0.5, 1.5], yticklabels=["train", "validate"], title=title)
    axes[-1, 0].set_xlabel("file")
    there = pd.unique(pd.concat([table["motion"] for table in tables.values()]))
    handles = [Patch(color=colour, label=motion) for motion, colour in MOTION_COLOURS.items() if motion in there]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    return figure


def top1_by_epoch(top1, chance):
    """Validation top-1 as numbers: a row for each last class, a column for each epoch."""
    figure, axes = panels(1, 1, max(4.6, 1.8 + 0.62 * top1.shape[1]), 1.0 + 0.42 * len(top1))
    norm = TwoSlopeNorm(100 * chance, 0, 100)  # white is chance
    sns.heatmap(100 * top1, annot=True, fmt=".0f", ax=axes[0, 0], cbar=False, cmap="RdBu", norm=norm)
    axes[0, 0].set(xlabel="epochs trained", ylabel="last class", title="validation top-1, %, files in class order")
    axes[0, 0].tick_params(axis="y", rotation=0)
    return figure


def beside_the_report(parts, chance):
    """Validation top-1 of every network: as reported, in class order, on a split by recipe."""
    figure, axes = panels(1, 1, 7, 2.6)
    axis, networks = axes[0, 0], next(iter(parts.values())).index
    for number, (name, part) in enumerate(parts.items()):
        place = np.arange(len(networks)) + 0.27 * (number - 1)
        bars = axis.bar(place, 100 * part["val_top1"], 0.25, label=name, color=["0.75", "tab:red", "tab:blue"][number])
        axis.bar_label(bars, fmt="%.1f", fontsize=7)
    axis.axhline(100 * chance, color="0.3", linestyle=":", linewidth=1)
    axis.set(xticks=range(len(networks)), xticklabels=networks, ylabel="validation top-1, %", ylim=(0, 112))
    axis.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    sns.despine(figure)
    return figure


def old_target(clips, said):
    """One clip of each class: the path seen, the old target on it, where the object goes, what a network says.

    clips: with true futures; said: by a network that was taught the last seen position.
    """
    cfg = clips.cfg
    figure, axes = panels(1, len(cfg.motions), 2.2, 2.5)
    for k, (axis, motion) in enumerate(zip(axes[0], cfg.motions, strict=True)):
        row = int((clips.label_N == k).argmax())
        axis.imshow(clips.render([row])[0].max(axis=0), **GREY)
        uv_Fx2, said_Hx2 = (x[row, :, :2] * cfg.size for x in (clips.track_NFx3, said.track_NHx3))
        axis.plot(*uv_Fx2[: cfg.frames].T, color="deepskyblue", linewidth=1, label="seen")
        axis.plot(*uv_Fx2[cfg.frames :].T, "x", color="gold", label="where it goes")
        axis.plot(*uv_Fx2[cfg.frames - 1], "o", markerfacecolor="none", color="lime", markersize=9, label="old target")
        axis.plot(*said_Hx2.T, ".", color="orangered", label="network")
        bare(axis, motion)
        axis.set(xlim=(-12, cfg.size + 12), ylim=(cfg.size + 12, -12))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure
