"""One look for all figures: colours, sizes, and how a figure is kept."""

import io

import matplotlib.pyplot as plt
import PIL.Image
import seaborn as sns
from IPython.display import Image

from trajnb import files

MOTION_COLOURS = dict(
    zip(["linear", "parabolic", "circular", "random", "helical"], sns.color_palette("colorblind", 5), strict=True)
)
CONTENDER_COLOURS = dict(zip(["transformer", "i3d", "slowfast", "magvit"], sns.color_palette("dark", 4), strict=True))
BASELINE_COLOURS = {
    "ensemble_all": "tab:pink",
    "ensemble_magvit_i3d": "tab:cyan",
    "chance": "0.6",
    "single_frame": "0.55",
    "constant_velocity": "tab:brown",
    "constant_velocity_true": "tan",
    "pixel_oracle": "0.25",
    "true_oracle": "0.0",
}
COLOURS = CONTENDER_COLOURS | BASELINE_COLOURS
DOTS_PER_INCH = 90
COLOURS_KEPT = 256
GREY = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest"}  # frames as they are


def panels(rows, columns, width, height, **more):
    """A figure of `rows` x `columns` axes, each `width` x `height` inches, and its axes as an array (rows, columns)."""
    sns.set_theme(style="ticks", context="notebook", font_scale=0.8)
    size = (columns * width, rows * height)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **more)
    plt.close(figure)  # a notebook shows what a cell returns; left open it would be shown twice
    return figure, axes


def bare(axis, title=""):
    """A picture's axis: no ticks, no frame."""
    axis.set(xticks=[], yticks=[], title=title)
    sns.despine(ax=axis, left=True, bottom=True)


def save(figure, folder, name):
    """Keep a figure as folder/figures/name.png; returns the same picture, so that a cell can end with this call.

    A palette takes a third of the bytes: noisy frames do not compress otherwise. It is chosen for the range of the
    colours, not for their number of pixels, so that thin coloured lines keep theirs.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    small, picture = io.BytesIO(), PIL.Image.open(drawn).convert("RGB")
    picture.quantize(COLOURS_KEPT, PIL.Image.Quantize.FASTOCTREE, dither=PIL.Image.Dither.NONE).save(
        small, format="png", optimize=True
    )
    files.write_bytes(folder / "figures" / f"{name}.png", small.getvalue())
    return Image(small.getvalue(), alt=name.replace("_", " "))
