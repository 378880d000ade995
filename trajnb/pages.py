"""The pages of a run: each executed notebook as one HTML file that runs nothing, loads nothing and opens anywhere.

`python -m trajnb.pages RUN` writes outputs/RUN/index.html, the report, and notebook.html beside every other notebook;
`--zip` also packs them into outputs/RUN/RUN.zip. What a notebook shows is reduced to a list of allowed tags.
"""

import io
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import bleach
import nbformat
from nbconvert import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from trajnb import PACKAGE, ROOT, ParameterError, files, outputs
from trajnb.evaluation.verdict import NAMES

ORDER = ["report", "data", "train", "evaluate", "robustness", "attention", "predict", "explain"]  # others follow
SEED = re.compile(r"-s\d+$")  # of training runs that differ in it alone, pages link to the first, the report to all
PLAY = "play.html"  # the page to draw on, where a run has it
SHOWN = ["text/html", "text/markdown", "image/png", "image/jpeg", "text/plain"]  # of an output: the first that it has
TAGS = """a abbr b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s
small span strong sub summary sup table tbody td tfoot th thead tr u ul""".split()
LINK = re.compile(r"(https?://|#)\S*|[\w-][\w./-]*\.html")  # to the web, to a heading or to another page
ATTRIBUTES = {
    "*": "alt title class id colspan rowspan scope open".split(),
    "a": lambda tag, name, value: name == "href" and LINK.fullmatch(value),
    "img": lambda tag, name, value: name == "src" and value.startswith("data:image/"),
}


def build(run):
    """Write all pages of a run; returns their paths, the index first. Raises ParameterError for what cannot be read."""
    run_dir = outputs() / run
    steps = sorted((path.parent.name for path in run_dir.glob("*/notebook.ipynb")), key=rank)
    if not steps or run != run_dir.name:
        raise ParameterError(f"{run}: there is no executed notebook in {run_dir}: run it first, or check its name.")
    notebooks = {"report": new_notebook(cells=[new_markdown_cell(f"# Run {run}\n\nThis run has no report.")])}
    for step in steps:
        try:
            notebooks[step] = nbformat.read(run_dir / step / "notebook.ipynb", as_version=4)
        except (ValueError, TypeError, AttributeError, nbformat.ValidationError):
            raise ParameterError(f"{step}/notebook.ipynb is no whole notebook: run this step again.") from None
    pages = {step: "index.html" if step == "report" else f"{step}/notebook.html" for step in notebooks}
    return [files.write_text(run_dir / pages[step], page(notebooks[step], run, step, pages)) for step in pages]


def rank(step):
    """Sorting key of a step: the order in which a reader wants the pages."""
    kind = step.split("-")[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER), step


def label(step):
    """A step's name as a link shows it."""
    return " ".join(NAMES.get(word, word.capitalize()) for word in step.split("-"))


def page(notebook, run, step, pages):
    """The HTML page of one step's notebook; `pages` {step: path below the run's folder} are what it links to."""
    front = step == "report"
    first = {SEED.sub("", other): other for other in reversed(pages)}.values()
    near = [other for other in pages if other == step or other in first]
    links = [(label(other), pages[other] if front else f"../{pages[other]}", other == step) for other in near]
    if (outputs() / run / PLAY).is_file():
        links.append(("Draw a path", PLAY if front else f"../{PLAY}", False))
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("xcode", "github-dark"))
    options = {"CoalesceStreamsPreprocessor": {"enabled": True}, "NbConvertBase": {"display_data_priority": SHOWN}}
    template = {"template_name": "template", "extra_template_basedirs": [str(PACKAGE)], "filters": {"clean": clean}}
    exporter = HTMLExporter(config=Config(options), exclude_anchor_links=True, **template)
    given = {"run": run, "front": front, "links": links, "light": light, "dark": dark}
    text = exporter.from_notebook_node(notebook, resources={"page": given})[0]
    text = re.sub(re.escape(tempfile.gettempdir()) + r"/ipykernel_\d+/", "", text)
    parts = re.split(r'(src="data:[^"]*")', text)  # pictures, which are letters by accident, stay as they are
    for folder, word in ((outputs(), "outputs"), (ROOT, "."), (Path.home(), "~")):
        pattern = rf"(?<![\w.-]){re.escape(str(folder))}(?![\w-])"
        parts[::2] = [re.sub(pattern, word, part) if len(folder.parts) > 1 else part for part in parts[::2]]
    return "".join(parts)


def clean(text):
    """The allowed tags and attributes of a piece of HTML; scripts and styles go with all they hold."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", "", text)
    return bleach.clean(text, tags=TAGS, attributes=ATTRIBUTES, protocols=["http", "https", "data"], strip=True)


def main(run, option=""):
    """The command line: prints the file to open or to send, or one sentence on what is wrong."""
    try:
        pages, folder = build(run), outputs() / run
        if option == "--zip":
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in [*pages, *folder.glob(PLAY)]:
                    archive.write(path, path.relative_to(outputs()))
            pages = [files.write_bytes(folder / f"{run}.zip", packed.getvalue())]
        print(pages[0])
    except (ParameterError, OSError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(*sys.argv[1:])
