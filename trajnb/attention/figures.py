"""Figures of 05_attention: maps over the clips themselves, and the scores of maps."""

import io

import ipywidgets as widgets
import matplotlib
import numpy as np
import PIL.Image
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
DASHES = {"slow": "--", "fast": ":", "time": "--", "space": ":"}  # of maps of one pathway or part of attention
OFFSET = 0.17  # rows between a method's name and its two kinds of clips
ENLARGED, FRAME_MS = 3, 120  # of an animation: screen pixels for one of the clip, time for a frame
PALETTE, QUIET = 64, 7  # of an animation: colours; median deviations from the background that count as noise


def blend(frame_SS, map_SS, top):
    """A grey frame (uint8) under a map, RGB in [0, 1]: the higher the map, the more of its colour."""
    share_SS1 = np.clip(map_SS / max(top, 1e-12), 0, 1)[..., None]
    grey_SS3 = np.repeat(frame_SS[..., None] / 255, 3, axis=2)
    return (1 - OPACITY * share_SS1) * grey_SS3 + OPACITY * share_SS1 * HEAT(share_SS1[..., 0])[..., :3]


def strips(clips, row, maps):
    """One clip as a film strip, then the same frames under each map {name: (T, S, S)}; a circle marks the object.

    Each map's colours reach up to its own maximum over all frames.
    """
    video_TSS = clips.render([row])[0]
    figure, axes = panels(1 + len(maps), SHOWN, 1.05, 1.1)
    for column, frame in zip(axes.T, np.linspace(0, len(video_TSS) - 1, SHOWN).round().astype(int), strict=True):
        bare(column[0], f"frame {frame}")
        column[0].imshow(video_TSS[frame], **GREY)
        for axis, map_TSS in zip(column[1:], maps.values(), strict=True):
            single_frame(axis, clips, row, map_TSS, frame)
    for axis, name in zip(axes[:, 0], ["clip", *maps], strict=True):
        axis.set_ylabel(name.replace("_", " "), fontsize=8)
    return figure


def single_frame(axis, clips, row, map_TSS, frame):
    """One frame of a clip under its map, with a thin circle around the object."""
    bare(axis)
    uv_NTx2, radius_NT = object_px(clips)
    axis.imshow(blend(clips.render([row])[0, frame], map_TSS[frame], map_TSS.max()))
    circle = {"fill": False, "edgecolor": "deepskyblue", "linewidth": 0.8}
    axis.add_patch(Circle(uv_NTx2[row, frame] - 0.5, radius_NT[row, frame] + 1.5, **circle))


def all_frames(axis, clips, row, map_TSS):
    """All frames of a clip under all of its map, up to the map's maximum, and the object's path in blue."""
    map_SS = map_TSS.max(axis=0)
    axis.imshow(blend(clips.render([row])[0].max(axis=0), map_SS, map_SS.max()))
    axis.plot(*(object_px(clips)[0][row].T - 0.5), color="deepskyblue", linewidth=0.8)
    if np.ptp(map_TSS) == 0:
        axis.text(0.5, 0.04, "constant map", ha="center", transform=axis.transAxes, color="white", fontsize=7)


def grid(clips, maps):
    """All frames of a clip under its map, a picture for each cell of a table.

    maps: {(line, column): (row of `clips`, map (T, S, S)), or None}. Lines are classes or queries of the head; those of
    a future frame (head_future_1, ...) are marked with a cross at the object's true position there.
    """
    lines, columns = (list(dict.fromkeys(key[k] for key in maps)) for k in (0, 1))
    figure, axes = panels(len(lines), len(columns), 1.5, 1.55)
    for (line, column), shown in maps.items():
        axis = axes[lines.index(line), columns.index(column)]
        bare(axis, column if line == lines[0] else "")
        if column == columns[0]:
            label = line.removeprefix("head_").replace("_", " ")
            axis.set_ylabel(label, fontsize=8, color=MOTION_COLOURS.get(line, "black"))
        if shown is None:
            axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes, color="0.5")
            continue
        all_frames(axis, clips, *shown)
        if line.startswith("head_future_"):
            frame = clips.cfg.frames - 1 + int(line.split("_")[-1])
            axis.plot(*(clips.cfg.size * clips.track_NFx3[shown[0], frame, :2] - 0.5), "x", color="lime", markersize=5)
            axis.set(xlim=(-0.5, clips.cfg.size - 0.5), ylim=(clips.cfg.size - 0.5, -0.5))
    return figure


def profiles(clips, sums):
    """Share of each network's map in each frame, mean by class, over the size of the object's acceleration in grey.

    sums: {model: sum (N, T) of each clip's map in each frame}.
    """
    motions, size = clips.cfg.motions, np.linalg.norm(np.diff(object_px(clips)[0], n=2, axis=1), axis=2)
    figure, axes = panels(1, len(motions), 2.4, 2.1, sharey=True)
    for k, (axis, motion) in enumerate(zip(axes[0], motions, strict=True)):
        right, rows = axis.twinx(), clips.label_N == k
        right.fill_between(range(1, size.shape[1] + 1), size[rows].mean(axis=0), color="0.88", linewidth=0)
        right.set(ylim=(0, 1.6 * max(size[clips.label_N == c].mean(axis=0).max() for c in set(clips.label_N))))
        axis.set_zorder(right.get_zorder() + 1)
        axis.patch.set_visible(False)
        for model, sum_NT in sums.items():
            share_NT = sum_NT / np.maximum(sum_NT.sum(axis=1, keepdims=True), 1e-30)
            axis.plot(share_NT[rows].mean(axis=0), color=MODEL_COLOURS[model], label=model)
        axis.axhline(1 / clips.cfg.frames, color="0.5", linestyle=":", linewidth=0.8)
        axis.set_xlabel("frame")
        axis.set_title(motion, color=MOTION_COLOURS[motion])
    axes[0, 0].set(ylabel="share of the map", ylim=(0, None))  # shared by all panels
    right.set_ylabel("acceleration, px / frame²", color="0.6", fontsize=7)
    return with_legend(figure, 4)


