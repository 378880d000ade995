"""The tables beside a user's clips, as spreadsheets and other programs write them: read where only one reading is
possible, else refused in one sentence.
"""

import csv
import io
import re
import unicodedata
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from trajnb.audit.clipfile import is_clip
from trajnb.audit.findings import AuditError

TRAIN = "train"
ALIASES = {"training": TRAIN, "valid": "val", "validation": "val", "testing": "test"}
COLUMNS = {
    "splits.csv": ["path", "label", "split"],
    "positions.parquet": ["path", "frame", "u", "v", "target"],
    "predictions.parquet": ["path", "predicted"],
}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
WRITE = "write the line path,label,split and one clip a line, separated by commas"


def clip_name(path):
    """A path as reports show it and tables are joined by it: forward slashes, composed, nothing unprintable.

    Control characters and bytes that are not UTF-8 become escapes such as \\x1b and \\xe9.
    """
    text = PurePosixPath(unicodedata.normalize("NFC", path).replace("\\", "/")).as_posix()
    return "".join(c if c.isprintable() else ascii(c)[1:-1].replace("\\udc", "\\x") for c in text)


def split_name(text):
    """The name of a split in lower case, `train`, `val` or `test` where it is another word for one."""
    return ALIASES.get(text.casefold(), clip_name(text.casefold()))


def splits(folder):
    """[(path, label, split)] of splits.csv; AuditError where it cannot be read as such, naming the separator, the
    column or the value."""
    data = (folder / "splits.csv").read_bytes()
    lines = decoded(data, "surrogateescape").splitlines(keepends=True)
    first = next((k for k, line in enumerate(lines) if line.strip() and not preamble(line)), None)
    if first is None:
        raise AuditError(f"splits.csv cannot be read, it is empty: {WRITE}")
    separator, names, heads = heading(lines[first]) or refuse(lines[first])
    text = io.StringIO("".join(lines[first + heads :]), newline="")
    cells = csv.reader(text, delimiter=separator, skipinitialspace=True)
    try:
        rows = [row_of(row, names, first + heads + cells.line_num) for row in cells if not skipped(row)]
    except csv.Error as error:
        raise AuditError(f"splits.csv cannot be read ({error}): {WRITE}") from None
    if not data.isascii() and not all((folder / row[0]).exists() for row in rows):
        decoded(data, "strict")  # other bytes are read only as names of files that are there
    names = {row[2] for row in rows}
    if rows and TRAIN not in names:
        raise AuditError(f"splits.csv has no split called train, only {listing(names)}: write train for one of them")
    return rows


def decoded(data, errors):
    """Text of a table, UTF-8 or with the mark of UTF-16; AuditError."""
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16").removeprefix("\ufeff")
        return data.decode("utf-8", errors).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise AuditError("splits.csv cannot be read, it is not UTF-8: write it in UTF-8") from None


def preamble(line):
    """Whether a line before the first one of the table is a comment, or Excel's name of the separator."""
    return line.startswith(("#", "sep=")) and not heading(line)


def cells_of(line, separator):
    """The cells of one line."""
    line = line[:1000]
    return [cell.strip() for row in csv.reader([line], delimiter=separator, skipinitialspace=True) for cell in row]


def heading(line):
    """(separator, column names, 1 if the line holds the names, else 0) of the first line of splits.csv, or None."""
    for separator in SEPARATORS:
        names = [name.casefold() for name in cells_of(line.lstrip("# "), separator)]
        if set(COLUMNS["splits.csv"]) <= set(names):
            return separator, names, 1
        cells = cells_of(line, separator)
        if len(cells) == 3 and is_clip(cells[0]):
            return separator, COLUMNS["splits.csv"], 0
    return None


