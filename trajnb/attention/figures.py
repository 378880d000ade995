"""What networks look at, over the clips themselves, and what such maps are worth."""

import io

import matplotlib
import numpy as np
import PIL.Image
import seaborn as sns
from matplotlib.patches import Circle

from trajnb.attention import clips as asked
from trajnb.attention import sanity
from trajnb.attention.table import CONTROLS, passes
from trajnb.figures.style import MODEL_COLOURS, GREY, MOTION_COLOURS, bare, headline, panels

HEAT = matplotlib.colormaps["inferno"]
STRONG = 0.75  # opacity of a map's highest value
SHOWN = 8  # frames in a strip
DASHES = {"slow": "--", "fast": ":", "time": "--", "space": ":"}  # of maps of a part, in their kind's colour
APART = 0.17  # rows between plain clips and a method's name, and between that and clips with a decoy
ENLARGED, FRAME_MS = 3, 120  # of an animation: pixels for one, time for a frame
COLOURS, QUIET = 64, 7  # its palette; median deviations from the background that count as noise


def blend(frame_SS, map_SS, top):
    """A grey frame (uint8) with a map over it, RGB in [0, 1]: the higher the map, the more of its colour."""
    share_SS = np.clip(map_SS / max(top, 1e-12), 0, 1)[..., None]
    grey_SS3 = np.repeat(frame_SS[..., None] / 255, 3, axis=2)
    return (1 - STRONG * share_SS) * grey_SS3 + STRONG * share_SS * HEAT(share_SS[..., 0])[..., :3]


def strips(clips, row, maps):
    """One clip as a film strip, then the same frames under each map {name: (T, S, S)}; a circle marks the object.

    Each map's colours reach up to its own maximum over all frames.
    """
    video_TSS, (uv_NTx2, radius_NT) = clips.render([row])[0], asked.object_px(clips)
    frames = np.linspace(0, len(video_TSS) - 1, SHOWN).round().astype(int)
    figure, axes = panels(1 + len(maps), SHOWN, 1.05, 1.1)
    for column, frame in enumerate(frames):
        axes[0, column].imshow(video_TSS[frame], **GREY)
        for line, map_TSS in zip(axes[1:], maps.values(), strict=True):
            line[column].imshow(blend(video_TSS[frame], map_TSS[frame], map_TSS.max()))
            mark(line[column], uv_NTx2[row, frame], radius_NT[row, frame])
        for line in axes:
            bare(line[column])
        axes[0, column].set_title(f"frame {frame}")
    for line, name in zip(axes, ["clip", *maps], strict=True):
        line[0].set_ylabel(name.replace("_", " "), fontsize=8)
    return figure


def queries(clips, row, maps):
    """One clip, all frames, under the map of each query (rows) of each network's head (columns); the seen path in blue.

    maps: {model: {query: (T, S, S)}}, the class first, then the future frames in their order. A cross marks where the
    object will be in the frame that a query is about.
    """
    names = list(next(iter(maps.values())))
    future_Hx2 = clips.cfg.size * clips.track_NFx3[row, clips.cfg.frames :, :2]
    figure, axes = panels(len(names), len(maps), 1.45, 1.5)
    for column, (model, found) in enumerate(maps.items()):
        for step, (axis, name) in enumerate(zip(axes[:, column], names, strict=True)):
            bare(axis, "" if step else model)
            overlay(axis, clips, row, found[name])
            if step:
                axis.plot(*(future_Hx2[step - 1] - 0.5), "x", color="lime", markersize=5)
                axis.set(xlim=(-0.5, clips.cfg.size - 0.5), ylim=(clips.cfg.size - 0.5, -0.5))
    for axis, name in zip(axes[:, 0], names, strict=True):
        axis.set_ylabel(name.removeprefix("head_").replace("_", " "), fontsize=8)
    return figure


def overlay(axis, clips, row, map_TSS):
    """All frames of a clip under all of a map, as bright as its own maximum; a level map is named, having no place."""
    map_SS = map_TSS.max(axis=0)
    axis.imshow(blend(clips.render([row])[0].max(axis=0), map_SS, map_SS.max()))
    axis.plot(*(asked.object_px(clips)[0][row].T - 0.5), color="deepskyblue", linewidth=0.8)
    if np.ptp(map_TSS) == 0:
        axis.text(0.5, 0.04, "level map", ha="center", transform=axis.transAxes, color="white", fontsize=7)


def mark(axis, uv_2, radius):
    """A thin circle around the object."""
    axis.add_patch(Circle(uv_2 - 0.5, radius + 1.5, fill=False, edgecolor="deepskyblue", linewidth=0.8))


