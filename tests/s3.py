"""An S3 server on loopback (moto, a program of its own), and a proxy before it that breaks what passes, on request.

What it breaks: answers 503 without asking the server; cuts the connection; cuts a body short (of an upload, so that the
server gets half of it and the client hears that all is well; of a download); answers with the body of another object of
the same size; and says that an upload is done and keeps what the server had, as a stale object is.
"""

import contextlib
import http.client
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from trajnb import ROOT

FAULTS = ("error", "reset", "half upload", "half download", "lost upload", "other body")
KEYS = {"AWS_ACCESS_KEY_ID": "a-key-of-the-tests", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}
BUCKET = "lab"


def tool(name):
    """The path of a program of .venv/tools; None where it is not installed."""
    folders = [Path(sys.prefix) / "tools", ROOT / ".venv" / "tools"]
    found = [folder / "bin" / name for folder in folders if (folder / "bin" / name).is_file()]
    return found[0] if found else shutil.which(name)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def server():
    """An S3 server with an empty bucket; gives its port."""
    port = free_port()
    command = [tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                ask(port, "PUT", f"/{BUCKET}")
                break
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def ask(port, method, path, body=None, headers=None):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


class Proxy(ThreadingHTTPServer):
    """Passes requests on to `port`; breaks a share of `rate` of those about objects and the index. Counts in `seen`."""

    daemon_threads = True

    def __init__(self, port, rate=0.0, seed=0, faults=FAULTS):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind, self.rate, self.faults, self.random = port, rate, faults, random.Random(seed)
        self.seen, self.bodies, self.lock, self.dies_after = Counter(), {}, threading.Lock(), None
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, address):
        """A client that has gone is what this is about."""

    def fault(self, method, path):
        """What to do to a request: one of `faults` that fits it, or None."""
        fitting = {"PUT": FAULTS[:3] + ("lost upload",), "GET": ("error", "reset", "half download", "other body")}
        names = [name for name in fitting.get(method, ()) if name in self.faults]
        if "index.json" not in path and "/objects/" not in path or path.endswith("/") or not names:
            return None
        with self.lock:
            return self.random.choice(names) if self.random.random() < self.rate else None

    def dead(self):
        """Whether nothing passes any more: after so many transfers, if that was asked for."""
        return self.dies_after is not None and self.seen["transfers"] >= self.dies_after

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self):
        path = self.path.split("?")[0]
        body = self.body()
        fault = "reset" if self.server.dead() else self.server.fault(self.command, path)
        moves = self.command in ("PUT", "GET") and ("/objects/" in path or path.endswith("index.json"))
        with self.server.lock:
            self.server.seen.update(["transfers"] * moves + [fault] * bool(fault))
        if fault == "error":
            return self.answer(503, [], b"")
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return self.connection.close()
        if fault == "lost upload":
            return self.answer(200, [("ETag", '"0"')], b"")
        if fault == "half upload":
            body = body[: len(body) // 2]
        keep = ("authorization", "range", "x-amz-date", "content-type")
        headers = {name: value for name, value in self.headers.items() if name.lower() in keep}
        status, headers, content = ask(self.server.behind, self.command, self.path, body, headers)
        if self.command == "GET" and status in (200, 206) and moves:
            content = self.changed(fault, content)
        self.answer(status, headers, content)

    def body(self):
        """The request's body; the AWS SDK sends it in signed chunks, or plain."""
        length = int(self.headers.get("x-amz-decoded-content-length") or self.headers.get("content-length") or 0)
        if "chunked" not in self.headers.get("transfer-encoding", "") and "aws-chunked" not in self.headers.get(
            "content-encoding", ""
        ):
            return self.rfile.read(length)
        return self.chunks()

    def chunks(self):
        """The body without the lengths, signatures and trailers between its parts."""
        raw = b""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            raw = self.rfile.read(int(self.headers["content-length"]))
        if "aws-chunked" not in self.headers.get("content-encoding", ""):
            return raw
        parts, at = [], 0
        while size := int(raw[at : (end := raw.index(b"\r\n", at))].split(b";")[0], 16):
            parts.append(raw[end + 2 : end + 2 + size])
            at = end + 4 + size
        return b"".join(parts)

    def changed(self, fault, content):
        """A body cut in half, or another one of the same length that went by before."""
        with self.server.lock:
            others = [one for one in self.server.bodies.get(len(content), ()) if one != content]
            self.server.bodies.setdefault(len(content), set()).add(content)
        if fault == "half download":
            return content[: len(content) // 2]
        return others[0] if fault == "other body" and others else content

    def answer(self, status, headers, content):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        length = dict((n.lower(), v) for n, v in headers).get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_one

    def log_message(self, *words):
        """Nothing."""


def environment(url):
    """What a client of the server needs in its environment."""
    own = {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    return os.environ | KEYS | own
