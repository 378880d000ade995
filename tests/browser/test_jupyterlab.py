"""The notebooks as a person uses them: JupyterLab as `make lab` starts it, in a real browser.

Only the tour runs unasked. Others by name: BROWSER_NOTEBOOKS="01_data 02_train" pytest tests/browser; with
BROWSER_SHOTS=FOLDER each notebook leaves a picture of its whole page there.
"""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
import pytest

from trajnb import ROOT, files, outputs
from trajnb.runs import stages

NAMES = os.environ.get("BROWSER_NOTEBOOKS", "00_tour").split()
TOKEN = "a-token-for-this-test"
START_S, RUN_S, REDRAW_S, END_S = 60, 1200, 60, 20  # limits; the longest for trainings on a busy machine
SETTINGS = "config/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
ENDED = r"""count => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent);
  const failed = document.querySelector('[data-mime-type="application/vnd.jupyter.error"]');
  return failed || (prompts.length === count && prompts.every(text => /^\[\d+\]:?$/.test(text.trim())));
}"""
ALL_HEIGHT = "Math.max(...[...document.querySelectorAll('.jp-NotebookPanel *')].map(one => one.scrollHeight))"

pytestmark = pytest.mark.slow


class Lab(NamedTuple):
    """A running server: its address, its working folder, its process."""

    url: str
    folder: Path
    process: subprocess.Popen


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """JupyterLab as `make lab` starts it, on copies of the notebooks; ended with all its kernels."""
    folder, port = tmp_path_factory.mktemp("lab"), free_port()
    copy_notebooks(folder / "notebooks")
    files.write_json(folder / SETTINGS, {"windowingMode": "none"})  # every cell is in the page, not only those in view
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(command(port), cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        wait_for(one := Lab(f"http://127.0.0.1:{port}", folder, process))
        yield one
    finally:
        end(process)


def copy_notebooks(folder):
    """Copies without outputs: what is seen there was made there, and the committed files stay as they are."""
    folder.mkdir()
    for path in stages.NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
            cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / path.name)


def command(port):
    """The Makefile's own command, at a given port, without a window, and as root where we are root."""
    printed = subprocess.run(
        ["make", "-n", "--no-print-directory", "lab"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    words = shlex.split(printed.splitlines()[-1])
    assert words[:3] == [".venv/bin/python", "-m", "jupyterlab"]
    more = ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    return [sys.executable, *words[1:], *more]


def environment(folder):
    """This process's, with the token and without the person's own settings; bars and sliders are on."""
    own = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    kept = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    return own | kept | {"JUPYTER_TOKEN": TOKEN, "IPYTHONDIR": str(folder / "ipython")}


def free_port():
    """A port of this machine that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(lab):
    """Wait until the server answers; AssertionError with the end of its log when it does not."""
    start = time.monotonic()
    while time.monotonic() - start < START_S and lab.process.poll() is None:
        with contextlib.suppress(OSError):
            if answer(f"{lab.url}/api/status?token={TOKEN}")[0] == 200:
                return
        time.sleep(0.1)
    raise AssertionError("JupyterLab did not start:\n" + (lab.folder / "log.txt").read_text()[-3000:])


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: where a redirect leads is for the test to see."""

    def redirect_request(self, *arguments):
        return None


def answer(url):
    """(HTTP status, where it redirects to or None) of a page."""
    try:
        with urllib.request.build_opener(NoRedirect).open(url, timeout=10) as found:
            return found.status, None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Location"]


def end(process):
    """End the server, then whatever is left of its kernels and their children."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    process.kill()
    process.wait()
    for left in psutil.wait_procs(family, timeout=END_S)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()


def run_all(page, lab, name):
    """Open a notebook of the server's folder in JupyterLab, Run All Cells, and wait until it has ended or failed."""
    cells = nbformat.read(lab.folder / "notebooks" / f"{name}.ipynb", as_version=4).cells
    page.goto(f"{lab.url}/lab/tree/notebooks/{name}.ipynb?reset&token={TOKEN}")
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()  # earlier, JupyterLab would ask for a kernel
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("#jp-mainmenu-run").get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(ENDED, arg=sum(cell.cell_type == "code" for cell in cells), timeout=1000 * RUN_S)


def complaints(page):
    """Texts of the error outputs and of all that stands there in red, written to stderr."""
    kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
    return [text for kind in kinds for text in page.locator(f'[data-mime-type="{kind}"]').all_inner_texts()]


def keep_picture(page, name):
    """A picture of the whole notebook, where BROWSER_SHOTS says."""
    if folder := os.environ.get("BROWSER_SHOTS"):
        page.set_viewport_size({"width": 1400, "height": int(page.evaluate(ALL_HEIGHT)) + 200})
        page.evaluate("document.querySelectorAll('.jp-NotebookPanel *').forEach(one => one.scrollTop = 0)")
        page.wait_for_timeout(2000)
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_it_listens_on_this_machine_only_and_refuses_whom_it_does_not_know(lab):
    sockets = psutil.Process(lab.process.pid).net_connections(kind="inet")
    assert {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert answer(f"{lab.url}/api/contents")[0] == 403
    assert answer(f"{lab.url}/api/contents?token=wrong")[0] == 403
    assert answer(f"{lab.url}/api/contents?token={TOKEN}")[0] == 200
    status, place = answer(f"{lab.url}/lab/tree/notebooks/00_tour.ipynb")
    assert status == 302 and place.startswith("/login")


def test_a_newcomer_lands_in_the_tour_and_nothing_is_fetched_from_elsewhere(lab, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{lab.url}/?token={TOKEN}")
    page.get_by_role("heading", name="A tour in two minutes").wait_for()
    page.wait_for_timeout(3000)  # what starts late may ask late
    assert page.url == f"{lab.url}/lab/tree/notebooks/00_tour.ipynb"
    assert [url for url in asked if not url.startswith((lab.url, "data:", "blob:"))] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_top_to_bottom(lab, page, name):
    if name == "00_tour":  # a tour of other code must not stand in; the new one is there for nbval afterwards
        shutil.rmtree(outputs() / "tour", ignore_errors=True)
    run_all(page, lab, name)
    keep_picture(page, name)
    assert complaints(page) == []
    notebook = nbformat.read(stages.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    pictures = [out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert page.locator(".jp-OutputArea-output img").count() == len(pictures) > 0
    if name == "00_tour":
        sliders_redraw(page)


def sliders_redraw(page):
    """Every slider of both panels, turned by the keyboard, and every motion chosen, changes the picture below it."""
    panels = page.locator(".jp-OutputArea-output .widget-vbox").filter(has=page.locator("img.widget-image"))
    assert panels.count() == 2
    for panel in panels.all():
        picture, handles = panel.locator("img.widget-image"), panel.locator(".noUi-handle")
        assert handles.count() == 5
        for handle in handles.all():
            changes(page, picture, lambda handle=handle: handle.press("PageUp"))
        changes(page, picture, panel.get_by_role("button", name="circular").click)


def changes(page, picture, act):
    """Do it, and wait until another picture stands there."""
    before, old = picture.get_attribute("src"), picture.screenshot()
    act()
    page.wait_for_function(
        "([one, before]) => one.src !== before && one.complete && one.naturalWidth > 0",
        arg=[picture.element_handle(), before],
        timeout=1000 * REDRAW_S,
    )
    assert picture.screenshot() != old
