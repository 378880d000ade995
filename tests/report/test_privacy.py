"""Pages, reports and zips tell neither folders nor names of who made them, and lose no word of their own."""

import getpass
import html
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from trajnb import ROOT, outputs, privacy
from trajnb.report import site

NAME = "marvinq42"
PLACES = [ROOT, Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(sys.base_prefix)]


def logged_in(monkeypatch, name):
    monkeypatch.setattr(getpass, "getuser", lambda: name)


@pytest.fixture
def shared(write_run, monkeypatch):
    """{name: bytes} of every product of a run that says in every place where it was made, and by whom."""
    logged_in(monkeypatch, NAME)
    told = "\n".join([*(f"{place}/x" for place in [*PLACES, outputs()]), f"{NAME} {NAME}@host /home/{NAME}/y"])
    cell = new_code_cell(f"# {told!r}", outputs=[new_output("stream", text=told), *outputs_of(told)])
    record = {"run": f"by {NAME}", "error": told, "trajnb": told, "status": "failed"}
    stages = {"data": {"status": "done"}, "train-i3d": {"status": "failed", "error": told, "own": {"lr": told}}}
    folder = write_run("lab", stages, record=record, notebooks={"data": new_notebook(cells=[cell])})
    with (folder / "leaderboard.csv").open("a") as file:
        file.write(f'"{told}",{NAME},400,0.5,0.4,0.6,2.0\n')
    site.gather(folder.parent)
    with zipfile.ZipFile(site.zipped(folder)) as archive:
        packed = {f"zip:{name}": archive.read(name) for name in archive.namelist()}
    paths = [path for kind in ("html", "md") for path in folder.parent.rglob(f"*.{kind}")]
    return packed | {str(path): path.read_bytes() for path in paths}


def outputs_of(told):
    escaped = html.escape(told)
    return [new_output("display_data", {"text/html": f'<p title="{escaped}" id="{NAME}">{escaped}</p>'})]


def test_no_product_tells_where_and_by_whom_it_was_made(shared):
    assert len(shared) == 8, "three pages and two reports here, and what the zip holds of them"
    for name, data in shared.items():
        text = data.decode()
        assert NAME not in text, name
        for place in [*PLACES, outputs()]:
            assert not re.search(rf"(?<![\w.-]){re.escape(str(place))}(?![\w-])", text), (name, place)


@pytest.mark.parametrize("name", ["root", "random", "data", "table", "main", "figure", "test", "jo"])
def test_a_user_whose_name_is_a_word_of_the_pages_takes_none_away(lab, monkeypatch, name):
    site.build(lab)
    before = (lab / "index.html").read_text()
    logged_in(monkeypatch, name)
    site.build(lab)
    assert (lab / "index.html").read_text() == before


def test_nobody_logged_in_is_no_mistake(monkeypatch):
    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert privacy.scrub("text") == "text"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/alice/lab/x.py:3", "~/lab/x.py:3"),
        ("/Users/bob/x", "~/x"),
        (r"C:\Users\carol\x", r"~\x"),
        (r"'C:\\Users\\carol\\x'", r"'~\\x'"),
        ("https://example.org/home/x", "https://example.org/home/x"),
        ("../home/x", "../home/x"),
        (f'<a href="data/notebook.html">{NAME}</a>', '<a href="data/notebook.html">user</a>'),
        (f'<a href="{NAME}/index.html">x</a>', f'<a href="{NAME}/index.html">x</a>'),
        (f'<a href="https://x.org/{NAME}">x</a>', '<a href="https://x.org/user">x</a>'),
        (f"{NAME}s {NAME}_x", f"{NAME}s user_x"),
        (f'<img src="data:image/png;base64,{NAME}">', f'<img src="data:image/png;base64,{NAME}">'),
        ("/x/ipykernel_7/8.py:1: w", "cell:1: w"),
        (rf"'a\n{NAME}\t/home/alice/x'", r"'a\nuser\t~/x'"),
    ],
)
def test_what_is_taken_and_what_is_left(monkeypatch, text, left):
    logged_in(monkeypatch, NAME)
    assert privacy.scrub(text) == left


def test_folders_inside_one_another_and_beside(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "a & b"))
    assert privacy.scrub(f"{tmp_path}/a &amp; b/run") == "outputs/run"
    assert "outputs" not in privacy.scrub(f"{tmp_path}/a & b-2/x")
    assert privacy.scrub(f"see {ROOT}.") == "see .."


def test_the_vocabulary_is_the_lab_s_own():
    assert {"random", "leaderboard", "transformer", "epochs"} <= privacy.vocabulary()
    assert NAME not in privacy.vocabulary()
