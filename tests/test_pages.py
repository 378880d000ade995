"""The pages of a run: nothing that runs or is requested, links that resolve, no folder of this machine."""

import re
import tempfile
import zipfile
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from trajnb import ROOT, files, pages

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
EVIL = """<script>alert(1)</script><img src="https://evil.example/x.png"><img src=x onerror="alert(2)">
<iframe src="https://evil.example"></iframe><a href="javascript:alert(3)">one</a><style>@import url(//evil)</style>
<link rel="stylesheet" href="//evil.example/z"><p style="top: 0" onclick="alert(4)">kept</p><svg onload="alert(5)">"""
TABLE = "<table border='1' class='dataframe'><tr><th>accuracy</th><td>0.5</td></tr></table>"


def outputs_of_a_cell():
    """One of each kind that a notebook may hold, and what should not be seen."""
    kinds = [{"text/html": TABLE + EVIL}, {"text/markdown": "> **answer**\n\n" + EVIL}, {"text/plain": "1 < 2"}]
    kinds += [{other: "alert(6)", "text/plain": "other"} for other in ("application/javascript", "image/svg+xml")]
    shown = [new_output("display_data", data) for data in kinds]
    shown += [new_output("display_data", {"image/png": PNG}, metadata={"image/png": {"alt": "a chart"}})]
    shown += [new_output("stream", text=f"\x1b[31m{line}\x1b[0m {ROOT}/trajnb\n") for line in ("first", "second")]
    warning = f"{tempfile.gettempdir()}/ipykernel_12/3.py: {Path.home()}/x <script>alert(8)"
    shown += [new_output("stream", name="stderr", text=warning)]
    return [*shown, new_output("error", ename="E", evalue="", traceback=["\x1b[31mE\x1b[0m: <script>alert(9)"])]


