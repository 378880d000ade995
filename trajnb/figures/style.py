"""One look for all figures: colours that colour-blind readers can tell apart, sizes, and how a figure is saved."""

import io

import matplotlib
import PIL.Image
import seaborn as sns
from IPython.display import Image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trajnb import files

MOTIONS = ["linear", "parabolic", "circular", "random", "helical"]
MOTION_COLOURS = dict(zip(MOTIONS, sns.color_palette("colorblind", 5), strict=True))
MODEL_COLOURS = {"transformer": "#332288", "i3d": "#CC6677", "slowfast": "#117733", "magvit": "#56B4E9"}
COLOURS = MODEL_COLOURS | {"ensemble_all": "tab:pink", "ensemble_magvit_i3d": "tab:orange", "mean_frame": "0.55"}
COLOURS |= {"motion_energy": "mediumpurple", "constant_velocity": "tab:brown"}
COLOURS |= {"pixel_oracle": "0.25", "true_oracle": "0.0"}
# Colour alone would not do for everybody.
MARKERS = {"transformer": "o", "i3d": "s", "slowfast": "^", "magvit": "D", "constant_velocity": "v"}
DOTS_PER_INCH = 150
CSS_PER_INCH = 90  # pixels of a page, however dense the picture
PALETTE = 256  # colours of a picture
GREY = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest"}  # frames as they are


def panels(rows, columns, width, height, used=None, **more):
    """A figure of `rows` x `columns` axes, each `width` x `height` inches, and its axes as an array (rows, columns);
    those after the first `used` stay empty."""
    figure = blank(columns * width, rows * height)
    axes = figure.subplots(rows, columns, squeeze=False, **more)
    for axis in axes.flat[axes.size if used is None else used :]:
        axis.axis("off")
    return figure, axes


def blank(width, height):
    """An empty figure of `width` x `height` inches in the lab's style, whatever the matplotlibrc and backend. pyplot
    does not know it: a notebook shows what a cell returns, and would show an open figure once more."""
    matplotlib.rcdefaults()
    open_axes = {"axes.spines.top": False, "axes.spines.right": False}
    sns.set_theme(style="ticks", context="notebook", font="DejaVu Sans", font_scale=0.8, rc=open_axes)
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def look(name):
    """Colour and marker of a model."""
    return {"color": COLOURS.get(name, "0.4"), "marker": MARKERS.get(name, "o")}


def bare(axis, title=""):
    """A picture's axis: no ticks, no frame."""
    axis.set(xticks=[], yticks=[], title=title)
    sns.despine(ax=axis, left=True, bottom=True)


def key(figure, axis, columns=6):
    """The legend of one of a figure's axes, above all of them."""
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=columns, frameon=False)


def png(figure):
    """A figure as the bytes of a PNG. A palette takes a third of the bytes: noisy frames do not compress otherwise. It
    is chosen for the range of the colours, not for their number of pixels, so that thin coloured lines keep theirs."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    picture = PIL.Image.open(drawn).convert("RGB")
    picture = picture.quantize(PALETTE, PIL.Image.Quantize.FASTOCTREE, dither=PIL.Image.Dither.NONE)
    colours, background = picture.getpalette(), picture.getpixel((0, 0))
    colours[3 * background : 3 * background + 3] = [255] * 3  # not the mean with what is nearly white
    picture.putpalette(colours)
    small = io.BytesIO()
    picture.save(small, format="png", optimize=True, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return small.getvalue()


def shown(figure, alt):
    """A figure as a notebook shows it, in its own size; `alt`: text for readers without pictures."""
    return Image(png(figure), width=round(CSS_PER_INCH * figure.get_figwidth()), alt=alt)


def save(figure, folder, name):
    """Save a figure as folder/figures/name.png; returns the same picture, so that a cell can end with this call."""
    image = shown(figure, name.replace("_", " "))
    files.write_bytes(folder / "figures" / f"{name}.png", image.data)
    return image
