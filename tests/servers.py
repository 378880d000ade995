"""Servers on loopback that stand for a bucket and for EC2's metadata service."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from profiles.slurm.rehearsal import free_ports
from trajnb import ROOT

REMOTE, RCLONE = ROOT / "profiles" / "remote.sh", ROOT / ".venv" / "bin" / "rclone"
KEYS = {"AWS_ACCESS_KEY_ID": "a-key-of-the-tests", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}


@contextlib.contextmanager
def s3(folder):
    """rclone's own S3 server, which keeps its buckets in a folder; gives its port."""
    (port,) = free_ports(1)
    auth = ["--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(KEYS.values()), "--config", os.devnull]
    process = subprocess.Popen([RCLONE, "serve", "s3", *auth, folder], stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def environment(port):
    """The variables that make s3: in profiles/remote.sh mean the server at this port."""
    return KEYS | {"RCLONE_CONFIG_S3_ENDPOINT": f"http://127.0.0.1:{port}", "RCLONE_CONFIG_S3_PROVIDER": "Rclone"}


class Metadata(BaseHTTPRequestHandler):
    """EC2's metadata service: a token first, then whether the machine is taken back (`server.notice`)."""

    def do_PUT(self):
        given = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.answer(200 if given else 400, b"a-token")

    def do_GET(self):
        known = self.headers["X-aws-ec2-metadata-token"] == "a-token"
        there = self.path == "/latest/meta-data/spot/instance-action" and self.server.notice
        self.answer((200 if there else 404) if known else 401, b'{"action": "terminate"}')

    def answer(self, code, content):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


@contextlib.contextmanager
def metadata():
    """The metadata service on a free port; `.notice` is whether this machine is taken back."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        server.notice, server.url = False, f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
