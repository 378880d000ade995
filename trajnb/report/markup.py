"""What every page is made of: its frame, its styles, its policy, and the HTML that may stand in it.

No script and nothing loaded from elsewhere. A notebook's outputs come from whoever ran it, so what they may contain
is a list of allowed tags and attributes; a policy in the page's head stops what would slip through.
"""

import html as entities
import os
import re
import tempfile
from pathlib import Path

import bleach
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader
from pygments.formatters import HtmlFormatter

from trajnb import ROOT, outputs

TEMPLATES = Path(__file__).parent / "templates"
TAGS = """a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5
h6 hr i img kbd li ol p pre s small span strong sub summary sup table tbody td tfoot th thead tr u ul var""".split()
ATTRIBUTES = {"colspan", "rowspan", "scope", "title", "class", "alt", "width", "height", "open"}
LINK = re.compile(r"(https?://|#)[^\s\"'<>]*|[\w-][\w./-]*")  # to the web, to a heading or to a file beside
PICTURES = re.compile(r'(src="data:[^"]*")')  # in a page of our own
PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")
OWN_ID = re.compile(r"cell-\d+", re.IGNORECASE)  # the page's own anchors, not to be taken by what a notebook holds
NOT_SHOWN = ["script", "style", "template", "noscript", "iframe", "object", "svg", "math"]
POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def page(template, **values):
    """A whole page: its template filled with escaped values, without this machine's folders."""
    loader = FileSystemLoader(TEMPLATES)
    jinja = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return without_folders(jinja.get_template(template).render(policy=POLICY, css=styles(), **values))


def without_folders(html):
    """A page with a word in place of each folder of this machine; whatever else it says stays as it is."""
    words = {outputs(): "outputs", ROOT: ".", Path(os.path.expanduser("~")): "~", Path(tempfile.gettempdir()): "tmp"}
    words |= {place.resolve(): word for place, word in words.items()}
    words = {entities.escape(str(place)): word for place, word in words.items() if len(place.parts) > 1}
    longest = "|".join(re.escape(place) for place in sorted(words, key=len, reverse=True))
    parts = PICTURES.split(html)
    parts[::2] = [re.sub(rf"(?<![\w.-])({longest})(?![\w-])", lambda m: words[m[0]], part) for part in parts[::2]]
    return "".join(parts)


def styles():
    """The style sheet, with colours of code for light and dark screens."""
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("friendly", "github-dark"))
    own = (TEMPLATES / "style.css").read_text("utf-8")
    return f"{own}\n{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def clean(html):
    """Only the allowed tags and attributes of a piece of HTML; scripts and styles go with all they hold."""
    soup = BeautifulSoup(html, "html.parser")
    pictures = [tag for tag in soup("img") if not PICTURE.fullmatch(tag.get("src", ""))]
    for tag in soup(NOT_SHOWN) + pictures:
        tag.decompose()
    protocols = ["http", "https", "data"]  # `allowed` decides which attribute may have which
    return bleach.clean(str(soup), tags=TAGS, attributes=allowed, protocols=protocols, strip=True)


def allowed(tag, name, value):
    """Whether an attribute may stay."""
    if name == "href":
        return tag == "a" and LINK.fullmatch(value) is not None
    if name == "src":
        return tag == "img" and PICTURE.fullmatch(value) is not None
    if name == "id":
        return OWN_ID.fullmatch(value) is None
    return name in ATTRIBUTES
