"""The kernel that notebooks run in."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

LONGEST_SOCKET = 90  # characters; a Unix socket's path may have about a hundred


class ThisPython(AsyncKernelManager):
    """Starts a kernel with this very interpreter, whatever kernel is installed by the name that was asked for.

    Where there are Unix sockets it is reached by them, in a folder that only this user may enter: kernels started at
    the same moment never race for a TCP port, and nobody else on the machine can talk to them.
    """

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.sockets = Path(tempfile.mkdtemp(prefix="trajnb-"))
        if os.name == "posix" and len(str(self.sockets)) < LONGEST_SOCKET:
            self.transport, self.ip = "ipc", str(self.sockets / "k")

    @property
    def kernel_spec(self):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

    async def cleanup_resources(self, restart=False):
        await super().cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self.sockets, ignore_errors=True)