def notebook(title):
    links = "[page](attention/notebook.html) [notebook](01_data.ipynb) [web](https://example.org/a)"
    cells = [new_markdown_cell(f"# {title}\n\n`1 < 2` {links if title == 'Question' else ''}\n\n{EVIL}")]
    return new_notebook(cells=[*cells, new_code_cell("x = '<b>'", execution_count=1, outputs=outputs_of_a_cell())])


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run of three executed notebooks and one that failed."""
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    for step, title in {"report": "Question", "train-i3d": "Train", "attention": "Data & clips"}.items():
        (tmp_path / "tiny" / step).mkdir(parents=True)
        nbformat.write(notebook(title), tmp_path / "tiny" / step / "notebook.ipynb")
    files.write_text(tmp_path / "tiny" / "evaluate" / "notebook.failed.ipynb", "{}")
    return tmp_path / "tiny"


@pytest.fixture
def built(run_dir):
    """{path below the run: page} of all its pages."""
    return {path.relative_to(run_dir).as_posix(): read(path) for path in pages.build("tiny")}


def read(path):
    return BeautifulSoup(path.read_text(), "html.parser")


def test_each_executed_notebook_has_its_page_and_every_page_links_to_all(built):
    assert list(built) == (names := ["index.html", "train-i3d/notebook.html", "attention/notebook.html"])
    for path, page in built.items():
        up = "" if path == "index.html" else "../"
        links = page.find("nav")("a")
        assert [tag["href"] for tag in links] == [up + name for name in names]
        assert [tag.text for tag in links] == ["Report", "Train I3D", "Attention"]
        assert page.find(attrs={"aria-current": "page"})["href"] == up + path


def test_training_runs_of_further_seeds_are_linked_by_the_report_alone(run_dir):
    (run_dir / "train-i3d").rename(run_dir / "train-i3d-s0")
    (run_dir / "train-i3d-s1").mkdir()
    nbformat.write(notebook("Train"), run_dir / "train-i3d-s1" / "notebook.ipynb")
    for path in pages.build("tiny"):
        nav = read(path).find("nav").text
        assert "I3D S0" in nav and ("I3D S1" in nav) == (path.parent.name == "train-i3d-s1")


def test_nothing_runs_and_nothing_is_requested(built):
    for page in built.values():
        assert not page(["script", "iframe", "object", "embed", "svg", "math", "form", "base", "link", "input"])
        assert "default-src 'none'" in page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
        for tag in page(True):
            assert not [name for name in tag.attrs if name.startswith("on") or name == "style"]
            assert tag.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert "evil.example" not in str(page) and "url(" not in str(page)


def test_links_lead_to_pages_or_to_the_web(built):
    links = [tag.get("href") for tag in built["index.html"].find("section")("a")]
    assert links == ["attention/notebook.html", None, "https://example.org/a", None]


def test_a_page_has_language_title_width_and_alternative_texts(built):
    assert [page.title.text for page in built.values()] == ["tiny: Question", "tiny: Train", "tiny: Data & clips"]
    for page in built.values():
        assert page.html["lang"] == "en"
        assert "width=device-width" in page.find("meta", attrs={"name": "viewport"})["content"]
        assert [tag["alt"] for tag in page("img") if "src" in tag.attrs] == ["a chart"]
        assert "prefers-color-scheme: dark" in page.style.text


def test_code_is_folded_in_place_and_at_the_end_of_the_report(built):
    for path, page in built.items():
        code = page.find("details", class_="code")
        assert not code.has_attr("open") and "x = '<b>'" in code.text and len(page(class_="highlight")) == 1
        assert code.summary.text == ("Code of this page" if path == "index.html" else "code [1]")


def test_what_a_notebook_shows_is_there(built):
    page = built["attention/notebook.html"]
    assert [tag.text for tag in page("td")] == ["0.5"]
    assert page.find("table").parent["class"] == ["wide"]
    assert page.find("blockquote").text.strip() == "answer"
    assert "1 < 2" in [tag.text for tag in page("code")] and "1 < 2" in [tag.text for tag in page("pre")]
    assert page.find("span", class_="ansi-red-fg").text == "first"
    assert [tag for tag in page("pre") if "first" in tag.text and "second" in tag.text], "two goes, one box"
    assert "kept" in [tag.text for tag in page("p")]
    assert not re.search(r"alert\([12356]\)|@import", page.text)


def test_no_folder_of_this_machine(built):
    for text in map(str, built.values()):
        assert not [place for place in (ROOT, Path.home(), f"{tempfile.gettempdir()}/ipykernel") if f"{place}/" in text]
        assert "./trajnb" in text and "~/x" in text


def test_a_run_without_a_report_has_a_front_page(run_dir):
    (run_dir / "report" / "notebook.ipynb").unlink()
    page = read(pages.build("tiny")[0])
    assert "This run has no report." in page.text
    assert [tag["href"] for tag in page("a")] == ["index.html", "train-i3d/notebook.html", "attention/notebook.html"]


def test_the_command_packs_the_pages(run_dir, capsys):
    pages.main("tiny", "--zip")
    assert capsys.readouterr().out.strip() == str(run_dir / "tiny.zip")
    with zipfile.ZipFile(run_dir / "tiny.zip") as archive:
        assert archive.namelist() == ["tiny/index.html", "tiny/train-i3d/notebook.html", "tiny/attention/notebook.html"]
        assert archive.read("tiny/index.html") == (run_dir / "index.html").read_bytes()


@pytest.mark.parametrize("name", ["nothing", "../tiny"])
def test_a_run_that_is_not_there_is_one_sentence(run_dir, name):
    sentence = rf"^{name}: there is no executed notebook in .*: run it first, or check its name.$"
    with pytest.raises(SystemExit, match=sentence):
        pages.main(name)


@pytest.mark.parametrize("data", [b"", b'{"cells": [{"cell_ty', b"[]", b"\xff\xfe", b'{"nbformat": 4, "cells": 3}'])
def test_half_a_notebook_is_one_sentence(run_dir, data):
    (run_dir / "attention" / "notebook.ipynb").write_bytes(data)
    with pytest.raises(SystemExit, match=r"^attention/notebook.ipynb is no whole notebook: run this step again.$"):
        pages.main("tiny")
