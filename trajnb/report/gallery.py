"""The figures of a run, in the order in which a reader wants them."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import PIL.Image

from trajnb.report import notebook

PICTURES = (".png", ".gif")  # pictures, and short animations
FIRST = "standing"  # the figure that answers the question
LAST_STAGES = ("train", "data")  # kinds of stage, after evaluation and whatever looks at results
BROAD = (1.7, 600)  # width over height, and width in pixels, above which a figure takes the whole line


class Figure(NamedTuple):
    """A picture of a stage: its place below the run's folder, quoted for a link, and the cell that saved it."""

    anchor: str
    stage: str
    link: str
    caption: str
    size: tuple | None
    cell: notebook.Cell | None

    @property
    def broad(self):
        """Whether it is too wide to stand beside another; trainings stand side by side, to be compared."""
        ratio, width = BROAD
        return self.size is not None and self.size[0] > max(width, ratio * self.size[1]) and kind(self.stage) != "train"


def figures(run_dir, outlines):
    """The figures of stages {name: [Cell]}, ordered: evaluation first, then the other stages, trainings, data."""
    found = [
        (name, path, notebook.saver(cells, path))
        for name, cells in outlines.items()
        for path in sorted((run_dir / name / "figures").glob("*"))
        if path.suffix in PICTURES and path.is_file() and not path.is_symlink()
    ]
    found.sort(key=lambda one: order(*one, list(outlines)))
    return [
        Figure(f"figure-{n}", stage, quote(f"{stage}/figures/{path.name}"), caption(stage, path.stem), size(path), cell)
        for n, (stage, path, cell) in enumerate(found, 1)
    ]


def order(stage, path, cell, stages):
    """Sorting key: the first one first, then as the notebook has them; one kind of all trainings, then the next."""
    rank = LAST_STAGES.index(kind(stage)) + 2 if kind(stage) in LAST_STAGES else int(kind(stage) != "evaluate")
    number = cell.number if cell else float("inf")
    own, inside = stages.index(stage), (path.stem != FIRST, number, path.stem)
    return (rank, *inside, own) if kind(stage) == "train" else (rank, own, *inside)


def kind(stage):
    """A stage's kind, from its name."""
    return stage.split("-")[0]


def title(stage):
    """What stands above the figures of a stage, or of all trainings."""
    return "Trainings" if kind(stage) == "train" else spoken(stage)


def caption(stage, name):
    """A figure's name as a person says it, with the network where several have such a figure."""
    network = stage.partition("-")[2] if kind(stage) == "train" else ""
    return spoken(name) + (f", {network}" if network else "")


def spoken(name):
    """A name as words."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def size(path: Path):
    """(width, height) in pixels; None for what is no picture."""
    try:
        with PIL.Image.open(path) as picture:
            return picture.size
    except (OSError, PIL.Image.DecompressionBombError):
        return None
