"""How a split by class order makes numbers, in pictures."""

import numpy as np

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
    for motion in table["motion"].unique():
        axes[-1, 0].plot([], color=MOTION_COLOURS[motion], label=motion)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
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
