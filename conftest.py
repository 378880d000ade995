"""Tests and nbval's kernels do not read the settings of whoever starts them."""

import atexit
import functools
import os
import shutil
import tempfile

import ipykernel.kernelspec

from trajnb import kernel

folder = tempfile.mkdtemp(prefix="trajnb-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
own = kernel.environment(folder)
for name in os.environ.keys() - own.keys():
    del os.environ[name]
os.environ |= own
# nbval starts the kernel that ipykernel describes.
ipykernel.kernelspec.make_ipkernel_cmd = functools.partial(ipykernel.kernelspec.make_ipkernel_cmd, mod="trajnb.kernel")
