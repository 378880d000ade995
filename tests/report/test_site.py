"""The site: the same bytes twice, nothing from elsewhere, nothing that runs, and all that should be seen."""

import os
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_output

from trajnb import ROOT, files
from trajnb.report import site

WIDE = 10_000  # clips enough for a result


def read(folder):
    """{name: text} of all pages and reports below a folder."""
    paths = [path for kind in ("html", "md") for path in folder.rglob(f"*.{kind}")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


@pytest.fixture
def pages(run_dir):
    site.build(run_dir)
    site.gather(run_dir.parent)
    found = read(run_dir.parent)
    return {name.removeprefix("tiny/"): text for name, text in found.items() if name.endswith("html")} | {
        "all": found["index.html"]
    }


def index(folder):
    site.build(folder)
    return BeautifulSoup((folder / "index.html").read_text(), "html.parser")


def test_the_same_files_give_the_same_bytes(run_dir):
    site.build(run_dir)
    site.gather(run_dir.parent)
    packed, first = site.zipped(run_dir).read_bytes(), read(run_dir.parent)
    assert sorted(first) == [
        "index.html",
        "tiny/REPORT.md",
        "tiny/data/notebook.html",
        "tiny/index.html",
        "tiny/train/notebook.html",
    ]
    for path in run_dir.rglob("*"):
        os.utime(path, (1e9, 1e9))
    site.gather(run_dir.parent)
    assert site.zipped(run_dir).read_bytes() == packed
    assert read(run_dir.parent) == first


def test_nothing_runs_and_nothing_is_loaded_from_elsewhere(pages):
    for text in pages.values():
        page = BeautifulSoup(text, "html.parser")
        assert not page(["script", "iframe", "object", "embed", "svg", "math", "form", "base", "link", "input"])
        assert [tag["http-equiv"] for tag in page("meta") if tag.get("http-equiv")] == ["Content-Security-Policy"]
        assert "default-src 'none'" in page.find("meta", attrs={"http-equiv": True})["content"]
        for tag in page(True):
            assert not [name for name in tag.attrs if name.startswith("on") or name == "style"]
            assert re.match(r"data:image/png;base64,|data/figures/", tag.get("src", "data/figures/"))
            assert re.match(r"#|[\w./-]+(#[\w-]+)?$", tag.get("href", "#"))
        assert "url(" not in text
        assert "evil.example" not in text


def test_no_text_of_a_run_becomes_a_tag(pages, run_dir):
    for text in pages.values():
        assert not re.search(r"<[^>]*alert", text)
    shown = BeautifulSoup(pages["index.html"], "html.parser").text
    assert shown.count("alert(13)") >= 10, "run, ended, status, errors, parameters, stage name, table: shown as text"
    assert not re.search(r"<(script|img)", (run_dir / "REPORT.md").read_text())
    assert not (run_dir.parent / "notebook.html").exists()


def test_no_cell_can_be_imitated(pages):
    assert len(BeautifulSoup(pages["data/notebook.html"], "html.parser")(id="cell-1")) == 1


def test_what_should_be_seen_is_there(pages):
    page = BeautifulSoup(pages["data/notebook.html"], "html.parser")
    assert [tag.text for tag in page("h1")] == ["Head", "Shown"]
    assert "Kept" in [tag.text for tag in page("h2")]
    assert len(page("blockquote")) == 2
    assert [cell.text for cell in page("td")] == ["1", "2", "1"]
    assert "1 < 2" in [tag.text for tag in page("code")]
    assert page.find("img", src=re.compile("data:image/png;base64,iVBOR"))
    assert page.find("span", class_="ansi-red-fg").text == "red"
    assert page.find("details").find("summary").text == "code [3]"
    assert "alert(12)" in page.find("details").text
    assert "dataframe tbody" not in page.text
    assert page.find("meta", attrs={"name": "viewport"})


def test_lines_printed_one_by_one_stand_in_one_box(lab):
    notebook = nbformat.read(lab / "data" / "notebook.ipynb", 4)
    notebook.cells[1].outputs = [new_output("stream", text=f"epoch {n}\n") for n in range(3)]
    nbformat.write(notebook, lab / "data" / "notebook.ipynb")
    site.build(lab)
    page = BeautifulSoup((lab / "data" / "notebook.html").read_text(), "html.parser")
    assert [box.text for box in page(class_="outputs")] == ["epoch 0\nepoch 1\nepoch 2\n"]


def test_no_folder_of_this_machine(pages, tmp_path, run_dir):
    site.zipped(run_dir)
    with zipfile.ZipFile(run_dir / "tiny-site.zip") as archive:
        packed = [archive.read(name).decode(errors="replace") for name in archive.namelist()]
    for text in [*pages.values(), *packed]:
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


@pytest.mark.parametrize("status", ["failed", "timed out", "killed", "stopped", "not run", "running"])
def test_a_stage_that_did_not_finish_says_how_and_why(lab, status):
    run = files.read_json(lab / "run.json")
    error = "\n".join(["\x1b[31mtrain-i3d ended:\x1b[0m", *(f"line {n}" for n in range(40))])
    run["stages"]["train-i3d"] = {"status": status, "error": error}
    files.write_json(lab / "run.json", run | {"status": status})
    page = index(lab)
    row = next(row for row in page("tr") if "train-i3d" in row.text)
    assert [cell.text for cell in row("td")] == ["train-i3d", status, ""]
    assert bool(row.find(class_="alarm")) == (status not in ("not run", "running"))
    assert "train-i3d ended:\nline 0\nline 1" in page.find("pre", class_="error").text
    assert "line 20" not in page.text
    assert not page.find("img", src=re.compile("train-i3d"))


def test_an_error_leads_to_the_cell_that_raised(pages):
    page = BeautifulSoup(pages["index.html"], "html.parser")
    assert page.find(string=re.compile("stopped in")).parent.find("a", href="train/notebook.html#cell-1")


def test_a_smoke_run_wears_its_badge_on_every_page(lab, write_run):
    site.build(lab)
    found = [path for path in lab.rglob("*.html")]
    assert len(found) == 4
    assert all(BeautifulSoup(path.read_text(), "html.parser").find(class_="badge").text == "SMOKE" for path in found)
    write_run("lab", {"data": {"status": "done"}}, clips=WIDE, test_clips=WIDE)
    site.build(lab)
    assert not [path for path in (lab / "index.html", lab / "data/notebook.html") if "SMOKE" in path.read_text()]


def test_a_forced_run_wears_its_badge_on_every_page(lab, tmp_path):
    found = files.read_json(lab / "run.json") | {"forced": "FORCED: made of data that are worth <nothing>"}
    files.write_json(lab / "run.json", found)
    site.build(lab)
    site.gather(lab.parent)
    for path in [*lab.rglob("*.html"), lab.parent / "index.html"]:
        badges = BeautifulSoup(path.read_text(), "html.parser").find_all(class_="badge")
        assert "FORCED" in [badge.text for badge in badges]
        assert "FORCED: made of data that are worth <nothing>" in [badge["title"] for badge in badges]
    assert "FORCED: made of data" in (lab / "REPORT.md").read_text()


def test_results_and_the_cells_that_made_them_lead_to_one_another(lab, linked):
    page = index(lab)
    maker = {figure.img["src"]: figure.figcaption.a and figure.figcaption.a["href"] for figure in page("figure")}
    assert maker == {
        "evaluate/figures/standing.png": "evaluate/notebook.html#cell-3",
        "evaluate/figures/confusion.png": "evaluate/notebook.html#cell-2",
        "evaluate/figures/map_i3d.png": "evaluate/notebook.html#cell-4",
        "evaluate/figures/own_world.png": "evaluate/notebook.html#cell-5",
        "evaluate/figures/left%20over.png": None,
        "train-i3d/figures/learning_curves.png": "train-i3d/notebook.html#cell-2",
        "data/figures/film_strips.png": None,
        "data/figures/turning.gif": None,
    }
    sources = [tag.a["href"] for tag in page(class_="source") if tag.a]
    assert sources == ["evaluate/notebook.html#cell-6", "evaluate/notebook.html#cell-1"], "verdict, leaderboard"
    evaluation = linked(lab)[lab / "evaluate" / "notebook.html"]
    back = {cell["id"]: [a.text for a in cell(href=re.compile("index.html#"))] for cell in evaluation(class_="cell")}
    assert [back[f"cell-{n}"] for n in (1, 2, 3, 6)] == [["Leaderboard"], ["Confusion"], ["Standing"], ["Verdict"]]


def test_figures_stand_in_a_reader_s_order_under_words(lab):
    page = index(lab)
    assert [tag.b.text for tag in page("figcaption")] == [
        "Standing",
        "Confusion",
        "Map i3d",
        "Own world",
        "Left over",
        "Learning curves, i3d",
        "Film strips",
        "Turning",
    ]
    assert [tag.text for tag in page("h3")] == ["Evaluate", "Trainings", "Data"]
    assert [tag.img["title"] for tag in page("figure", class_="broad")] == ["evaluate/figures/confusion.png"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("evaluate/notebook.ipynb", b'{"cells": [{"cell_ty', "evaluate: notebook.ipynb cannot be read"),
        ("evaluate/notebook.ipynb", b"", "evaluate: notebook.ipynb cannot be read"),
        ("evaluate/notebook.ipynb", b"[]", "evaluate: notebook.ipynb cannot be read"),
        ("evaluate/notebook.ipynb", b"\xff\xfe", "evaluate: notebook.ipynb cannot be read"),
        ("evaluate/notebook.ipynb", b'{"nbformat": 4, "cells": 3}', "evaluate: notebook.ipynb cannot be read"),
        ("leaderboard.csv", b"", "leaderboard.csv cannot be read"),
        ("leaderboard.csv", b"model,pre", "leaderboard.csv cannot be read"),
        ("leaderboard.csv", b"\xff\xfe\x00", "leaderboard.csv cannot be read"),
        ("comparisons.csv", b"fir", "comparisons.csv cannot be read"),
        ("leaderboard.csv", None, "There is no leaderboard yet."),
        ("evaluate/notebook.ipynb", None, "evaluate: its notebook is missing"),
        ("evaluate/figures/standing.png", b"\x89PNG cut", "Standing"),
    ],
)
def test_what_is_cut_or_missing_is_said(lab, name, data, words, linked):
    site.build(lab)
    (lab / name).unlink(missing_ok=True) if data is None else (lab / name).write_bytes(data)
    assert words in index(lab).text
    linked(lab)
    site.zipped(lab)
    site.gather(lab.parent)
    if words.startswith("evaluate: notebook"):
        assert "cannot be read" in (lab / "evaluate" / "notebook.html").read_text()