def refuse(line):
    """Raise AuditError for a first line that names no columns."""
    wanted = COLUMNS["splits.csv"]
    found = {separator: [cell.casefold() for cell in cells_of(line, separator)] for separator in SEPARATORS}
    best = max(found, key=lambda separator: (len(set(wanted) & set(found[separator])), len(found[separator])))
    missing = next(name for name in wanted if name not in found[best])
    by = f" (separated by {SEPARATORS[best]})" if len(found[best]) > 1 else ""
    shown = clip_name(line.strip())[:60]
    raise AuditError(f"splits.csv has no column {missing} in its first line '{shown}'{by}: {WRITE}")


def skipped(row):
    """Whether a row of splits.csv is blank or a comment."""
    return not any(cell.strip() for cell in row) or (row[0].startswith("#") and not is_clip(row[0]))


def row_of(row, names, line):
    """(path, label, split) of one row; AuditError."""
    cells = dict(zip(names, [cell.strip() for cell in row], strict=False))
    empty = [name for name in COLUMNS["splits.csv"] if not cells.get(name)]
    if empty or any(cell.strip() for cell in row[len(names) :]):
        what = f"an empty cell in column {empty[0]}" if empty else "more cells than columns"
        raise AuditError(f"splits.csv has {what} in line {line}: write path,label,split in every line")
    path = PurePosixPath(cells["path"].replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", str(path)) or not is_clip(path):
        shown = clip_name(cells["path"])[:80]
        raise AuditError(f"splits.csv names '{shown}': write paths within the folder that end in .npy or .mp4")
    return path.as_posix(), clip_name(cells["label"]), split_name(cells["split"])


def listing(names):
    """A few names, in order."""
    return ", ".join(sorted(set(names))[:5])


def with_columns(name, table):
    """The table, paths as `clip_name` writes them, if it has the columns it must have; AuditError."""
    missing = [column for column in COLUMNS[name] if column not in table.columns]
    if missing:
        raise AuditError(f"{name} has no column {missing[0]}: write the columns {', '.join(COLUMNS[name])}")
    path = table["path"].astype(str)
    return table.assign(path=path.map({one: clip_name(one) for one in path.unique()}))


def positions(table):
    """positions.parquet with numbers and booleans that numpy knows; AuditError. An unknown position may be NaN."""
    values = {name: numbers("positions.parquet", table, name, gaps=name != "frame") for name in ("frame", "u", "v")}
    target = table["target"]
    if target.isna().any() or not pd.api.types.is_bool_dtype(target):
        raise AuditError("positions.parquet has values in the column target that are not true or false: write booleans")
    return table.assign(target=target.astype(bool), **values)


def numbers(name, table, column, gaps=False):
    """A column as float64; AuditError where a value is text or infinite or, unless `gaps`, missing."""
    value = table[column]
    if not pd.api.types.is_numeric_dtype(value) or pd.api.types.is_bool_dtype(value):
        shown = f"{value.iloc[0]!r:.40}" if len(value) else "text"
        raise AuditError(f"{name} holds {shown} in the column {column}: write numbers, not text")
    number = value.to_numpy("float64", na_value=np.nan)
    wrong = np.flatnonzero(np.isinf(number) | (np.isnan(number) & (not gaps)))
    if len(wrong):
        where = f"{number[wrong[0]]} in the column {column} of {table['path'].iloc[wrong[0]]}"
        raise AuditError(f"{name} holds {where}: write finite numbers")
    return number


def predictions(table, classes):
    """predictions.parquet with class names as text and errors as numbers; AuditError."""
    said = table["predicted"]
    said = said.astype("Int64") if pd.api.types.is_integer_dtype(said) else said
    said = said.astype(object).where(said.notna(), "").map(str)
    other = [one for one in said.unique() if one not in classes]
    if other:
        shown = f"{other[0]!r:.40} in the column predicted"
        raise AuditError(f"predictions.parquet has {shown}, which is no class: write one of {listing(classes)}")
    table = table.assign(predicted=said)
    return table.assign(ade_px=numbers("predictions.parquet", table, "ade_px")) if "ade_px" in table else table
