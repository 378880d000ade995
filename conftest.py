"""Tests and nbval's kernels do not read the settings of whoever starts them."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import ipykernel.kernelspec
import pytest
from xdist.scheduler import LoadFileScheduling

from trajnb import kernel

folder = tempfile.mkdtemp(prefix="trajnb-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
own = kernel.environment(folder)
for name in os.environ.keys() - own.keys():
    del os.environ[name]
os.environ |= own
# nbval starts the kernel that ipykernel describes.
ipykernel.kernelspec.make_ipkernel_cmd = functools.partial(ipykernel.kernelspec.make_ipkernel_cmd, mod="trajnb.kernel")
# Notebooks of which each reads what those before it have left.
CHAIN = ("02_train", "03_evaluate", "04_robustness", "05_attention", "07_explain", "report")


class Chained(LoadFileScheduling):
    """Each file's tests stay in one process, in order; so do the chain's notebooks."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return "chain" if Path(file).stem in CHAIN else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """In place of --dist loadgroup, which pytest-xdist 3.8 does not do under pytest 9.2."""
    return Chained(config, log)


def pytest_collection_modifyitems(items):
    """What takes longest begins first: the runner's tests, the chain of notebooks."""
    items.sort(key=lambda item: item.path.name != "test_runs.py" and item.path.stem not in CHAIN)