def multiples(clips, chosen, maps, method):
    """A picture for each class (rows) and network (columns): all frames and all of the map, the seen path in blue.

    Each picture's colours reach up to its own map's maximum.

    chosen: {(model, motion): row of `clips`, or None}; maps: {(model, motion): (T, S, S)} for those with a row.
    """
    models = list(dict.fromkeys(model for model, _ in chosen))
    figure, axes = panels(len(clips.cfg.motions), len(models), 1.55, 1.6)
    for line, motion in zip(axes, clips.cfg.motions, strict=True):
        for axis, model in zip(line, models, strict=True):
            bare(axis, model if motion == clips.cfg.motions[0] else "")
            row = chosen[model, motion]
            if row is None:
                axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes, color="0.5")
                continue
            overlay(axis, clips, row, maps[model, motion])
        line[0].set_ylabel(motion, color=MOTION_COLOURS[motion])
    headline(figure, method.replace("_", " "))
    return figure


def profiles(acceleration, shares):
    """Where in time a map lies, for each class: mean share of its sum in each frame; size of the acceleration in grey.

    acceleration: {motion: (T,)} in px a frame squared, NaN at both ends; shares: {model: {motion: (T,)}}.
    """
    figure, axes = panels(1, len(acceleration), 2.5, 2.2, sharey=True)
    for axis, (motion, acceleration_T) in zip(axes[0], acceleration.items(), strict=True):
        other = axis.twinx()
        other.fill_between(range(len(acceleration_T)), acceleration_T, color="0.88", linewidth=0)
        other.set(ylim=(0, 1.6 * np.nanmax([np.nanmax(x) for x in acceleration.values()])))
        axis.set_zorder(other.get_zorder() + 1)
        axis.patch.set_visible(False)
        for model, found in shares.items():
            axis.plot(found[motion], color=MODEL_COLOURS[model], label=model)
        axis.axhline(1 / len(acceleration_T), color="0.5", linestyle=":", linewidth=0.8)
        axis.set_xlabel("frame")
        axis.set_title(motion, color=MOTION_COLOURS[motion])
        last = axis is axes[0, -1]
        sns.despine(ax=axis)
        sns.despine(ax=other, left=True, right=not last)
        sides = {"left": False, "labelleft": False, "right": last, "labelright": last}
        other.tick_params(axis="y", labelsize=6, labelcolor="0.6", color="0.8", **sides)
    axes[0, 0].set(ylabel="share of the map", ylim=(0, None))  # shared, and known only now
    other.set_ylabel("acceleration, px / frame²", color="0.6", fontsize=7)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def standing(table):
    """Pointing scores with 95 % intervals of all maps and controls of each network: plain clips hollow, decoy full.

    A map that survives random weights, or is too often level to tell, is crossed out: its place proves nothing.
    """
    models = table["model"].unique()
    figure, axes = panels(1, len(models), 2.9, 0.9 + 0.2 * table.groupby("model")["method"].nunique().max())
    for axis, model in zip(axes[0], models, strict=True):
        mine = table[table["model"] == model]
        names = list(dict.fromkeys(mine["method"]))
        for row in mine.itertuples():
            place, value = names.index(row.method) + (APART if row.clips == "decoy" else -APART), row.pointing_game
            colour = "0.5" if row.method in CONTROLS else MODEL_COLOURS[model]
            look = {"markerfacecolor": colour if row.clips == "decoy" else "white", "markersize": 5}
            ends = [row.pointing_game_low, row.pointing_game_high]
            axis.plot(ends, [place, place], color=colour, linewidth=1, alpha=0.6)
            axis.plot(value, place, "o", color=colour, **look)
            if row.method not in CONTROLS and not passes(row._asdict()):
                axis.plot(value, place, "x", color="black", markersize=8, markeredgewidth=1)
        axis.set(title=model, xlim=(-0.03, 1.03), ylim=(len(names) - 0.5, -0.5), xlabel="pointing game")
        axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=7)
        axis.grid(axis="x", color="0.9")
    sns.despine(figure)
    return figure


