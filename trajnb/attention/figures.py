"""Figures of 05_attention: maps over the clips themselves, and the scores of maps."""

import ipywidgets as widgets
import matplotlib
import numpy as np
import seaborn as sns
from IPython.display import Image, display
from matplotlib.patches import Circle

from trajnb.attention import sanity, study
from trajnb.attention.clips import object_px
from trajnb.attention.maps import CONTROLS
from trajnb.figures.style import GREY, MODEL_COLOURS, MOTION_COLOURS, bare, panels, png, save
from trajnb.progress import interactive

HEAT = matplotlib.colormaps["inferno"]
OPACITY = 0.75  # of a map's highest value
SHOWN = 8  # frames in a strip
OFFSET = 0.17  # rows between a method's name and its two kinds of clips


def blend(frame_SS, map_SS, top):
    """A grey frame (uint8) under a map, RGB in [0, 1]: the higher the map, the more of its colour."""
    share_SS1 = np.clip(map_SS / max(top, 1e-12), 0, 1)[..., None]
    grey_SS3 = np.repeat(frame_SS[..., None] / 255, 3, axis=2)
    return (1 - OPACITY * share_SS1) * grey_SS3 + OPACITY * share_SS1 * HEAT(share_SS1[..., 0])[..., :3]


def strips(clips, row, name, map_TSS):
    """A clip as a film strip, and the same frames under a map (T, S, S) up to its maximum; circles: the object."""
    video_TSS, (uv_NTx2, radius_NT) = clips.render([row])[0], object_px(clips)
    figure, axes = panels(2, SHOWN, 1.2, 1.15)
    for (clip, under), frame in zip(axes.T, np.linspace(0, len(video_TSS) - 1, SHOWN).round().astype(int), strict=True):
        bare(clip, f"frame {frame}")
        bare(under)
        clip.imshow(video_TSS[frame], **GREY)
        under.imshow(blend(video_TSS[frame], map_TSS[frame], map_TSS.max()))
        circle = {"fill": False, "edgecolor": "deepskyblue", "linewidth": 0.8}
        under.add_patch(Circle(uv_NTx2[row, frame] - 0.5, radius_NT[row, frame] + 1.5, **circle))
    for axis, label in zip(axes[:, 0], ("clip", name), strict=True):
        axis.set_ylabel(label.replace(": ", ":\n").replace("_", " "), fontsize=8, rotation=0, ha="right", va="center")
    return figure


def grid(clips, maps):
    """All frames of a clip under all of its map, up to its maximum, a picture for each class and model; blue: the path.

    maps: {(motion, model): (row of `clips`, map (T, S, S)), or None}.
    """
    motions, models = (list(dict.fromkeys(key[k] for key in maps)) for k in (0, 1))
    figure, axes = panels(len(motions), len(models), 1.5, 1.55)
    for axis, ((motion, model), shown) in zip(axes.flat, maps.items(), strict=True):
        bare(axis, model if motion == motions[0] else "")
        if model == models[0]:
            axis.set_ylabel(motion, fontsize=8, color=MOTION_COLOURS[motion])
        if shown is None:
            axis.set(box_aspect=1, facecolor="0.9")
            axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes, color="0.5")
            continue
        row, map_TSS = shown
        axis.imshow(blend(clips.render([row])[0].max(axis=0), map_TSS.max(axis=0), map_TSS.max()))
        axis.plot(*(object_px(clips)[0][row].T - 0.5), color="deepskyblue", linewidth=0.8)
        if np.ptp(map_TSS) == 0:
            axis.text(0.5, 0.04, "constant map", ha="center", transform=axis.transAxes, color="white", fontsize=7)
    return figure


def pointing_game(board):
    """Pointing scores with 95 % intervals of all maps, plain clips hollow, decoy clips filled, control maps grey; a map
    that fails the parameter-randomisation test is crossed out."""
    models = board["model"].unique()
    figure, axes = panels(1, len(models), 2.9, 0.9 + 0.2 * board.groupby("model")["method"].nunique().max())
    for axis, model in zip(axes[0], models, strict=True):
        mine = board[board["model"] == model]
        names = list(dict.fromkeys(mine["method"]))
        for row in mine.itertuples():
            y = names.index(row.method) + (OFFSET if row.clips == "decoy" else -OFFSET)
            colour = "0.5" if row.method in CONTROLS else MODEL_COLOURS[model]
            face = colour if row.clips == "decoy" else "white"
            axis.plot([row.pointing_game_low, row.pointing_game_high], [y, y], color=colour, linewidth=1, alpha=0.6)
            axis.plot(row.pointing_game, y, "o", color=colour, markerfacecolor=face, markersize=5)
            if row.method not in CONTROLS and not row.passes_randomisation:
                axis.plot(row.pointing_game, y, "x", color="black", markersize=8, markeredgewidth=1)
        axis.set(title=model, xlim=(-0.03, 1.03), ylim=(len(names) - 0.5, -0.5), xlabel="pointing game")
        axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=7)
        axis.grid(axis="x", color="0.9")
    sns.despine(figure)
    return figure


def randomisation(correlations, methods):
    """Rank correlation with the trained network's maps as weights become random from the logits down."""
    models, steps = correlations["model"].unique(), list(sanity.RANDOMISED)
    colours = dict(zip(methods, sns.color_palette("colorblind", len(methods)), strict=True))
    figure, axes = panels(1, len(models), 2.5, 2.9, sharey=True)
    for axis, model in zip(axes[0], models, strict=True):
        mine = correlations[(correlations["model"] == model) & correlations["against"].isin(steps)]
        means = mine.groupby(["method", "against"])["rank_correlation"].mean().unstack()[steps]
        for name in means.index.intersection(methods, sort=False):
            look = {"marker": "o", "markersize": 3, "color": colours[name], "label": name.replace("_", " ")}
            axis.plot([1, *means.loc[name]], linewidth=1.2, **look)
        axis.axhspan(sanity.SIMILAR, 1.05, color="0.93", linewidth=0, zorder=0)
        axis.set(title=model, ylim=(-0.5, 1.05))
        axis.set_xticks(range(5), ["trained", *steps], rotation=40, ha="right")
    axes[0, 0].set_ylabel("rank correlation")
    lines = {line.get_label(): line for axis in axes[0] for line in axis.lines}
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    sns.despine(figure)
    return figure


def explorer(networks, clips, board, folder):
    """A clip under a map of the score table, a person's choice for networks {model: Explained}; else the first one."""
    methods = board[~board["method"].isin(CONTROLS)].groupby("model", sort=False)["method"].unique()
    choices = {f"{model}: {name}": (model, name) for model in networks for name in methods[model]}

    def draw(clip, choice):
        model, name = choices[choice]
        return strips(clips, clip, choice, study.maps_of(networks[model], clips.take([clip]), name)[0])

    still = save(draw(0, next(iter(choices))), folder, "explorer")
    if not interactive():
        return still
    sliders = {"clip": (0, len(clips) - 1), "choice": list(choices)}
    return widgets.interactive(lambda clip, choice: display(Image(png(draw(clip, choice)))), **sliders)
