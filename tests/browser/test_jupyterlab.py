"""JupyterLab as `make lab` starts it, in a real browser: it opens the tour, whose cells run and show their picture."""

import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import psutil
import pytest

from tests import servers
from trajnb import ROOT

TOKEN = "a-token-for-this-test"
TOUR = "notebooks/00_tour.ipynb"
START_S, END_S = 60, 30

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """(address, process) of JupyterLab on a copy of the tour that ends with its first figure."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    tour = nbformat.read(ROOT / TOUR, as_version=4)
    last = next(number for number, cell in enumerate(tour.cells) if "film_strips" in cell.source)
    tour.cells = tour.cells[: last + 1]
    for cell in tour.cells:
        cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
    nbformat.write(tour, folder / TOUR)
    port = servers.free_port()
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTER_TOKEN": TOKEN, "IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(ROOT)}
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(command(port), cwd=folder, env=os.environ | own, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}", process, folder / "log.txt")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()  # it ends its kernels
        process.wait(END_S)


def command(port):
    """The Makefile's own command, at a given port, without a window, and as root where we are root."""
    printed = subprocess.run(["make", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(next(line for line in printed.splitlines() if "jupyterlab" in line))
    more = ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    return [sys.executable, *words[words.index("-m") :], *more]


def wait_for(address, process, log):
    """Wait until the server answers; AssertionError with the end of its log if it does not."""
    start = time.monotonic()
    while status(f"{address}/api/status?token={TOKEN}") != 200:
        assert process.poll() is None and time.monotonic() - start < START_S, log.read_text()[-3000:]
        time.sleep(0.1)


def status(url):
    """The HTTP status of a page; 0 where nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_it_listens_on_this_machine_only_and_asks_for_its_token(lab):
    address, process = lab
    sockets = psutil.Process(process.pid).net_connections(kind="inet")
    assert {found.laddr.ip for found in sockets if found.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert [status(f"{address}/api/contents{token}") for token in ("", "?token=wrong")] == [403, 403]


def test_it_opens_the_tour_and_runs_it(lab, page):
    address, requested = lab[0], []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{address}/?token={TOKEN}")
    page.get_by_role("heading", name="A tour in two minutes").wait_for()
    assert page.url == f"{address}/lab/tree/{TOUR}"
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()  # earlier, JupyterLab would ask for a kernel
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("#jp-mainmenu-run").get_by_text("Run All Cells", exact=True).click()
    page.locator(".jp-OutputArea-output img").last.wait_for()
    assert page.locator('[data-mime-type$=".error"], [data-mime-type$=".stderr"]').all_inner_texts() == []
    assert [url for url in requested if not url.startswith((address, "data:", "blob:"))] == []
