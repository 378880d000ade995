"""What the clips look like, and whether anything but the motion tells the class."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection

from trajnb.figures.style import GREY, MOTION_COLOURS, bare, panels


def first_rows(clips, each):
    """Row numbers {motion: array} of the first `each` clips of every class."""
    return {name: np.flatnonzero(clips.label_N == k)[:each] for k, name in enumerate(clips.cfg.motions)}


def film_strips(clips, shown=8):
    """One clip of each class as a strip of frames; the last picture adds up all of them."""
    rows = first_rows(clips, 1)
    frames = np.linspace(0, clips.cfg.frames - 1, shown).round().astype(int)
    figure, axes = panels(len(rows), shown + 1, 1.15, 1.25)
    for number, (line, (motion, row)) in enumerate(zip(axes, rows.items(), strict=True)):
        video_TSS = clips.render(row)[0]
        for axis, frame in zip(line, frames, strict=False):
            axis.imshow(video_TSS[frame], **GREY)
            bare(axis, "" if number else f"frame {frame}")
        line[-1].imshow(video_TSS.max(axis=0), **GREY)
        bare(line[-1], "" if number else f"all {clips.cfg.frames}")
        line[0].set_ylabel(motion, color=MOTION_COLOURS[motion])
    return figure


def image_paths(clips, each=30):
    """Paths in the image: seen part solid, future part faint; the frame is the square."""
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
    """Paths in space, metres: seen part solid, future part faint. Depth runs to the right, height is up."""
    rows, cfg = first_rows(clips, each), clips.cfg
    figure, axes = panels(1, len(rows), 2.8, 2.9, subplot_kw={"projection": "3d"})
    for axis, (motion, numbers) in zip(axes[0], rows.items(), strict=True):
        for x_Fx3 in clips.xyz_NFx3[numbers]:
            seen, future = x_Fx3[: cfg.frames], x_Fx3[cfg.frames - 1 :]
            axis.plot(seen[:, 2], seen[:, 0], -seen[:, 1], color=MOTION_COLOURS[motion], linewidth=1)
            axis.plot(future[:, 2], future[:, 0], -future[:, 1], color="0.6", linewidth=0.7)
        axis.set_xlabel("z, m", labelpad=-6)
        axis.set_ylabel("x, m", labelpad=-4)
        axis.set_title(f"{motion}\nheight -y, m", color=MOTION_COLOURS[motion])
        axis.tick_params(labelsize=6, pad=-3)
        axis.locator_params(nbins=4)
    return figure


def class_balance(table, test):
    """Clips of each class in each split, as a share: bars of equal height mean balance."""
    counts = pd.concat([table, test]).groupby(["split", "motion"], observed=True).size().rename("clips").reset_index()
    counts["share"] = counts["clips"] / counts.groupby("split")["clips"].transform("sum")
    order = [name for name in ("train", "val", "holdout", "test") if name in set(counts["split"])]
    figure, axes = panels(1, 1, 6, 2.4)
    palette = {motion: colour for motion, colour in MOTION_COLOURS.items() if motion in set(counts["motion"])}
    bars = {"order": order, "hue_order": list(palette), "palette": palette}
    sns.barplot(counts, x="split", y="share", hue="motion", ax=axes[0, 0], **bars)
    axes[0, 0].axhline(1 / counts["motion"].nunique(), color="0.3", linestyle=":", linewidth=1)
    axes[0, 0].legend(frameon=False, ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.22))
    axes[0, 0].set_xlabel("")
    sns.despine(figure)
    return figure


def nuisances(frame, motion_N, top1, chance):
    """Distributions of what must not tell the class, a line per class: they should lie on one another."""
    figure, axes = panels(2, 4, 2.4, 1.8)
    for axis, name in zip(axes.flat, frame.columns, strict=False):
        edges = np.histogram_bin_edges(frame[name], bins=16)
        for motion in (name for name in MOTION_COLOURS if name in set(motion_N)):
            share, _ = np.histogram(frame[name][motion_N == motion], bins=edges, density=True)
            axis.stairs(share, edges, color=MOTION_COLOURS[motion], label=motion)
        axis.set(title=name, yticks=[])
    lines = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(*lines, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(0.6, 0.5))
    text = f"all seven together,\nboosted trees:\ntop-1 {top1:.3f}\nchance {chance:.3f}\nn {len(frame):,}"
    axes.flat[-1].text(0, 0.5, text, va="center")
    sns.despine(figure)
    return figure


def single_frames(top1_T, chance):
    """Top-1 of a classifier that sees place and size in one frame only, for each frame."""
    figure, axes = panels(1, 1, 6, 2)
    axes[0, 0].bar(np.arange(len(top1_T)), top1_T, color="0.6")
    axes[0, 0].axhline(chance, color="0.2", linestyle=":", linewidth=1)
    axes[0, 0].set(xlabel="frame", ylabel="top-1", ylim=(0, 1), title=f"one frame tells little (chance {chance:.2f})")
    sns.despine(figure)
    return figure
