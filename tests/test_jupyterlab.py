"""JupyterLab as `make lab` starts it: on this machine only, with a token, and with the tour open."""

import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

from profiles.slurm.rehearsal import free_ports
from trajnb import ROOT

TOKEN = "a-token-for-this-test"
START_S, END_S = 60, 30


def opened(url):
    """The HTTP status of a page, 0 where nobody listens, and the address to which it leads."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.url
    except urllib.error.HTTPError as error:
        return error.code, url
    except OSError:
        return 0, url


@pytest.mark.slow
def test_it_listens_on_this_machine_only_asks_for_its_token_and_opens_the_tour(tmp_path):
    (port,), log = free_ports(1), tmp_path / "log.txt"
    printed = subprocess.run(["make", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(next(line for line in printed.splitlines() if "jupyterlab" in line))
    command = [sys.executable, *words[words.index("-m") :]]  # the Makefile's own
    command += ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    with open(log, "wb") as file:
        own = os.environ | {"JUPYTER_TOKEN": TOKEN}
        process = subprocess.Popen(command, cwd=ROOT, env=own, stdout=file, stderr=file)
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + START_S
    try:
        while opened(f"{address}/api/status?token={TOKEN}")[0] != 200:
            assert process.poll() is None and time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.1)
        sockets = psutil.Process(process.pid).net_connections(kind="inet")
        assert {found.laddr.ip for found in sockets if found.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        assert [opened(f"{address}/api/contents{token}")[0] for token in ("", "?token=wrong")] == [403, 403]
        status, url = opened(f"{address}/?token={TOKEN}")
        assert status == 200 and url.startswith(f"{address}/lab/tree/notebooks/00_tour.ipynb"), url
    finally:
        process.terminate()
        process.wait(END_S)
