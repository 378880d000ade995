"""One clip to look at closely: as film, in the picture, in space, and what a network makes of it."""

import numpy as np
from matplotlib.lines import Line2D

from trajnb.data import scenes
from trajnb.evaluation import metrics
from trajnb.figures.evaluation import draw_future
from trajnb.figures.style import GREY, MOTION_COLOURS, bare, mosaic, panels

SHOWN = 8  # frames in a strip
GAP = 3  # white pixels between two of them
MARGIN = 10  # pixels drawn around the frame, for futures that leave it
SIZES = {"width": 9.2, "height": 4.3, "height_ratios": [1, 2.2], "width_ratios": [1, 1, 0.9]}
LINES = {  # label: how `draw_future` and `draw_steady` draw it
    "seen path": {"color": "deepskyblue"},
    "true future": {"color": "gold", "marker": "x", "linestyle": ""},
    "network, with 80 % regions": {"color": "orangered", "marker": "."},
    "constant velocity": {"color": "palegreen", "marker": "s", "markersize": 3, "linestyle": "--"},
}


def scene(clips):
    """The one clip of trajnb.data.scenes: film strip, path in the picture, path from the side, what a data set asks."""
    figure, axes = mosaic([["strip"] * 3, ["picture", "side", "text"]], **SIZES)
    motion = clips.table["motion"].iloc[0]
    draw_strip(axes["strip"], clips.render([0])[0])
    draw_picture(axes["picture"], clips)
    draw_side(axes["side"], clips)
    write(axes["text"], motion, MOTION_COLOURS[motion], [*told(clips), "", *asked(clips)])
    return figure


def answer(clips, said, steady_NHx3, row=0):
    """What a network says about one clip: film strip, predicted beside true future, class probabilities, errors."""
    figure, axes = mosaic([["strip"] * 3, ["picture", "bars", "text"]], **SIZES)
    motion = clips.cfg.motions[clips.label_N[row]]
    draw_strip(axes["strip"], clips.render([row])[0])
    draw_answer(axes["picture"], clips, said, steady_NHx3, row)
    draw_bars(axes["bars"], clips, said, row)
    axes["bars"].set_yticks(range(len(clips.cfg.motions)), clips.cfg.motions)
    write(axes["text"], motion, MOTION_COLOURS[motion], errors(clips, said, steady_NHx3, row))
    add_legend(figure)
    return figure


def answers(clips, said, steady_NHx3, rows):
    """`answer` for several clips side by side: row numbers of `clips`."""
    figure, axes = panels(2, len(rows), 2.3, 1.85, height_ratios=[2.2, 1])
    for (top, bottom), row in zip(axes.T, rows, strict=True):
        motion = clips.cfg.motions[clips.label_N[row]]
        draw_answer(top, clips, said, steady_NHx3, row)
        top.set_title(f"{motion}\noff by {network_px(clips, said, row):.1f} px", color=MOTION_COLOURS[motion])
        draw_bars(bottom, clips, said, row)
    axes[1, 0].set_yticks(range(len(clips.cfg.motions)), clips.cfg.motions)
    add_legend(figure)
    return figure


def draw_strip(axis, video_TSS):
    """Eight frames in a row, numbered."""
    frames = np.linspace(0, len(video_TSS) - 1, SHOWN).round().astype(int)
    size = video_TSS.shape[-1]
    strip_SX = np.full((size, SHOWN * (size + GAP) - GAP), 255, np.uint8)
    for place, frame in enumerate(frames):
        strip_SX[:, place * (size + GAP) :][:, :size] = video_TSS[frame]
    axis.imshow(strip_SX, **GREY)
    bare(axis)
    axis.set_xticks(np.arange(SHOWN) * (size + GAP) + size / 2, [f"frame {frame}" for frame in frames])
    axis.tick_params(length=0, labelsize=8, labeltop=True, labelbottom=False, top=False, bottom=False)


def draw_picture(axis, clips):
    """All frames added up; the seen path in colour, the future in grey, a dot a frame."""
    axis.imshow(clips.render([0])[0].max(axis=0), **GREY)
    draw_path(axis, *(clips.track_NFx3[0, :, :2] * clips.cfg.size).T, clips)
    frame_it(axis, clips.cfg)
    axis.set_title(f"in the picture; the next {clips.cfg.horizon} in grey")


def draw_side(axis, clips):
    """Depth to the right, height up, in metres; the camera and the edges of what it sees."""
    far = clips.cfg.depth_max_m + 1
    edge = far * clips.cfg.size / 2 / clips.cfg.focal_px
    axis.fill([0, far, far], [0, edge, -edge], color="0.88", linewidth=0)
    axis.plot(0, 0, ">", color="0.2", markersize=9)
    draw_path(axis, clips.xyz_NFx3[0, :, 2], -clips.xyz_NFx3[0, :, 1], clips)
    axis.set(xlim=(-0.3, far), ylim=(-edge, edge), aspect="equal", title="from the side", xlabel="depth z, m")
    axis.set_ylabel("height -y, m")


