"""The static site of a run: index.html and one page for each executed notebook, for any browser, from a file.

No script and nothing loaded from elsewhere. A notebook's outputs come from whoever ran it, so what they may contain
is a list of allowed tags and attributes; a policy in the page's head stops what would slip through. The same files
give the same bytes.
"""

import re
import sys
import tempfile
from pathlib import Path

import bleach
import nbformat
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from trajnb import ROOT, files, outputs
from trajnb.report import report

TEMPLATES = Path(__file__).parent / "templates"
TAGS = """a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5
h6 hr i img kbd li ol p pre s small span strong sub summary sup table tbody td tfoot th thead tr u ul var""".split()
ATTRIBUTES = {"colspan", "rowspan", "scope", "title", "id", "class", "alt", "width", "height", "open"}
LINK = re.compile(r"(https?://|#)[^\s\"'<>]*|[\w-][\w./-]*")  # to the web, to a heading or to a file beside
PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")
POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
OUTPUTS = ["text/html", "text/markdown", "image/png", "image/jpeg", "text/plain"]  # shown, the first that is there


def build(run_dir):
    """Write the run's index.html and its notebooks' pages; returns the path of the index."""
    run, table = report.record(run_dir), report.leaderboard(run_dir)
    pages = {name: page(run_dir, name, entry["status"]) for name, entry in run["stages"].items()}
    done = [name for name, entry in run["stages"].items() if entry["status"] == "done"]
    figures = [path for name in reversed(done) for path in sorted((run_dir / name / "figures").glob("*.png"))]
    html = (
        environment()
        .get_template("index.html.j2")
        .render(
            look(),
            run=run,
            verdict=list(report.verdict(table, run, report.comparisons(run_dir))),
            table=report.rows(table) if table is not None else None,
            figures=[path.relative_to(run_dir).as_posix() for path in figures],
            stages=[(*stage, pages[stage[0]]) for stage in report.stages(run)],
            changed=report.changed(run),
        )
    )
    return files.write_text(run_dir / "index.html", scrub(html))


def page(run_dir, name, status):
    """Render a stage's executed notebook beside it; returns the page's relative link, or None without a notebook."""
    folder = run_dir / name
    found = [path for path in (folder / "notebook.ipynb", folder / "notebook.failed.ipynb") if path.is_file()]
    if not found:
        (folder / "notebook.html").unlink(missing_ok=True)
        return None
    notebook = nbformat.read(found[0], as_version=4)
    for cell in notebook.cells:  # an output that could only be run is left out
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if "data" not in o or not set(OUTPUTS).isdisjoint(o.data)]
    html, _ = exporter().from_notebook_node(notebook, {"trajnb": look() | {"stage": name, "status": status}})
    files.write_text(folder / "notebook.html", scrub(html))
    return f"{name}/notebook.html"


def exporter():
    """nbconvert with our template and filters, and no preprocessor that would add anything."""
    html = HTMLExporter(
        template_name="trajnb",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        filters={"clean": clean},
    )
    html.config.NbConvertBase.display_data_priority = OUTPUTS
    return html


def environment():
    """Jinja with escaping on."""
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def look():
    """What every page's head needs: policy and styles, for light and dark screens."""
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("friendly", "github-dark"))
    css = (TEMPLATES / "style.css").read_text()
    return {"policy": POLICY, "css": f"{css}\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"}


def clean(html):
    """Only the allowed tags and attributes of a piece of HTML; scripts and styles go with all they hold."""
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup(["script", "style", "template", "noscript", "iframe", "object", "svg", "math"]):
        tag.decompose()
    protocols = ["http", "https", "data"]  # `allowed` decides which attribute may have which
    return bleach.clean(str(soup), tags=TAGS, attributes=allowed, protocols=protocols, strip=True)


def allowed(tag, name, value):
    """Whether an attribute may stay."""
    if name == "href":
        return tag == "a" and LINK.fullmatch(value) is not None
    if name == "src":
        return tag == "img" and PICTURE.fullmatch(value) is not None
    return name in ATTRIBUTES


def scrub(html):
    """The page without this machine's folders; pictures are left alone."""
    places = {outputs(): "outputs", ROOT: ".", sys.prefix: "python", sys.base_prefix: "python", Path.home(): "~"}
    parts = re.split(r'(src="data:[^"]*")', html)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(rf"{re.escape(tempfile.gettempdir())}/ipykernel_\d+/\d+\.py", "cell", parts[i])
        for place, word in places.items():
            parts[i] = parts[i].replace(str(place), word)
    return "".join(parts)