def survival(checked, methods):
    """Rank correlation with the trained network's maps as weights become random from the logits down."""
    models = checked["model"].unique()
    kinds = list(dict.fromkeys(kind(name) for name in methods if name not in CONTROLS))
    colours = sns.color_palette("tab10", len(kinds))
    figure, axes = panels(1, len(models), 2.5, 2.9, sharey=True)
    for axis, model in zip(axes[0], models, strict=True):
        mine = checked[(checked["model"] == model) & checked["against"].isin(sanity.LEVELS)]
        means = mine.groupby(["method", "against"])["rank_correlation"].mean().unstack()[list(sanity.LEVELS)]
        for name in (name for name in methods if name in means.index):
            label = name.replace("_", " ")
            look = {"color": colours[kinds.index(kind(name))], "linestyle": DASHES.get(name.split("_")[-1], "-")}
            axis.plot([1, *means.loc[name]], marker="o", markersize=3, linewidth=1.2, label=label, **look)
        axis.axhspan(sanity.SIMILAR, 1.05, color="0.93", linewidth=0, zorder=0)
        axis.set(title=model, ylim=(-0.5, 1.05))
        axis.set_xticks(range(5), ["trained", *sanity.LEVELS], rotation=40, ha="right")
    axes[0, 0].set_ylabel("rank correlation")
    known = {label: line for axis in axes[0] for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(known.values(), known, loc="outside lower center", ncols=5, fontsize=7, frameon=False)
    sns.despine(figure)
    return figure


def kind(method):
    """A map's name without the pathway or the part that it belongs to."""
    return "_".join(word for word in method.split("_") if word not in DASHES)


def probes(table):
    """Linear probes of the last two stages: top-1 and position error, each beside its control task (hollow).

    Dotted: what a probe of permuted labels has on new clips, and the error of the mean place.
    """
    figure, axes = panels(1, 2, 3.6, 2.4)
    for axis, score in zip(axes[0], ("top1", "error_px"), strict=True):
        for model, part in table.groupby("model", sort=False):
            colour = MODEL_COLOURS[model]
            axis.plot(part["stage"], part[score], "o-", color=colour, label=model)
            axis.plot(part["stage"], part[f"control_{score}"], "o--", color=colour, markerfacecolor="white")
        axis.set(xlabel="stage", xlim=(-0.3, 1.3))
    for axis, none in zip(axes[0], ("chance_top1", "mean_place_error_px"), strict=True):
        axis.axhline(table[none].mean(), color="0.5", linestyle=":", linewidth=0.8)
    axes[0, 0].set(ylabel="class, top-1", ylim=(0, 1.02))
    axes[0, 1].set(ylabel="last position, error in px", ylim=(0, None))
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    sns.despine(figure)
    return figure


def look(clips, row, map_TSS, frame, title):
    """One frame of one clip under a map, all frames under all of it, and its sum over time."""
    video_TSS, (uv_NTx2, radius_NT) = clips.render([row])[0], asked.object_px(clips)
    figure, axes = panels(1, 3, 2.7, 2.7)
    now, all_, time = axes[0]
    now.imshow(blend(video_TSS[frame], map_TSS[frame], map_TSS.max()))
    mark(now, uv_NTx2[row, frame], radius_NT[row, frame])
    all_.imshow(blend(video_TSS.max(axis=0), map_TSS.max(axis=0), map_TSS.max()))
    all_.plot(*(uv_NTx2[row].T - 0.5), color="deepskyblue", linewidth=0.8)
    time.plot(map_TSS.sum(axis=(1, 2)), color="0.3")
    time.axvline(frame, color="deepskyblue")
    time.set(xlabel="frame", yticks=[], title="sum of the map", ylim=(0, None))
    bare(now, f"frame {frame}")
    bare(all_, "all frames")
    headline(figure, title)
    return figure


def animation(clips, row, maps) -> bytes:
    """A looping GIF: the clip, and beside it the clip under each map {name: (T, S, S)}.

    Without sensor noise, which a GIF cannot compress: whatever is as dark as the background is shown level.
    """
    video_TSS, frames = clips.render([row])[0], []
    level = np.median(video_TSS)
    noise = np.abs(video_TSS - level) <= QUIET * np.median(np.abs(video_TSS - level))
    for frame, picture_SS in enumerate(np.where(noise, level, video_TSS)):
        plain_SS3 = np.repeat(picture_SS[..., None] / 255, 3, axis=2)
        covered = [blend(picture_SS, map_TSS[frame], map_TSS.max()) for map_TSS in maps.values()]
        wide = np.concatenate([plain_SS3, *covered], axis=1).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
        picture = PIL.Image.fromarray((255 * wide).round().astype(np.uint8))
        frames.append(picture.quantize(COLOURS, PIL.Image.Quantize.FASTOCTREE, dither=PIL.Image.Dither.NONE))
    made = io.BytesIO()
    frames[0].save(made, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)
    return made.getvalue()
