"""Servers on loopback that stand for a bucket, for a bad line to it, and for EC2's metadata service."""

import os
import random
import socket
import struct
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from trajnb import remote

KEYS = {"AWS_ACCESS_KEY_ID": "a-key-of-the-tests", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}
FAULTS = ("none", "reset", "cut", "flip")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def s3(folder):
    """rclone's own S3 server, which keeps its buckets in a folder; gives its port."""
    port = free_port()
    auth = ["--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(KEYS.values()), "--config", os.devnull]
    process = subprocess.Popen([remote.RCLONE, "serve", "s3", *auth, folder], stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def environment(port):
    """The variables that make s3: in trajnb.remote mean the server at this port."""
    return KEYS | {"RCLONE_CONFIG_S3_ENDPOINT": f"http://127.0.0.1:{port}", "RCLONE_CONFIG_S3_PROVIDER": "Rclone"}


class BadLine:
    """A TCP proxy to a port; half of the connections fail after a random number of bytes, each in one way.

    reset: both ends get RST; cut: the rest is missing, the end looks regular; flip: one byte arrives as another one.
    """

    def __init__(self, to, seed=0, share=0.5, most=400_000):
        self.to, self.random, self.share, self.most = to, random.Random(seed), share, most
        self.counts, self.listener = dict.fromkeys(FAULTS, 0), socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            fault = self.random.choice(FAULTS[1:]) if self.random.random() < self.share else "none"
            self.counts[fault] += 1
            server = socket.create_connection(("127.0.0.1", self.to))
            # Spread evenly over magnitudes: in the first headers as often as in the body of a large file.
            after, upward = int(self.most ** self.random.uniform(0.3, 1)), self.random.random() < 0.7
            for source, target, bad in ((client, server, upward), (server, client, not upward)):
                way = (source, target, fault if bad else "none", after)
                threading.Thread(target=self.forward, args=way, daemon=True).start()

    def forward(self, source, target, fault, left):
        """Copy bytes one way until either end closes, or the fault is due."""
        with suppress(OSError):  # either end may have gone
            while data := source.recv(65536):
                if fault != "none" and len(data) > left:
                    data = bytearray(data)
                    if fault == "flip":
                        data[left] ^= 1
                        fault = "none"
                    else:
                        target.sendall(data[:left])
                        break
                left -= len(data)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                if fault == "reset":
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.close()
                else:
                    end.shutdown(socket.SHUT_RDWR)


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


@contextmanager
def metadata():
    """The metadata service on a free port; `.notice` is whether this machine is taken back."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        server.notice, server.url = False, f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
