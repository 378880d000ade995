"""The pages in a real browser, from a file: they fit phone and desk, are legible in light and dark, request nothing."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from trajnb import pages

PAGES = ("index.html", "data/notebook.html")
LONG = "averylongwordwithoutanyplacetobreakit" * 5
EVIL = """<script>window.ran = 1</script><img src=x onerror="window.ran = 2"><img src="https://evil.example/x.png">"""
TABLE = "<table><tr>" + "".join(f"<th>a rather wide column {n}</th>" for n in range(20)) + "</tr></table>"
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
CONTRASTS = """() => {
  const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = tag => { const colour = getComputedStyle(tag).backgroundColor;
    return colour.endsWith(', 0)') && tag.parentElement ? ground(tag.parentElement) : colour; };
  return [...document.querySelectorAll('p, h1, td, th, a, summary, pre, pre span')]
    .filter(tag => tag.textContent.trim()).map(tag => {
    const [a, b] = [light(getComputedStyle(tag).color), light(ground(tag))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), tag.outerHTML.slice(0, 80)]; });
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The pages of a run whose notebooks hold everything that may be too wide, and what should not run."""
    shown = [
        new_output("stream", text="a line that goes on and on " * 20 + LONG),
        new_output("display_data", {"text/html": TABLE + EVIL}),
        new_output("error", ename="E", evalue="x", traceback=["\x1b[31m" + LONG * 3]),
    ]
    text = f"# {LONG}\n\n[a link](https://example.org)\n\n> {LONG}\n\n|{'a | b |' * 40}\n|{'---|' * 80}\n\n{EVIL}"
    code = f'def f(x):  # {LONG}\n    """Text."""\n    return x + 1 if x is None else "text"'
    notebook = new_notebook(cells=[new_markdown_cell(text), new_code_cell(code, outputs=shown)])
    folder = tmp_path_factory.mktemp("outputs")
    for step in ("report", "data"):
        (folder / "tiny" / step).mkdir(parents=True)
        nbformat.write(notebook, folder / "tiny" / step / "notebook.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJNB_OUTPUTS", str(folder))
        pages.build("tiny")
    return folder / "tiny"


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_and_can_be_read(page, folder, name, scheme):
    requested, messages = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.emulate_media(color_scheme=scheme)
    page.goto((folder / name).as_uri())
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(FITS), "folded"
        page.locator("details").evaluate_all("all => all.forEach(tag => { tag.open = true })")
        assert page.evaluate(FITS), "with all code open"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert [found for found in contrasts if found[0] < 4.5] == [], "WCAG 2.2, level AA"
    assert requested == [(folder / name).as_uri()]
    assert messages == []
    assert page.evaluate("window.ran") is None
