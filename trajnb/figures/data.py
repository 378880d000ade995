"""The clips and their paths, and whether anything but the motion tells the class."""

import numpy as np
from matplotlib.collections import LineCollection

from trajnb.figures.style import GREY, MOTION_COLOURS, bare, panels

STRIP = 8  # frames in a strip
GAP = 3  # white pixels between two of them
NUISANCES = {"place_u": "place u, px", "place_v": "place v, px", "size": "radius, px", "extent": "extent, px"}


def first_rows(clips, each):
    """Row numbers {motion: array} of the first `each` clips of every class."""
    return {name: np.flatnonzero(clips.label_N == k)[:each] for k, name in enumerate(clips.cfg.motions)}


def film_strips(clips):
    """One clip of each class as a strip of frames; the last picture is the brightest value of every pixel."""
    rows = first_rows(clips, 1)
    figure, axes = panels(len(rows), 1, 9.5, 1.25)
    for axis, (motion, row) in zip(axes[:, 0], rows.items(), strict=True):
        draw_strip(axis, clips.render(row)[0])
        axis.set_ylabel(motion, color=MOTION_COLOURS[motion])
    return figure


def draw_strip(axis, video_TSS):
    """Eight numbered frames in a row, and the brightest value of every pixel in all of them."""
    frames, size = np.linspace(0, len(video_TSS) - 1, STRIP).round().astype(int), video_TSS.shape[-1]
    pictures = [*video_TSS[frames], video_TSS.max(axis=0)]
    axis.imshow(np.hstack([np.pad(one, ((0, 0), (0, GAP)), constant_values=255) for one in pictures]), **GREY)
    bare(axis)
    labels = [*(f"frame {frame}" for frame in frames), f"all {len(video_TSS)}"]
    axis.set_xticks(np.arange(len(labels)) * (size + GAP) + size / 2, labels)
    axis.tick_params(length=0, labelsize=8, labeltop=True, labelbottom=False, top=False, bottom=False)


def image_paths(clips):
    """Paths of 30 clips of each class: observed part in colour, future part grey; the frame is the square."""
    rows, cfg = first_rows(clips, 30), clips.cfg
    figure, axes = panels(1, len(rows), 2.6, 2.8)
    for axis, (motion, numbers) in zip(axes[0], rows.items(), strict=True):
        uv_NFx2, colour = clips.track_NFx3[numbers, :, :2] * cfg.size, MOTION_COLOURS[motion]
        axis.add_collection(LineCollection(uv_NFx2[:, : cfg.frames], colors=[colour], linewidths=1.1, alpha=0.8))
        axis.add_collection(LineCollection(uv_NFx2[:, cfg.frames - 1 :], colors=["0.45"], linewidths=0.8, alpha=0.6))
        axis.plot([0, cfg.size, cfg.size, 0, 0], [0, 0, cfg.size, cfg.size, 0], color="0.2", linewidth=0.8)
        axis.set(xlim=(-12, cfg.size + 12), ylim=(cfg.size + 12, -12), aspect="equal", xlabel="u, px")
        axis.set_title(motion, color=colour)
    axes[0, 0].set_ylabel("v, px (down)")
    return figure


def nuisances(table, motion_N, top1, chance):
    """Distributions of what must not tell the class, a line per class: they should coincide."""
    figure, axes = panels(2, 4, 2.4, 1.8)
    figure.get_layout_engine().set(wspace=0.08)
    for axis, name in zip(axes.flat, table.columns, strict=False):
        edges = np.histogram_bin_edges(table[name], bins=16)
        for motion in (name for name in MOTION_COLOURS if name in set(motion_N)):
            density, _ = np.histogram(table[name][motion_N == motion], bins=edges, density=True)
            axis.stairs(density, edges, color=MOTION_COLOURS[motion], label=motion)
        axis.set(title=NUISANCES.get(name, name), yticks=[])
        axis.locator_params(axis="x", nbins=4)
    lines, last = axes.flat[0].get_legend_handles_labels(), axes.flat[-1]
    last.axis("off")
    last.legend(*lines, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(0.6, 0.5))
    last.text(0, 0.5, f"boosted trees on all:\ntop-1 {top1:.3f}\nchance {chance:.3f}\nn {len(table):,}", va="center")
    return figure
