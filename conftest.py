"""Tests and nbval's kernels do not read the settings of whoever starts them."""

import atexit
import functools
import os
import shutil
import tempfile

import ipykernel.kernelspec
import pytest

from trajnb import kernel

folder = tempfile.mkdtemp(prefix="trajnb-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
own = kernel.environment(folder)
for name in os.environ.keys() - own.keys():
    del os.environ[name]
os.environ |= own
# nbval starts the kernel that ipykernel describes.
ipykernel.kernelspec.make_ipkernel_cmd = functools.partial(ipykernel.kernelspec.make_ipkernel_cmd, mod="trajnb.kernel")
# Notebooks that read what the one before has left; every other one is nobody's neighbour.
CHAIN = ("02_train", "03_evaluate", "04_robustness", "05_attention", "07_explain", "report")


def pytest_itemcollected(item):
    """A notebook's cells stay in one process, in order, and the chain's notebooks with them (--dist loadgroup)."""
    if item.path.suffix == ".ipynb":
        item.add_marker(pytest.mark.xdist_group("chain" if item.path.stem in CHAIN else item.path.stem))


def pytest_collection_modifyitems(items):
    """What takes longest begins first: the runner's tests, the chain of notebooks."""
    items.sort(key=lambda item: item.path.name != "test_runs.py" and item.path.stem not in CHAIN)
