"""The site: the same bytes twice, nothing from elsewhere, nothing that runs, and all that should be seen."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from trajnb import ROOT, files
from trajnb.config import Config
from trajnb.report import site

PNG = base64.b64encode(b"\x89PNG not really").decode()
EVIL = """<h2 onclick="alert(1)">Kept</h2><script>alert(2)</script><img src=x onerror="alert(3)">
<img src="https://evil.example/x.png"><iframe src="https://evil.example"></iframe><svg onload="alert(4)"></svg>
<a href="javascript:alert(5)">one</a><a href="JaVa&#09;script:alert(6)">two</a><a href="data:text/html,x">three</a>
<style>body { background: url(https://evil.example/y.png) }</style><link rel="stylesheet" href="https://evil.example/z">
<form action="https://evil.example"><input name="a"></form><base href="https://evil.example/"><p style="top: 0">b</p>
<math><mtext><style><img src=x onerror=alert(7)></style></mtext></math><meta http-equiv="refresh" content="0;url=x">"""
TABLE = "<style scoped>.dataframe tbody tr { color: red; }</style><table><tr><th>a</th><td>1</td></tr></table>"


def outputs():
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


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    folder = Config(run_name="tiny").run_dir
    cells = [
        new_markdown_cell(f"# Head\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n`1 < 2`\n\n{EVIL}"),
        new_code_cell("x = '<script>alert(12)</script>'", execution_count=3, outputs=outputs()),
    ]
    (folder / "data" / "figures").mkdir(parents=True)
    (folder / "train" / "figures").mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells), folder / "data" / "notebook.ipynb")
    nbformat.write(new_notebook(cells=cells), folder / "train" / "notebook.failed.ipynb")
    for stage in ("data", "train"):
        (folder / stage / "figures" / "a.png").write_bytes(base64.b64decode(PNG))
    stages = {
        "data": {"status": "done", "seconds": 1.0},
        "train": {"status": "failed", "seconds": 2.0, "error": f"{ROOT}"},
        "evaluate": {"status": "pending"},
    }
    record = {"run": "tiny", "status": "failed", "trajnb": "0.1.0", "python": "3.11.7", "stages": stages}
    files.write_json(folder / "run.json", record | {"parameters": Config(run_name="tiny").model_dump()})
    (folder / "leaderboard.csv").write_text(
        "model,preset,n_test,test_top1,test_top1_low,test_top1_high,ade_px\n"
        "transformer,<script>nano,400,0.5,0.4,0.6,2.0\nchance,,400,0.25,,,\n"
    )
    return folder


@pytest.fixture
def pages(run_dir):
    index = site.build(run_dir)
    return {path.relative_to(run_dir).as_posix(): path.read_text() for path in [index, *run_dir.glob("*/*.html")]}


def test_the_same_files_give_the_same_bytes(run_dir, pages):
    site.build(run_dir)
    assert sorted(pages) == ["data/notebook.html", "index.html", "train/notebook.html"]
    assert {name: (run_dir / name).read_text() for name in pages} == pages


def test_nothing_runs_and_nothing_is_loaded_from_elsewhere(pages):
    for text in pages.values():
        page = BeautifulSoup(text, "html.parser")
        assert not page(["script", "iframe", "object", "embed", "svg", "math", "form", "base", "link", "input"])
        assert [tag["http-equiv"] for tag in page("meta") if tag.get("http-equiv")] == ["Content-Security-Policy"]
        for tag in page(True):
            assert not [name for name in tag.attrs if name.startswith("on") or name == "style"]
            assert re.match(r"data:image/png;base64,|data/figures/", tag.get("src", "data/figures/"))
            assert re.match(r"#|[\w./-]+$", tag.get("href", "#"))
        assert "url(" not in text
        assert "evil.example" not in text


def test_what_should_be_seen_is_there(pages):
    page = BeautifulSoup(pages["data/notebook.html"], "html.parser")
    assert [tag.text for tag in page("h1")] == ["Head", "Shown"]
    assert "Kept" in [tag.text for tag in page("h2")]
    assert len(page("blockquote")) == 2
    assert [cell.text for cell in page("td")] == ["1", "2", "1"]
    assert "1 < 2" in [tag.text for tag in page("code")]
    assert page.find("img", src=f"data:image/png;base64,{PNG}")
    assert page.find("span", class_="ansi-red-fg").text == "red"
    assert page.find("details").find("summary").text == "code [3]"
    assert "alert(12)" in page.find("details").text
    assert "dataframe tbody" not in page.text
    assert page.find("meta", attrs={"name": "viewport"})


def test_no_folder_of_this_machine(pages, tmp_path):
    for text in pages.values():
        assert not [place for place in (ROOT, Path.home(), tmp_path, "/tmp/ipykernel") if f"{place}/" in text]


def test_the_index_says_how_every_stage_ended(pages):
    page = BeautifulSoup(pages["index.html"], "html.parser")
    rows = [[cell.text for cell in row("td")] for row in page("tr")]
    assert ["data", "done", "1.0"] in rows
    assert ["train", "failed", "2.0"] in rows
    assert ["evaluate", "pending", ""] in rows
    assert "This run is failed" in page.text
    assert "not a result" in pages["train/notebook.html"]
    assert [tag["src"] for tag in page("img")] == ["data/figures/a.png"]  # none of a stage that failed
    links = {tag["href"] for tag in page("a")}
    assert {"data/notebook.html", "train/notebook.html", "leaderboard.csv", "REPORT.md"} <= links
    assert "prefers-color-scheme: dark" in pages["index.html"]