def draw_path(axis, x_F, y_F, clips):
    """One path, a dot a frame: seen frames in the motion's colour, future ones in grey."""
    seen, colour = clips.cfg.frames, MOTION_COLOURS[clips.table["motion"].iloc[0]]
    axis.plot(x_F[seen - 1 :], y_F[seen - 1 :], ".-", color="0.65", markersize=4, linewidth=0.8)
    axis.plot(x_F[:seen], y_F[:seen], ".-", color=colour, markersize=5, linewidth=1.2)


def told(clips):
    """The numbers of a scene, a line each."""
    cfg, row = clips.cfg, clips.table.iloc[0]
    return [
        f"number {row['index']}",
        f"gravity {cfg.gravity:.2f} m/s²" + ("" if row.motion == "parabolic" else " (not in this motion)"),
        f"speed {cfg.speed_min:.1f} m/s",
        f"depth {row.depth_m:.1f} m",
        f"noise {row.noise:.0%} of full scale",
    ]


def asked(clips):
    """What a data set would ask of a scene's path, a line each, and whether it holds."""
    rows = scenes.checks(clips.cfg, clips.table["motion"].iloc[0], clips.xyz_NFx3)
    lines = [f"{'yes' if holds_N[0] else 'NO'}: {what} ({found_N[0]:.1f})" for what, found_N, holds_N in rows]
    return [f"A data set would {'refuse' if any(line.startswith('NO') for line in lines) else 'take'} it:", *lines]


def draw_answer(axis, clips, said, steady_NHx3, row):
    """All frames added up; seen path, true future, the network's and constant velocity's."""
    cfg = clips.cfg
    axis.imshow(clips.render([row])[0].max(axis=0), **GREY)
    draw_future(axis, clips.track_NFx3[row], said, row, cfg, np.full(cfg.horizon, metrics.gaussian_radius(0.80)))
    axis.plot(*steady_NHx3[row, :, :2].T * cfg.size, linewidth=0.8, **LINES["constant velocity"])
    frame_it(axis, cfg)


def frame_it(axis, cfg):
    """Show a picture and a little around it."""
    bare(axis)
    axis.set(xlim=(-MARGIN, cfg.size + MARGIN), ylim=(cfg.size + MARGIN, -MARGIN))


def draw_bars(axis, clips, said, row):
    """Probability of each class; the true one has its colour, the others are grey."""
    motions, prob_K = clips.cfg.motions, said.prob_NK[row]
    colours = [MOTION_COLOURS[name] if k == clips.label_N[row] else "0.6" for k, name in enumerate(motions)]
    axis.barh(range(len(motions)), prob_K, color=colours)
    inside, beside = {"ha": "right", "color": "white"}, {"ha": "left", "color": "black"}
    for k, share in enumerate(prob_K):
        place, look = (share - 0.02, inside) if share > 0.7 else (share + 0.02, beside)
        axis.text(place, k, f"{share:.2f}", va="center", fontsize=8, **look)
    axis.set(xlim=(0, 1), ylim=(len(motions) - 0.5, -0.5), xlabel="probability", xticks=[0, 0.5, 1], yticks=[])
    axis.spines[["top", "right"]].set_visible(False)


def network_px(clips, said, row):
    """Mean distance in pixels of one clip's predicted positions from the true ones."""
    return metrics.displacement_px(said.track_NHx3[[row]], future(clips, row), clips.cfg).mean()


def errors(clips, said, steady_NHx3, row):
    """What the network says of one clip, and how far off both forecasts are, a line each."""
    steady_px = metrics.displacement_px(steady_NHx3[[row]], future(clips, row), clips.cfg).mean()
    best = said.prob_NK[row].argmax()
    return [
        f"The network says: {clips.cfg.motions[best]}",
        "right" if best == clips.label_N[row] else "WRONG",
        "",
        f"Next {clips.cfg.horizon} positions, mean error:",
        f"network {network_px(clips, said, row):.1f} px",
        f"constant velocity {steady_px:.1f} px",
    ]


def future(clips, row):
    """True future (1, H, 3) of one clip: u and v in frame widths, z in metres."""
    return clips.track_NFx3[[row], clips.cfg.frames :]


def write(axis, title, colour, lines):
    """Lines of text where a picture would stand."""
    axis.axis("off")
    axis.set_title(title, color=colour, loc="left")
    axis.text(0, 1, "\n".join(lines), va="top", fontsize=8.5, linespacing=1.5, transform=axis.transAxes)


def add_legend(figure):
    """The four lines of `draw_answer`, below everything; on grey, as some are light."""
    handles = [Line2D([], [], label=name, **look) for name, look in LINES.items()]
    look = {"facecolor": "0.35", "labelcolor": "white", "fontsize": 8}
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), **look)
