"""A disk that loses power: what trajnb.files asks of it is written down, and can be replayed up to any call.

After a crash a disk may hold less than was asked: bytes of a file that was not flushed, names in a folder that was not
flushed. `after` builds the folder as it may look then.
"""

import os
from pathlib import Path
from types import SimpleNamespace

from trajnb import files

NAMES, BYTES = ("flushed", "all"), ("flushed", "half", "all")  # what of the unflushed names and bytes a crash keeps


class Recorder:
    """The calls that files.py makes below `root`, in order: (what, path relative to root, more)."""

    def __init__(self, root, monkeypatch):
        self.root, self.calls, self.handles = Path(root), [], {}
        own = {"name": os.name, "O_RDONLY": os.O_RDONLY, "close": os.close}
        own |= {"fsync": self.fsync, "replace": self.replace, "open": self.open_folder}
        monkeypatch.setattr(files, "os", SimpleNamespace(**own))
        monkeypatch.setattr(files, "open", self.open_file, raising=False)
        self.real = {name: getattr(Path, name) for name in ("mkdir", "unlink")}
        monkeypatch.setattr(Path, "mkdir", lambda path, **more: self.path_call("mkdir", path, **more))
        monkeypatch.setattr(Path, "unlink", lambda path, **more: self.path_call("unlink", path, **more))

    def note(self, what, path, more=None):
        self.calls.append((what, Path(path).relative_to(self.root).as_posix(), more))

    def path_call(self, name, path, **more):
        if path.is_relative_to(self.root):
            self.note(name, path)
        return self.real[name](path, **more)

    def open_file(self, path, mode):
        assert mode == "xb"
        self.note("create", path)
        file = open(path, mode)
        self.handles[file.fileno()] = path
        write = file.write
        return Watched(file, lambda data: (self.note("write", path, bytes(data)), write(data)))

    def open_folder(self, path, flags):
        handle = os.open(path, flags)
        self.handles[handle] = path
        return handle

    def fsync(self, handle):
        self.note("fsync", self.handles[handle])
        os.fsync(handle)

    def replace(self, old, new):
        self.note("rename", old, Path(new).relative_to(self.root).as_posix())
        os.replace(old, new)


class Watched:
    """An open file whose writes are noted."""

    def __init__(self, file, write):
        self.file, self.write = file, write

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def after(calls, names, data):
    """{path: bytes} that a disk may hold when the power goes after these calls; `names`, `data`: of NAMES and BYTES."""
    disk, inodes, bound, kept = {".": None}, {}, {".": "folder"}, {}
    kept["."] = {}
    for number, (what, path, more) in enumerate(calls):
        if what == "mkdir":
            bound[path], kept[path] = "folder", {}
        elif what == "create":
            bound[path], inodes[number] = number, [b"", b""]  # as written, as flushed
        elif what == "write":
            inodes[bound[path]][0] += more
        elif what == "rename":
            bound[more] = bound.pop(path)
        elif what == "unlink":
            bound.pop(path, None)
        elif bound[path] == "folder":  # fsync
            kept[path] = {name: at for name, at in bound.items() if name != "." and parent(name) == path}
        else:
            inodes[bound[path]][1] = inodes[bound[path]][0]
    tree = bound if names == "all" else reachable(kept)
    for path, at in tree.items():
        if at != "folder":
            written, flushed = inodes[at]
            part = {"flushed": flushed, "half": flushed or written[: len(written) // 2], "all": written}
            disk[path] = part[data]
    del disk["."]
    return disk


def reachable(kept):
    """The names that flushed folders hold, from the root down."""
    found, left = {}, ["."]
    while left:
        for name, at in kept.get(left.pop(), {}).items():
            found[name] = at
            left += [name] if at == "folder" else []
    return found


def parent(path):
    return Path(path).parent.as_posix()
