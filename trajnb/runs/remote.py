"""A run at a URL: `objects/<SHA-256 of the content>`, and `index.json`, which says what content each path has.

Objects never change and the index is written last, so whoever reads finds a whole state, the newest or the one before.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path, PurePosixPath

import fsspec
import tenacity
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

from trajnb import files
from trajnb.config import Config, ParameterError
from trajnb.progress import duration
from trajnb.runs import record, status

STATUS = ("run.json", "PROGRESS.txt", "progress.json")
TRIES, LONGEST_WAIT_S = 5, 5.0
CONNECT_S = 5.0

tried = tenacity.retry(
    stop=tenacity.stop_after_attempt(TRIES),
    wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=LONGEST_WAIT_S, jitter=0.2),
    retry=tenacity.retry_if_not_exception_type(FileNotFoundError),
    reraise=True,
)
renewed = tenacity.retry(  # what an index listed may just have been replaced: read the next one
    stop=tenacity.stop_after_attempt(TRIES), retry=tenacity.retry_if_exception_type(FileNotFoundError), reraise=True
)


class Damaged(OSError):
    """What was read is not what was written."""


class Remote:
    """A run's folder at a URL. Each call is tried a few times, then raises OSError; FileNotFoundError at once."""

    def __init__(self, url):
        self.fs, self.root = filesystem(url)

    @tried
    def put(self, name, content):
        """Write an object in one piece: S3 shows none before it is whole, a disk gets it by renaming."""
        path = f"{self.root}/{name}"
        if "file" in self.fs.protocol:
            files.write_bytes(path, content)
        else:
            self.fs.pipe_file(path, content)

    @tried
    def get(self, digest):
        """The bytes with this hash; raises Damaged."""
        content = self.fs.cat_file(f"{self.root}/objects/{digest}")
        if sha256(content) != digest:
            raise Damaged("an object there is not what was written")
        return content

    @tried
    def index(self):
        """What is there: {"run", "pushed": UTC time, "owner", "files": {path: SHA-256}}; raises Damaged."""
        content = self.fs.cat_file(f"{self.root}/index.json")
        try:
            found = json.loads(content)
            whole = found.pop("check") == check(found) and all(map(below, found["files"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise Damaged("index.json there is not what was written")
        return found

    def put_index(self, run, paths, owner=""):
        """Say what is there, by {path: SHA-256}, and who goes on writing it."""
        found = {"run": run, "pushed": record.now(), "owner": owner, "files": paths}
        self.put("index.json", json.dumps(found | {"check": check(found)}).encode())

    @tried
    def sweep(self, wanted):
        """Remove the objects whose hashes are not wanted any more."""
        for path in self.fs.ls(f"{self.root}/objects", detail=False):
            if PurePosixPath(path).name not in wanted:
                self.fs.rm_file(path)


def filesystem(url):
    """(fsspec's file system, path in it) of a URL; raises ParameterError. Credentials come from the environment.

    S3 is pyarrow's, behind fsspec's interface: s3fs asks for an older python-dateutil than everything else here has.
    """
    url = Config(sync=url).sync.rstrip("/")  # which refuses what is no plain URL
    try:
        if not url.startswith("s3://"):
            return fsspec.core.url_to_fs(url, skip_instance_cache=True)
        once = AwsStandardS3RetryStrategy(max_attempts=1)  # it is tried again here
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")  # of other clouds
        own = {"retry_strategy": once, "connect_timeout": CONNECT_S, "endpoint_override": endpoint}
        s3 = S3FileSystem(allow_delayed_open=True, background_writes=False, **own)  # a small file is one request then
        return ArrowFSWrapper(s3, skip_instance_cache=True), url.removeprefix("s3://")
    except (ValueError, ImportError) as error:
        raise ParameterError(f"sync: {url} cannot be used ({error}): write an s3:// or file:// URL.") from None


def sha256(content):
    """The SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def check(index):
    """The hash by which an index is known to be whole."""
    return sha256(json.dumps(index, sort_keys=True).encode())


def below(path):
    """Whether a path that somebody sent stays in the folder that it is written to, and hides nothing there."""
    parts = path.split("/")
    return not any(part.startswith(".") or part == "" or set(part) & set("\\:\0") for part in parts)


def reach(url):
    """(remote, its index) of a run at a URL; raises ParameterError where there is none."""
    remote = Remote(url)
    try:
        return remote, remote.index()
    except FileNotFoundError:
        raise ParameterError(f"{url} holds no run: write what `sync` was, a slash and the run's name.") from None


@renewed
def pull(url):
    """Bring the run at a URL into outputs/, every file checked; returns (its folder, files fetched, files kept).

    What is here and equal stays. What an earlier pull has brought and the remote does not list any more goes; what
    nobody has pulled stays. Raises ParameterError, OSError.
    """
    remote, index = reach(url)
    run_dir, wanted, fetched = Config(run_name=index["run"]).run_dir, index["files"], 0
    with record.lock(run_dir):
        before = set(brought(run_dir, remote, wanted))
        note(run_dir, url, index, before | wanted.keys())
        for name, digest in wanted.items():
            path = run_dir / name
            if not path.is_file() or sha256(path.read_bytes()) != digest:
                files.write_bytes(path, remote.get(digest))
                fetched += 1
        for name in before - wanted.keys():
            (run_dir / name).unlink(missing_ok=True)
        note(run_dir, url, index, wanted)
    return run_dir, fetched, len(wanted) - fetched


def brought(run_dir, remote, wanted):
    """Paths that an earlier pull has brought; raises ParameterError where another run of this name was made here."""
    if (marker := run_dir / record.PULLED).is_file():
        return files.read_json(marker)["files"]
    here = record.read(run_dir)
    if here and "run.json" in wanted:
        there = json.loads(remote.get(wanted["run.json"]))
        if there.get("started") != here.get("started"):
            words = "another run of this name was made here: rename its folder, then pull again."
            raise ParameterError(f"run_name: {run_dir.name}: {words}")
    return []


def note(run_dir, url, index, names):
    """Leave word that a folder was pulled: what its record says is another machine's word, and as old as this."""
    files.write_json(run_dir / record.PULLED, {"url": url, "pushed": index["pushed"], "files": sorted(names)})


@renewed
def lines(url):
    """The state of the run at a URL as `trajnb status` says it, and how old that is."""
    remote, index = reach(url)
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / index["run"]
        for name, digest in index["files"].items():
            if name.endswith((*STATUS, "notebook.running.ipynb")):
                files.write_bytes(run_dir / name, remote.get(digest))
        age = f"\n{len(index['files'])} files there, pushed {duration(status.since(index['pushed']))} ago"
        return [*status.told(run_dir, record.read(run_dir)), age]
