"""The page on which one draws a path: one file with the exported network and onnxruntime's WebAssembly inside."""

import base64
import gzip
import json
import sys
from pathlib import Path

import numpy as np

from trajnb import PACKAGE, files
from trajnb.config import Config
from trajnb.evaluation.predictions import RADIUS, REGION
from trajnb.evaluation.verdict import name
from trajnb.predict import OOD, exported
from trajnb.world import camera, recipes

RUNTIME = Path(sys.prefix) / "web" / "node_modules" / "onnxruntime-web" / "dist"  # the Makefile installs it by npm
PROGRAM = "ort-wasm-simd-threaded.wasm"


def write(path, folder):
    """Write the page of the network exported into `folder`; returns its path, None where onnxruntime-web is missing."""
    if not (RUNTIME / PROGRAM).is_file():
        return None
    about = files.read_json(folder / exported.ABOUT)
    cfg = Config(**about["parameters"])
    given = {"about": about, "model": name(cfg.model), "limit": OOD, "region": REGION, "examples": examples(cfg)}
    depth_m, half_s = (cfg.depth_min_m + cfg.depth_max_m) / 2, cfg.frames / cfg.frame_rate / 2
    given["bend"] = cfg.gravity / 2 * half_s**2 * cfg.focal_px / depth_m / cfg.size  # of a throw, in frame widths
    given["radius"] = RADIUS  # of the region, in standard deviations
    page = (PACKAGE / "template" / "play.html").read_text()
    parts = {"__GIVEN__": json.dumps(given).replace("<", "\\u003c"), "__RUNTIME__": RUNTIME / "ort.wasm.bundle.min.mjs"}
    parts |= {"__PROGRAM__": RUNTIME / PROGRAM, "__NETWORK__": folder / exported.WEIGHTS}
    for word, part in parts.items():
        page = page.replace(word, part if isinstance(part, str) else f'"{packed(part)}"')
    return files.write_text(path, page)


def packed(path):
    """A file's bytes, compressed, as text."""
    return base64.b64encode(gzip.compress(path.read_bytes(), mtime=0)).decode()


def examples(cfg):
    """{motion: [(x, y, radius) of each frame]}, pixels of a clip: a recipe of each motion."""
    seed = cfg.data_seed + 1
    table = recipes.draw(cfg, seed, np.arange(len(cfg.motions)))
    xyz_KTx3 = recipes.tracks(cfg, seed, table)[:, : cfg.frames]
    radius_KT = cfg.focal_px * cfg.radius_m / xyz_KTx3[..., 2]
    path_KTx3 = np.concatenate([camera.project(xyz_KTx3, cfg), radius_KT[..., None]], axis=-1)
    return dict(zip(table["motion"], path_KTx3.round(3).tolist(), strict=True))
