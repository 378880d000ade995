"""What tests of pages share: runs of a few lines, and notebooks that try everything."""

import base64
import io
from pathlib import Path
from urllib.parse import unquote

import nbformat
import PIL.Image
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from trajnb import ROOT, files
from trajnb.config import Config

EVIL = """<h2 onclick="alert(1)">Kept</h2><script>alert(2)</script><img src=x onerror="alert(3)">
<img src="https://evil.example/x.png"><iframe src="https://evil.example"></iframe><svg onload="alert(4)"></svg>
<a href="javascript:alert(5)">one</a><a href="JaVa&#09;script:alert(6)">two</a><a href="data:text/html,x">three</a>
<style>body { background: url(https://evil.example/y.png) }</style><link rel="stylesheet" href="https://evil.example/z">
<form action="https://evil.example"><input name="a"></form><base href="https://evil.example/"><p style="top: 0">b</p>
<math><mtext><style><img src=x onerror=alert(7)></style></mtext></math><meta http-equiv="refresh" content="0;url=x">
<p id="cell-1">not a cell</p>"""
SCRIPT = "<script>alert(13)</script>\"'><img src=x onerror=alert(14)>"  # wherever a plain text may stand
TABLE = "<style scoped>.dataframe tbody tr { color: red; }</style><table><tr><th>a</th><td>1</td></tr></table>"
LEADERBOARD = """model,kind,preset,n_test,test_top1,test_top1_low,test_top1_high,ade_px
transformer,network,nano,400,0.5,0.4,0.6,2.0
i3d,network,nano,400,0.7,0.6,0.8,1.5
chance,baseline,,400,0.25,,,
"""


def picture(width=40, height=30):
    """The bytes of a PNG."""
    drawn = io.BytesIO()
    PIL.Image.new("L", (width, height), width % 256).save(drawn, "png")
    return drawn.getvalue()


PNG = base64.b64encode(picture()).decode()


def evil_outputs():
    def data(**kinds):
        return new_output("display_data", {key.replace("_", "/"): value for key, value in kinds.items()})

    return [
        new_output(
            "stream", name="stdout", text=f"<script>alert(8)</script>\x1b[31mred\x1b[0m {ROOT}/x {Path.home()}/y\n"
        ),
        new_output("stream", name="stderr", text="/tmp/ipykernel_12/34.py:1: a warning\n"),
        data(text_html=EVIL, text_plain="plain"),
        data(text_html=TABLE),
        data(text_markdown="# Shown\n\n> quoted\n\n" + EVIL),
        data(image_png=PNG, text_plain="<Figure>"),
        new_output(
            "display_data", {"image/svg+xml": "<svg onload='alert(9)'/>", "application/javascript": "alert(10)"}
        ),
        new_output("error", ename="E", evalue="<b>", traceback=["\x1b[0;31mE\x1b[0m: <script>alert(11)</script>"]),
    ]


def notebook(*cells):
    """A notebook of (heading above it, source) code cells."""
    parts = [(new_markdown_cell(f"## {heading}"), new_code_cell(source)) for heading, source in cells]
    return new_notebook(cells=[cell for pair in parts for cell in pair])


@pytest.fixture
def write_run(tmp_path, monkeypatch):
    """Writes a run into the outputs folder of this test: write_run("tiny", stages={...}, clips=10_000); its folder."""
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))

    def write(name="tiny", stages=None, leaderboard=LEADERBOARD, record=None, notebooks=None, **parameters):
        folder = tmp_path / name
        run = {"run": name, "status": "done", "trajnb": "0.1.0", "python": "3.11.7", "stages": stages or {}}
        run |= {"parameters": Config(run_name=name).replace(**parameters).model_dump()}
        files.write_json(folder / "run.json", run | (record or {}))
        if leaderboard is not None:
            files.write_text(folder / "leaderboard.csv", leaderboard)
        for stage, found in (notebooks or {}).items():
            (folder / stage / "figures").mkdir(parents=True)
            nbformat.write(found, folder / stage / "notebook.ipynb")
        return folder

    return write


