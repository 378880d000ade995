"""JupyterLab as `make lab` starts it: on this machine only, with a token, and with the tour open."""

import os
import shlex
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from profiles.slurm.rehearsal import free_ports
from trajnb import ROOT

TOKEN = "a-token-for-this-test"
START_S = 60


@pytest.mark.slow
def test_it_listens_on_this_machine_only_asks_for_its_token_and_opens_the_tour():
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    printed = subprocess.run(["make", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(next(line for line in printed.splitlines() if "jupyterlab" in line))
    command = [sys.executable, *words[words.index("-m") :]]  # the Makefile's own
    command += ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    environment, listening, end = os.environ | {"JUPYTER_TOKEN": TOKEN}, set(), time.monotonic() + START_S
    with psutil.Popen(command, cwd=ROOT, env=environment) as server:
        try:
            while not listening:
                assert server.poll() is None and time.monotonic() < end
                time.sleep(0.1)
                sockets = server.net_connections(kind="inet")
                listening = {found.laddr.ip for found in sockets if found.status == psutil.CONN_LISTEN}
            assert listening == {"127.0.0.1"}
            for token in ("", "?token=wrong"):
                with pytest.raises(HTTPError, match="403"):
                    urlopen(f"{address}/api/contents{token}", timeout=10)
            with urlopen(f"{address}/?token={TOKEN}", timeout=10) as page:
                assert page.status == 200 and page.url.startswith(f"{address}/lab/tree/notebooks/00_tour.ipynb")
        finally:
            server.terminate()
