"""The clips and their paths, and whether anything but the motion tells the class."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection

from trajnb.figures.style import GREY, MOTION_COLOURS, bare, panels


def first_rows(clips, each):
    """Row numbers {motion: array} of the first `each` clips of every class."""
    return {name: np.flatnonzero(clips.label_N == k)[:each] for k, name in enumerate(clips.cfg.motions)}


def film_strips(clips, columns=8):
    """One clip of each class as a strip of frames; the last picture is the brightest value of every pixel."""
    rows = first_rows(clips, 1)
    frames = np.linspace(0, clips.cfg.frames - 1, columns).round().astype(int)
    figure, axes = panels(len(rows), columns + 1, 1.15, 1.25)
    for number, (line, (motion, row)) in enumerate(zip(axes, rows.items(), strict=True)):
        video_TSS = clips.render(row)[0]
        pictures = {f"frame {frame}": video_TSS[frame] for frame in frames}
        pictures[f"all {clips.cfg.frames}"] = video_TSS.max(axis=0)
        for axis, (title, picture_SS) in zip(line, pictures.items(), strict=True):
            axis.imshow(picture_SS, **GREY)
            bare(axis, "" if number else title)
        line[0].set_ylabel(motion, color=MOTION_COLOURS[motion])
    return figure


def image_paths(clips, each=30):
    """Paths in the image: observed part in colour, future part grey; the frame is the square."""
    rows, cfg = first_rows(clips, each), clips.cfg
    figure, axes = panels(1, len(rows), 2.6, 2.8)
    for axis, (motion, numbers) in zip(axes[0], rows.items(), strict=True):
        uv_NFx2 = clips.track_NFx3[numbers, :, :2] * cfg.size
        colour = MOTION_COLOURS[motion]
        axis.add_collection(LineCollection(uv_NFx2[:, : cfg.frames], colors=[colour], linewidths=1.1, alpha=0.8))
        axis.add_collection(LineCollection(uv_NFx2[:, cfg.frames - 1 :], colors=["0.45"], linewidths=0.8, alpha=0.6))
        axis.plot([0, cfg.size, cfg.size, 0, 0], [0, 0, cfg.size, cfg.size, 0], color="0.2", linewidth=0.8)
        axis.set(xlim=(-12, cfg.size + 12), ylim=(cfg.size + 12, -12), aspect="equal", xlabel="u, px")
        axis.set_title(motion, color=colour)
    axes[0, 0].set_ylabel("v, px (down)")
    return figure


def world_paths(clips, each=12):
    """Paths in space: observed part in colour, future part grey. Depth runs to the right, height is up."""
    rows, cfg = first_rows(clips, each), clips.cfg
    figure, axes = panels(1, len(rows), 2.8, 2.9, subplot_kw={"projection": "3d"})
    for axis, (motion, numbers) in zip(axes[0], rows.items(), strict=True):
        for x_Fx3 in clips.xyz_NFx3[numbers]:
            for part, look in (
                (x_Fx3[: cfg.frames], {"color": MOTION_COLOURS[motion], "linewidth": 1}),
                (x_Fx3[cfg.frames - 1 :], {"color": "0.6", "linewidth": 0.7}),
            ):
                axis.plot(part[:, 2], part[:, 0], -part[:, 1], **look)
        axis.set_xlabel("z, m", labelpad=-6)
        axis.set_ylabel("x, m", labelpad=-4)
        axis.set_title(f"{motion}\nheight -y, m", color=MOTION_COLOURS[motion])
        axis.tick_params(labelsize=6, pad=-3)
        axis.locator_params(nbins=4)
    return figure


def class_balance(table, test):
    """Share of each class in each split: bars of equal height mean balance."""
    counts = pd.concat([table, test]).groupby(["split", "motion"], observed=True).size().rename("clips").reset_index()
    counts["share"] = counts["clips"] / counts.groupby("split")["clips"].transform("sum")
    figure, axes = panels(1, 1, 6, 2.4)
    motions = [motion for motion in MOTION_COLOURS if motion in set(counts["motion"])]
    bars = {"order": pd.concat([table, test])["split"].unique(), "hue_order": motions, "palette": MOTION_COLOURS}
    sns.barplot(counts, x="split", y="share", hue="motion", ax=axes[0, 0], **bars)
    axes[0, 0].axhline(1 / len(motions), color="0.3", linestyle=":", linewidth=1)
    axes[0, 0].legend(frameon=False, ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.22))
    axes[0, 0].set(xlabel="split", ylabel="share of the clips")
    sns.despine(figure)
    return figure


def nuisances(table, motion_N, top1, chance):
    """Distributions of what must not tell the class, a line per class: they should coincide."""
    figure, axes = panels(2, 4, 2.4, 1.8)
    for axis, name in zip(axes.flat, table.columns, strict=False):
        edges = np.histogram_bin_edges(table[name], bins=16)
        for motion in (name for name in MOTION_COLOURS if name in set(motion_N)):
            density, _ = np.histogram(table[name][motion_N == motion], bins=edges, density=True)
            axis.stairs(density, edges, color=MOTION_COLOURS[motion], label=motion)
        axis.set(title=name, yticks=[])
    lines = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(*lines, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(0.6, 0.5))
    text = f"boosted trees on all:\ntop-1 {top1:.3f}\nchance {chance:.3f}\nn {len(table):,}"
    axes.flat[-1].text(0, 0.5, text, va="center")
    sns.despine(figure)
    return figure


def single_frames(top1_T, chance):
    """Top-1 of a classifier on place and size in one frame only, for each frame."""
    figure, axes = panels(1, 1, 6, 2)
    axes[0, 0].bar(np.arange(len(top1_T)), top1_T, color="0.6")
    axes[0, 0].axhline(chance, color="0.2", linestyle=":", linewidth=1)
    axes[0, 0].set(xlabel="frame", ylabel="top-1", ylim=(0, 1), title=f"trees on a single frame (chance {chance:.2f})")
    sns.despine(figure)
    return figure
