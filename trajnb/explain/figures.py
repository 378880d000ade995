"""Figure of 07_explain: what the class query looked at, and where the network places the object, then and next."""

import numpy as np
from matplotlib.patches import Ellipse, Rectangle

from trajnb.figures.data import draw_strip
from trajnb.figures.style import GREY, bare, blank

PATH, FUTURE, LOOK = "deepskyblue", "tab:orange", "gold"


def seen(video_TSS, record, look_thw, title):
    """A clip (T, S, S) as a strip; beside it all frames under the attention (t, h, w), summed over time.

    Blue: the estimated path. Orange: predicted places with their regions. Yellow: the cell looked at most.
    """
    figure, size = blank(9.5, 1.9), video_TSS.shape[-1]
    strip, picture = figure.subplots(1, 2, width_ratios=(6.2, 1))
    draw_strip(strip, video_TSS)
    bare(picture)
    strip.set_xlabel(title)
    picture.imshow(video_TSS.max(axis=0), **GREY, extent=(0, size, size, 0))
    picture.imshow(look_thw.sum(axis=0), cmap="inferno", alpha=0.45, extent=(0, size, size, 0))
    picture.plot(*np.transpose(record.path_px), color=PATH, linewidth=1)
    for _, place, half in record.future:
        picture.add_patch(Ellipse(place, *(2 * np.array(half)), fill=False, edgecolor=FUTURE, linewidth=0.8))
    side = np.array(look_thw.shape[:0:-1])
    picture.add_patch(Rectangle(record.look_px - size / side / 2, *(size / side), fill=False, edgecolor=LOOK))
    return figure