@pytest.fixture
def run_dir(write_run):
    """A run that failed, whose notebooks, names, values and tables try to do what they should not."""
    cells = [
        new_markdown_cell(f"# Head\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n`1 < 2`\n\n{EVIL}"),
        new_code_cell("x = '<script>alert(12)</script>'", execution_count=3, outputs=evil_outputs()),
    ]
    stages = {
        "data": {"status": "done", "seconds": 1.0, "own": {"lr": SCRIPT}},
        "train": {"status": "failed", "seconds": 2.0, "error": f"{ROOT}\n{SCRIPT}"},
        "evaluate": {"status": "pending"},
        f"../{SCRIPT}": {"status": SCRIPT, "error": SCRIPT},
    }
    record = {"run": f"tiny {SCRIPT}", "status": "failed", "ended": SCRIPT, "error": SCRIPT, "trajnb": SCRIPT}
    table = LEADERBOARD.replace(
        "transformer,network,nano", f'"{SCRIPT.replace(chr(34), chr(34) * 2)}",network,{SCRIPT[:26]}'
    )
    found = {"data": new_notebook(cells=cells), "train": new_notebook(cells=cells)}
    folder = write_run("tiny", stages, table, record, found)
    (folder / "train" / "notebook.ipynb").rename(folder / "train" / "notebook.failed.ipynb")
    for stage in ("data", "train"):
        (folder / stage / "figures" / "a.png").write_bytes(picture())
    values = files.read_json(folder / "run.json")
    values["parameters"] |= {"motions": [SCRIPT], SCRIPT: SCRIPT}
    files.write_json(folder / "run.json", values)
    return folder


@pytest.fixture
def lab(write_run):
    """A run that is done, with figures, whose cells say which made what; write_run's folder."""
    training = notebook(("Train", "x = 1"), ("Learned", 'figures.save(figure, folder, "learning_curves")'))
    evaluation = notebook(
        ("Leaderboard", "leaderboard.save(board, networks)\nboard"),
        ("Confusion", 'figures.save(figures.confusion(told, f"{cfg.model}"), folder, "confusion")'),
        ("Leaderboard", 'figures.save(\n    figures.standing(board),\n    folder,\n    "standing",\n)'),
        ("Attention", 'for m in x:\n    figures.save(draw(m), folder, f"map_{m}")'),
        ("Turn it", "play.world(cfg, folder)"),
        ("Verdict", "print(report.verdict(board, run))"),
    )
    evaluation.cells[9].outputs = [new_output("display_data", {"image/png": base64.b64encode(picture(9)).decode()})]
    notebooks = {"data": notebook(("Data", "y = 2")), "train-i3d": training, "evaluate": evaluation}
    folder = write_run("lab", {name: {"status": "done", "seconds": 3.0} for name in notebooks}, notebooks=notebooks)
    for name, width in {"confusion": 900, "standing": 50, "map_i3d": 50, "own_world": 9, "left over": 50}.items():
        (folder / "evaluate" / "figures" / f"{name}.png").write_bytes(picture(width))
    (folder / "train-i3d" / "figures" / "learning_curves.png").write_bytes(picture(900))
    (folder / "data" / "figures" / "film_strips.png").write_bytes(picture())
    (folder / "data" / "figures" / "turning.gif").write_bytes(picture())
    (folder / "data" / "figures" / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def linked():
    """Asserts of the HTML pages below a folder that every relative link leads to a file and a place in it."""

    def check(folder):
        pages = {path: BeautifulSoup(path.read_text(), "html.parser") for path in folder.rglob("*.html")}
        for path, page in pages.items():
            for link in [tag.get("href") or tag.get("src") for tag in page(["a", "img"])]:
                if link is None or link.startswith(("data:", "https:", "http:")):
                    continue
                file, _, anchor = link.partition("#")
                target = (path.parent / unquote(file)).resolve() if file else path.resolve()
                assert target.is_file(), f"{path}: {link}"
                assert not anchor or pages[target].find(id=anchor), f"{path}: {link}"
        return pages

    return check
