"""Figures of 05_attention: maps over the clips themselves, and the scores of maps."""

import matplotlib
import numpy as np
from matplotlib.patches import Circle

from trajnb.attention.clips import object_px
from trajnb.attention.maps import CONTROLS
from trajnb.evaluation import verdict
from trajnb.figures.style import MODEL_COLOURS, bare, panels

HEAT = matplotlib.colormaps["inferno"]
OPACITY = 0.75  # of a map's highest value
SHOWN = 6  # frames in a strip
OFFSET = 0.17  # rows between a method's name and its two kinds of clips


def blend(frame_SS, map_SS, top):
    """A grey frame (uint8) under a map, RGB in [0, 1]: the higher the map, the more of its colour."""
    share_SS1 = np.clip(map_SS / max(top, 1e-12), 0, 1)[..., None]
    grey_SS3 = np.repeat(frame_SS[..., None] / 255, 3, axis=2)
    return (1 - OPACITY * share_SS1) * grey_SS3 + OPACITY * share_SS1 * HEAT(share_SS1[..., 0])[..., :3]


def strips(clips, row, maps):
    """A clip under maps {name: (T, S, S)}, a row each, up to their maximum: some frames, and all; blue: the object."""
    video_TSS, (uv_Tx2, radius_T) = clips.render([row])[0], (x[row] for x in object_px(clips))
    frames = np.linspace(0, len(video_TSS) - 1, SHOWN).round().astype(int)
    figure, axes = panels(len(maps), SHOWN + 1, 0.95, 0.95)
    for k, (name, map_TSS) in enumerate(maps.items()):
        for axis, frame in zip(axes[k], frames, strict=False):
            bare(axis, f"frame {frame}" if k == 0 else "")
            axis.imshow(blend(video_TSS[frame], map_TSS[frame], map_TSS.max()))
            axis.add_patch(Circle(uv_Tx2[frame] - 0.5, radius_T[frame] + 1.5, fill=False, edgecolor="deepskyblue"))
        bare(axes[k, -1], "all" if k == 0 else "")
        axes[k, -1].imshow(blend(video_TSS.max(axis=0), map_TSS.max(axis=0), map_TSS.max()))
        axes[k, -1].plot(*(uv_Tx2.T - 0.5), color="deepskyblue", linewidth=0.8)
        axes[k, 0].set_ylabel(name.replace("_", " "), fontsize=8, rotation=0, ha="right", va="center")
    return figure


def pointing_game(board):
    """Pointing scores with 95 % intervals of all maps, plain clips hollow, decoy clips filled, control maps grey; a map
    that fails the parameter-randomisation test is crossed out."""
    models = board["model"].unique()
    figure, axes = panels(1, len(models), 2.9, 0.9 + 0.2 * board.groupby("model")["method"].nunique().max())
    for axis, model in zip(axes[0], models, strict=True):
        for kind, offset in {"plain": -OFFSET, "decoy": OFFSET}.items():
            part = board[(board["model"] == model) & (board["clips"] == kind)]
            control, y = part["method"].isin(CONTROLS), np.arange(len(part)) + offset
            colours = np.where(control, "0.5", MODEL_COLOURS.get(model, "C0"))
            axis.hlines(y, part["pointing_game_low"], part["pointing_game_high"], colours, linewidth=1, alpha=0.6)
            faces = colours if kind == "decoy" else "white"
            axis.scatter(part["pointing_game"], y, 25, faces, edgecolors=colours, zorder=2)
            failed = ~control & ~part["passes_randomisation"].astype(bool)
            axis.plot(part["pointing_game"][failed], y[failed], "x", color="black", markersize=8)
        axis.set(title=verdict.name(model), xlim=(-0.03, 1.03), ylim=(len(part) - 0.5, -0.5), xlabel="pointing game")
        axis.set_yticks(range(len(part)), part["method"].str.replace("_", " "), fontsize=7)
        axis.grid(axis="x", color="0.9")
    return figure
