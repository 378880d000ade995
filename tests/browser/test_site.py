"""The site in a real browser, from a file: it asks nobody for anything, complains of nothing, and fits a phone."""

import base64
import io
from urllib.parse import unquote, urlsplit

import nbformat
import PIL.Image
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from trajnb import files
from trajnb.config import Config
from trajnb.report import site

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 900}
PAGES = ("index.html", "lab/index.html", "lab/evaluate/notebook.html", "lab/train-i3d/notebook.html")
LONG = "averylongwordwithoutanyplacetobreakit" * 5
EVIL = """<script>window.ran = 1</script><img src=x onerror="window.ran = 2"><img src="https://evil.example/x.png">
<iframe src="https://evil.example"></iframe><style>@import url(https://evil.example/y.css)</style>"""
TABLE = "<table><tr>" + "".join(f"<th>a rather wide column {n}</th>" for n in range(20)) + "</tr></table>"
LINKS = "all => all.map(one => one.getAttribute('href') === null ? one.src : one.href)"
LEADERBOARD = """model,preset,n_test,test_top1,test_top1_low,test_top1_high,ade_px,fde_px,test_nll,ece,macs,latency_ms
i3d,nano,400,0.7,0.6,0.8,1.5,2.5,0.4,0.01,73000000,5.1
chance,,400,0.25,,,,,,,,
"""


def picture(width):
    """The bytes of a PNG."""
    drawn = io.BytesIO()
    PIL.Image.new("RGB", (width, 300), "white").save(drawn, "png")
    return drawn.getvalue()


def notebook():
    """A notebook with everything that may be too wide, and with what should not run."""
    shown = [
        new_output("stream", text="a line that goes on and on " * 20 + LONG),
        new_output("display_data", {"text/html": TABLE + EVIL}),
        new_output("display_data", {"image/png": base64.b64encode(picture(1500)).decode()}),
        new_output("error", ename="E", evalue="x", traceback=["\x1b[31m" + LONG * 3]),
    ]
    source = f'leaderboard.save(board)\nreport.verdict(board)\nfigures.save(figure, folder, "standing")  # {LONG}'
    cells = [new_markdown_cell(f"# {LONG}\n\n{LONG}\n\n|{'a | b |' * 40}\n|{'---|' * 80}\n\n{EVIL}")]
    return new_notebook(cells=[*cells, new_code_cell(source, outputs=shown, execution_count=1)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of runs with all pages built: one with everything, one that was never finished, one that is cut."""
    folder = tmp_path_factory.mktemp("outputs")
    stages = {"data": {"status": "done"}, "train-i3d": {"status": "failed", "error": LONG * 3}}
    run = {"run": "lab", "status": "failed", "stages": stages | {"evaluate": {"status": "done", "seconds": 1.0}}}
    parameters = Config(run_name="lab").model_dump() | {"motions": [LONG] * 3}
    files.write_json(folder / "lab" / "run.json", run | {"parameters": parameters})
    files.write_json(folder / "other" / "run.json", run | {"parameters": Config().model_dump(), "stages": {}})
    files.write_text(folder / "cut" / "run.json", "{")
    files.write_text(folder / "lab" / "leaderboard.csv", LEADERBOARD)
    for stage in ("evaluate", "train-i3d"):
        files.write_bytes(folder / "lab" / stage / "figures" / "standing.png", picture(1500))
        nbformat.write(notebook(), folder / "lab" / stage / "notebook.ipynb")
    site.build(folder / "lab")
    site.gather(folder)
    return folder


@pytest.fixture
def visit(page, folder):
    """Opens a page and returns (page, what it asked for, what it complained of)."""
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    def open_page(name, size=DESK):
        page.set_viewport_size(size)
        page.goto((folder / name).as_uri())
        page.locator("img").evaluate_all("all => all.forEach(one => { one.loading = 'eager' })")
        page.wait_for_load_state("networkidle")
        return page, asked, said

    return open_page


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_asked_of_anybody_and_nothing_goes_wrong(visit, name):
    page, asked, said = visit(name)
    assert asked
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert not said
    assert page.evaluate("window.ran") is None
    assert page.locator("img").evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_phone(visit, name, scheme):
    page, *_ = visit(name, PHONE)
    page.emulate_media(color_scheme=scheme)
    for _ in range(2):  # folded, then with all code open
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.evaluate("document.body.scrollWidth <= document.documentElement.clientWidth")
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(visit, name):
    page, *_ = visit(name)
    links = page.locator("a[href], img[src]").evaluate_all(LINKS)
    assert links
    for link in {link for link in links if not link.startswith("data:")}:
        place = urlsplit(link)
        assert place.scheme == "file"
        page.goto(link) if place.path.endswith("html") else None
        assert not place.fragment or page.locator(f"[id='{place.fragment}']").count() == 1, link
        with open(unquote(place.path), "rb") as file:
            assert file.read(1), link


@pytest.mark.slow
def test_a_figure_leads_to_its_cell_and_back(visit):
    page, *_ = visit("lab/index.html")
    page.click("figcaption a")
    assert page.url.endswith("evaluate/notebook.html#cell-1")
    assert page.evaluate("document.querySelector(':target').classList.contains('cell')")
    page.click(".cell a[href='../index.html#figure-1']")
    page.wait_for_function("document.querySelector(':target img').naturalWidth === 1500")  # loaded when it is seen
