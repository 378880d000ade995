"""Files that are either the old ones or the new ones, never half of each."""

import hashlib
import json
import os
import secrets
from pathlib import Path


def write_bytes(path, data):
    """Write `data` to `path` so that a crash at any moment leaves the old file or the new one.

    A temporary name in the same folder, flushed to the disk, then renamed; the folder is flushed too, because the
    rename is an entry of the folder. Missing folders are made. Returns the path; raises OSError when the disk refuses.
    """
    path = Path(path)
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return path


def sync_folder(folder):
    """Flush a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path):
    """Remove a file, and make that last: the folder is flushed to the disk."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_text(path, text):
    """Write UTF-8 text with the line ends as they are given."""
    return write_bytes(path, text.encode())


def write_json(path, obj):
    """Write readable JSON; NaN and infinity raise ValueError, because no other program could read them."""
    return write_text(path, json.dumps(obj, indent=1, allow_nan=False) + "\n")


def write_csv(path, frame):
    """Write a pandas DataFrame without its index; missing cells are empty."""
    return write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def write_parquet(path, frame):
    """Write a pandas DataFrame without its index."""
    return write_bytes(path, frame.to_parquet(index=False))


def read_json(path):
    """The object in a JSON file."""
    return json.loads(Path(path).read_bytes())


def hash_of(paths):
    """16 digits of one SHA-256 over the names and bytes of several files."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def sha256(path):
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
