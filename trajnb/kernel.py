"""The kernel that notebooks run in: the same on every machine, whoever is logged in.

`python -m trajnb.kernel -f FILE` is the kernel: it reads no settings of the person or the machine.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.modules.setdefault("rfc3987_syntax", None)  # jsonschema does without it; its grammar takes seconds to import

from jupyter_client.kernelspec import KernelSpec  # noqa: E402
from jupyter_client.manager import AsyncKernelManager  # noqa: E402

from trajnb import PACKAGE, outputs  # noqa: E402

# What a person sets for interpreters, Jupyter, figures and the terminal at hand.
PERSONAL = re.compile(r"I?PYTHON.*|JUPYTER.*|MATPLOTLIBRC|MPLBACKEND|COLUMNS|LINES")
# glibc keeps the memory of freed arrays: fetching its pages anew took a tenth of a Transformer's prediction on a CPU.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**32)}
LONGEST_SOCKET = 90  # characters; a Unix socket's path may have about a hundred


def environment(folder):
    """This process's environment without personal settings, for a kernel.

    `folder`: an empty one, where IPython and Jupyter find no settings and write what they must. The package imported
    is this one, also where another copy is installed.
    """
    fixed = dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"), str(folder))
    fixed |= {"PYTHONPATH": str(PACKAGE.parent), "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}
    if os.environ.get("TRAJNB_OUTPUTS"):
        fixed["TRAJNB_OUTPUTS"] = str(outputs())  # kernels start in other folders
    if not os.access(os.path.expanduser("~"), os.W_OK):  # also without HOME, of a user without a name
        fixed["HOME"] = str(folder)
    return MALLOC | {name: value for name, value in os.environ.items() if not PERSONAL.fullmatch(name)} | fixed


class ThisPython(AsyncKernelManager):
    """Starts a kernel with this very interpreter, whatever kernel is installed under the name that a notebook gives.

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
        # Quiet: being interrupted while it shuts down, as kernels are, is no error.
        argv = [sys.executable, "-m", "trajnb.kernel", "-f", "{connection_file}", "--log-level=CRITICAL"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

    async def _async_pre_start_kernel(self, **more):
        return await super()._async_pre_start_kernel(**({"env": environment(self.sockets)} | more))

    async def cleanup_resources(self, restart=False):
        await super().cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self.sockets, ignore_errors=True)


def end_with_parent(signal_number, seconds=0.5, or_if=lambda: False):
    """Send this process `signal_number` when its parent has gone, or or_if(): a killed run leaves nothing behind."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent and not or_if():
            time.sleep(seconds)
        os.kill(os.getpid(), signal_number)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    from ipykernel import kernelapp
    from IPython.core import application

    end_with_parent(signal.SIGKILL)
    application.SYSTEM_CONFIG_DIRS.clear()  # /etc/ipython and the like; the person's are in IPYTHONDIR
    application.ENV_CONFIG_DIRS.clear()
    kernelapp.launch_new_instance()