def with_legend(figure, columns):
    """The figure with one legend of all its lines below, each label once."""
    lines = {label: line for axis in figure.axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=columns, fontsize=7, frameon=False)
    sns.despine(figure)
    return figure


def pointing_game(board):
    """Pointing scores with 95 % intervals of all maps: plain clips hollow, decoy clips filled, control maps grey.

    A map that fails the parameter-randomisation test is crossed out.
    """
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
    kinds = list(dict.fromkeys(without_part(name) for name in methods if name not in CONTROLS))
    colours = dict(zip(kinds, sns.color_palette("colorblind", len(kinds)), strict=True))
    figure, axes = panels(1, len(models), 2.5, 2.9, sharey=True)
    for axis, model in zip(axes[0], models, strict=True):
        mine = correlations[(correlations["model"] == model) & correlations["against"].isin(steps)]
        means = mine.groupby(["method", "against"])["rank_correlation"].mean().unstack()[steps]
        for name in (name for name in methods if name in means.index):
            look = {"color": colours[without_part(name)], "linestyle": DASHES.get(name.split("_")[-1], "-")}
            axis.plot(
                [1, *means.loc[name]], marker="o", markersize=3, linewidth=1.2, label=name.replace("_", " "), **look
            )
        axis.axhspan(sanity.SIMILAR, 1.05, color="0.93", linewidth=0, zorder=0)
        axis.set(title=model, ylim=(-0.5, 1.05))
        axis.set_xticks(range(5), ["trained", *steps], rotation=40, ha="right")
    axes[0, 0].set_ylabel("rank correlation")
    return with_legend(figure, 5)


def without_part(method):
    """A map's name without its pathway or part of attention."""
    return "_".join(word for word in method.split("_") if word not in DASHES)


def probes(table):
    """Linear probes of the last two layers: top-1 and position error, each beside its control task (hollow).

    Dotted: top-1 of a probe of permuted labels on new clips, and the error of the mean position.
    """
    figure, axes = panels(1, 2, 3.6, 2.4)
    scores = {
        "top1": ("class, top-1", "chance_top1"),
        "error_px": ("last position, error in px", "mean_place_error_px"),
    }
    for axis, (score, (label, chance)) in zip(axes[0], scores.items(), strict=True):
        for model, part in table.groupby("model", sort=False):
            axis.plot(part["layer"], part[score], "o-", color=MODEL_COLOURS[model], label=model)
            hollow = {"color": MODEL_COLOURS[model], "markerfacecolor": "white"}
            axis.plot(part["layer"], part[f"control_{score}"], "o--", **hollow)
        axis.axhline(table[chance].mean(), color="0.5", linestyle=":", linewidth=0.8)
        axis.set(xlabel="layer", xlim=(-0.3, 1.3), ylabel=label, ylim=(0, 1.02 if score == "top1" else None))
    return with_legend(figure, 4)


def explorer(networks, clips, board, folder):
    """A clip under one map as a film strip, both to be chosen by a person; without one, a picture of the first choice.

    networks: {model: Explained}; board: the score table, which names each network's maps.
    """
    methods = board[~board["method"].isin(CONTROLS)].groupby("model", sort=False)["method"].unique()
    choices = {f"{model}: {name}": (model, name) for model in networks for name in methods[model]}

    def draw(clip, choice):
        model, name = choices[choice]
        return strips(clips, clip, {choice: study.maps_of(networks[model], clips.take([clip]), name)[0]})

    still = save(draw(0, next(iter(choices))), folder, "explorer")
    if not interactive():
        return still
    sliders = {"clip": (0, len(clips) - 1), "choice": list(choices)}
    return widgets.interactive(lambda clip, choice: display(Image(png(draw(clip, choice)))), **sliders)


def animation(clips, row, maps) -> bytes:
    """A looping GIF: the clip, and beside it the clip under each map {name: (T, S, S)}.

    Without sensor noise, which a GIF cannot compress: whatever is as dark as the background is shown as its median.
    """
    video_TSS = clips.render([row])[0]
    background = np.median(video_TSS)
    noise = np.abs(video_TSS - background) <= QUIET * np.median(np.abs(video_TSS - background))
    frames, zeros_TSS = [], np.zeros_like(video_TSS)
    for frame, picture_SS in enumerate(np.where(noise, background, video_TSS)):
        panels_SS3 = [blend(picture_SS, x[frame], x.max()) for x in (zeros_TSS, *maps.values())]
        wide = np.concatenate(panels_SS3, axis=1).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
        picture = PIL.Image.fromarray((255 * wide).round().astype(np.uint8))
        frames.append(picture.quantize(PALETTE, PIL.Image.Quantize.FASTOCTREE, dither=PIL.Image.Dither.NONE))
    gif = io.BytesIO()
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)
    return gif.getvalue()
