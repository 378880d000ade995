"""What is shared does not tell in which folders it was made, and by whom."""

import functools
import getpass
import html
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from trajnb import PACKAGE, ROOT, outputs

KEPT = re.compile(r'(src="data:[^"]*"|<style>.*?</style>)', re.DOTALL)  # bytes and style sheets hold no names
LINKS = re.compile(r'((?:src|href)="(?!https?:|#)[^"]*")')  # to files beside the page: folders have the names they have
CELL = re.compile(r"[^\s<>\"'()]{0,300}/ipykernel_\d+/\d+\.py")  # what a kernel calls its cells
START = r"(?:(?<![\w.-])|(?<=\\[nrt]))"  # of a path: not within one, but after a line break written as \n
HOME = re.compile(START + r"(?:/home|/Users|[A-Z]:\\+Users)[\\/]+[^\s\\/<>\"'&:]+")  # another machine's
SECRET, SHORTEST_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|_KEY", re.IGNORECASE), 8
SHORTEST_NAME = 3
LONGEST_LINE = 300
TEXTS = (".csv", ".html", ".json", ".md", ".txt", ".yaml")


def scrub(text):
    """A text without this machine's folders, anybody's home, the name of who made it, and its environment's secrets."""
    parts = KEPT.split(text)
    parts[::2] = [without_name(without_folders(without_secrets(part))) for part in parts[::2]]
    return "".join(parts)


def cleaned(name, content):
    """The bytes of a file called `name` as they may be shared; in others than text and notebooks nobody is named.

    Raises ValueError where a notebook is not whole, as while it is being written.
    """
    if name.endswith(".ipynb"):
        notebook = json.loads(content)
        clean = scrubbed(notebook)
        return content if clean == notebook else (json.dumps(clean, indent=1, ensure_ascii=False) + "\n").encode()
    return scrub(content.decode("utf-8", "replace")).encode() if name.endswith(TEXTS) else content


def scrubbed(part, key=""):
    """A part of a notebook with all its texts scrubbed; pictures hold no names."""
    if isinstance(part, dict):
        return {name: scrubbed(value, name) for name, value in part.items()}
    if isinstance(part, list):
        return [scrubbed(value, key) for value in part]
    return scrub(part) if isinstance(part, str) and not key.startswith("image/") else part


def without_secrets(text):
    """The text without the values of those variables of the environment that are called like secrets."""
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "secret")
    return text


def without_folders(text):
    """The text with a word in place of each folder of the machine."""
    text = CELL.sub("cell", text)
    for place, word in folders().items():
        text = re.sub(rf"{START}{re.escape(place)}(?![\w-])", lambda _, word=word: word, text)
    return HOME.sub("~", text)


def folders():
    """{folder, as it may be written: word to stand for it}, the longest first."""
    words = {tempfile.gettempdir(): "tmp", sys.base_prefix: "python", sys.prefix: "python", Path.home(): "~"}
    words |= {ROOT: ".", outputs(): "outputs"}
    found = {}
    for place, word in words.items():
        for path in {Path(place), Path(place).resolve()}:
            forms = {str(path), str(path).replace("\\", "\\\\"), path.as_posix()} if len(path.parts) > 1 else set()
            found |= {form: word for plain in forms for form in (plain, html.escape(plain))}
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[0]), pair)))


def without_name(text):
    """The text without the user's name, links to files beside the page left as they are."""
    name = user()
    if name is None:
        return text
    parts, word = LINKS.split(text), rf"(?:(?<![^\W_])|(?<=\\[nrt])){re.escape(name)}(?![^\W_])"
    parts[::2] = [re.sub(word, "user", part) for part in parts[::2]]
    return "".join(parts)


def user():
    """The name of who is logged in; None where nobody is, or where the pages need that word (root, data, random)."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # as in a container without a list of users
        return None
    return name if len(name) >= SHORTEST_NAME and name.lower() not in vocabulary() else None


@functools.cache
def vocabulary():
    """Every word of the package and of its notebooks, in small letters; long lines are pictures."""
    paths = [path for kind in ("py", "j2", "css") for path in sorted(PACKAGE.rglob(f"*.{kind}"))]
    paths += sorted((ROOT / "notebooks").glob("*.ipynb"))
    lines = (line for path in paths for line in path.read_text("utf-8").splitlines() if len(line) < LONGEST_LINE)
    return {word for line in lines for word in re.findall(r"[a-z0-9]+", line.lower())}