def test_a_stage_without_its_folder_still_makes_a_site(lab, linked):
    site.build(lab)
    for path in sorted((lab / "evaluate").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (lab / "evaluate").rmdir()
    assert "evaluate: its notebook is missing" in index(lab).text
    linked(lab)


def test_a_page_goes_with_its_notebook(lab):
    site.build(lab)
    (lab / "data" / "notebook.ipynb").unlink()
    site.build(lab)
    assert not (lab / "data" / "notebook.html").exists()


def test_the_zip_holds_the_site_alone_and_opens_anywhere(lab, tmp_path, linked):
    for name in ("log.txt", "checkpoints/step-1.pt", "final.safetensors", "predictions/i3d.parquet", "history.csv"):
        files.write_text(lab / "evaluate" / name, "not to be shared")
    files.write_text(tmp_path / "secret.txt", "not to be shared")
    (lab / "evaluate" / "figures" / "secret.png").symlink_to(tmp_path / "secret.txt")
    (lab / "comparisons.csv").symlink_to(tmp_path / "secret.txt")
    path = site.zipped(lab)
    assert path == lab / "lab-site.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        archive.extractall(tmp_path / "elsewhere")
    assert names == sorted(names)
    figures = ["confusion", "left over", "map_i3d", "own_world", "standing"]
    assert names == [
        "lab/REPORT.md",
        "lab/data/figures/film_strips.png",
        "lab/data/figures/turning.gif",
        "lab/data/notebook.html",
        *(f"lab/evaluate/figures/{name}.png" for name in figures),
        "lab/evaluate/notebook.html",
        "lab/index.html",
        "lab/leaderboard.csv",
        "lab/train-i3d/figures/learning_curves.png",
        "lab/train-i3d/notebook.html",
    ]
    linked(tmp_path / "elsewhere")


def test_a_full_disk_leaves_the_old_zip(lab, monkeypatch):
    old, write = site.zipped(lab).read_bytes(), files.write_bytes

    def refuse(path, data):
        if path.suffix == ".zip":
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(files, "write_bytes", refuse)  # which is atomic
    with pytest.raises(OSError):
        site.zipped(lab)
    assert (lab / "lab-site.zip").read_bytes() == old


@pytest.mark.parametrize("name", ["../other", "/", "..", ".", "", "a/b", "C:x", "data\n"])
def test_no_stage_is_outside_its_run(lab, write_run, name):
    other = write_run("other", notebooks={"data": nbformat.read(lab / "data" / "notebook.ipynb", 4)}) / "data"
    for found in ("notebook.ipynb", "figures"):
        (other / found).rename(other.parent / found)
    (other.parent / "figures" / "a.png").write_bytes(b"another run's")
    run = files.read_json(lab / "run.json")
    files.write_json(lab / "run.json", run | {"stages": {name: {"status": "done"}}})
    page = index(lab)
    assert "no folder can have this name" in page.text
    assert not page("figure")
    assert not [path for path in other.parent.rglob("*.html")]


def test_the_gathered_page_has_a_row_for_each_run(lab, write_run, tmp_path, linked):
    write_run("big", {"data": {"status": "done", "seconds": 61.4}}, clips=WIDE, test_clips=WIDE)
    write_run("stuck", {"data": {"status": "killed"}}, None, {"status": "killed", "ended": "2026-11-24T10:15:00+00:00"})
    files.write_text(tmp_path / "cut" / "run.json", '{"run": "cu')
    (tmp_path / "no run").mkdir()
    site.build(lab)
    path = site.gather(tmp_path)
    assert path == tmp_path / "index.html"
    page = BeautifulSoup(path.read_text(), "html.parser")
    rows = [[cell.text for cell in row("td")] for row in page.find("tbody")("tr")]
    best = ["i3d", "0.700 (0.600 to 0.800)", "1.50"]
    assert rows == [
        ["stuck SMOKE", "killed", "2026-11-24 10:15", "", "", "", "0"],
        ["big", "done", "", *best, "61"],
        ["cut", "unreadable", "", "", "", "", ""],
        ["lab SMOKE", "done", "", *best, "9"],
    ]
    assert [tag["href"] for tag in page("a")] == ["lab/index.html"], "only what is there"
    assert "cut/run.json is no whole JSON" in page.text
    assert "default-src 'none'" in page.find("meta", attrs={"http-equiv": True})["content"]
    linked(tmp_path)


def test_nothing_gathered_is_no_mistake(tmp_path):
    assert "There are no runs yet." in site.gather(tmp_path).read_text()
