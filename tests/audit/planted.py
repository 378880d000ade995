"""The planted-bug suite of benchmarks/audit.py, and its sets as folders on disk."""

import importlib.util

import numpy as np

from trajnb import ROOT, files

SPEC = importlib.util.spec_from_file_location("planted_bugs", ROOT / "benchmarks" / "audit.py")
SUITE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SUITE)


def write(s, folder):
    """A planted set as a user would keep it; returns the folder."""
    for path, video_THW in zip(s.table["path"], s.video_NTHW, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / path, video_THW)
    files.write_csv(folder / "splits.csv", s.table[["path", "label", "split"]])
    for name, extra in s.extras.items():
        (files.write_json if name.endswith("json") else files.write_parquet)(folder / name, extra)
    return folder
