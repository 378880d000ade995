"""A stage's executed notebook as a page, and which of its cells made what the run's page shows."""

import base64
import re
from typing import NamedTuple

import nbformat
from nbconvert import HTMLExporter
from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor
from nbformat import from_dict
from nbformat.v4 import new_notebook

from trajnb import files
from trajnb.report import markup

NAMES = ("notebook.ipynb", "notebook.failed.ipynb", "notebook.running.ipynb")
PAGE = "notebook.html"
SHOWN = ["text/html", "text/markdown", "image/png", "image/jpeg", "text/plain"]  # of an output: the first that is there
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, nbformat.ValidationError)
SAVED = re.compile(r""",\s*(?:name\s*=\s*)?f?(["'])(.+?)\1\s*,?\s*\)""")  # the last argument of a call, as text


class Cell(NamedTuple):
    """A code cell: number among them, heading above it, source, the pictures it shows (base64), whether it raised."""

    number: int
    heading: str
    source: str
    pictures: frozenset
    failed: bool


def read(folder):
    """A stage's executed notebook, or None where there is none; raises ValueError for one that is not whole."""
    found = [folder / name for name in NAMES if (folder / name).is_file()]
    if not found:
        return None
    try:
        notebook = nbformat.read(found[0], as_version=4)
        nbformat.validate(notebook)
    except BROKEN as error:
        raise ValueError(f"{found[0].name} cannot be read: it is no whole notebook (was the disk full?)") from error
    return notebook


def cells(notebook):
    """The notebook's code cells, as a list of Cell."""
    found, heading = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = ([heading] + re.findall(r"^#+ +(.+?)[ #]*$", cell.source, re.MULTILINE))[-1]
        if cell.cell_type == "code":
            failed = any(output.output_type == "error" for output in cell.outputs)
            pictures = frozenset(
                "".join(o.data["image/png"].split()) for o in cell.outputs if "image/png" in o.get("data", ())
            )
            found.append(Cell(len(found) + 1, heading.replace("`", ""), cell.source, pictures, failed))
    return found


def saver(cells, path):
    """The cell that saved a figure, or None: its source says figures.save(figure, folder, name), or it shows it."""
    written = [(text, cell) for cell in cells for text in saved(cell.source)]
    picture = base64.b64encode(path.read_bytes()).decode()
    found = [cell for text, cell in written if text == path.stem]
    found += [cell for cell in cells if picture in cell.pictures]
    found += [cell for text, cell in written if may_become(text, path.stem)]
    return found[0] if found else None


def saved(source):
    """The names of figures that a cell's source may save; those of f-strings with their braces."""
    return [match[2] for match in SAVED.finditer(source)] if "figures.save(" in source else []


def may_become(text, name):
    """True if an f-string can become a figure's name; one without letters of its own could become any."""
    own = re.split(r"\{.*?\}", text)
    pattern = ".+".join(map(re.escape, own))
    return len(own) > 1 and any(map(str.isalpha, "".join(own))) and re.fullmatch(pattern, name) is not None


def holder(cells, call):
    """The first cell whose source holds a call, or None."""
    return next((cell for cell in cells if call in cell.source), None)


def write(folder, notebook, made, **values):
    """Write a stage's page; returns its path. `notebook` may be None where there is none that can be read.

    `made` {number of a code cell: [(anchor, words)]} is what of each cell stands on the run's page; `values` go to the
    page's template.
    """
    notebook = new_notebook() if notebook is None else notebook
    notebook.metadata.clear()  # it may name a language, and nothing else is looked at
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):  # an output that could only be run is left out
        cell.metadata = from_dict({"number": number, "made": made.get(number, [])})
        cell.outputs = [o for o in cell.outputs if "data" not in o or not set(SHOWN).isdisjoint(o.data)]
    body, _ = exporter().from_notebook_node(notebook)
    return files.write_text(folder / PAGE, markup.page("notebook.html.j2", body=body, **values))


def exporter():
    """nbconvert with our template and filters; what a cell printed in several goes is shown as one."""
    html = HTMLExporter(
        template_name="trajnb",
        extra_template_basedirs=[str(markup.TEMPLATES)],
        exclude_anchor_links=True,
        filters={"clean": markup.clean},
    )
    html.register_preprocessor(CoalesceStreamsPreprocessor, enabled=True)
    html.config.NbConvertBase.display_data_priority = SHOWN
    return html
