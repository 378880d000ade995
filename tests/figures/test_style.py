"""Figures look the same whatever a person's matplotlibrc says."""

import matplotlib
import numpy as np

from trajnb.figures import style

PERSONAL = {
    "text.usetex": True,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "savefig.facecolor": "black",
    "image.cmap": "jet",
    "image.origin": "lower",
    "axes.prop_cycle": matplotlib.cycler(color=["r", "g"]),
    "axes.facecolor": "yellow",
    "axes.xmargin": 0.4,
    "font.family": ["serif"],
    "font.size": 30,
    "lines.linewidth": 9,
    "path.sketch": (1, 100, 2),
    "backend": "TkAgg",  # which cannot start without a screen
}


def drawn():
    figures = []
    for figure, axes in (style.panels(1, 1, 2, 2), style.mosaic("a", 2, 2)):
        axis = axes["a"] if isinstance(axes, dict) else axes[0, 0]
        axis.imshow(np.arange(12).reshape(3, 4))
        axis.plot([0, 1, 2], [0, 1, 1], label="$x$ 0.5 %")
        axis.legend()
        style.headline(figure, "a title")
        figures.append(style.png(figure))
    return figures


def test_no_setting_of_a_person_changes_a_figure():
    before = drawn()
    with matplotlib.rc_context():
        dict.update(matplotlib.rcParams, PERSONAL)  # as from a file: no backend is asked for
        assert drawn() == before
