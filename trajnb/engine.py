"""A papermill engine whose notebooks tell the truth: `papermill IN OUT --engine trajnb`.

The stock engine marks every cell "completed" when the kernel dies or a cell runs out of time, also those that never
ran. Here the cell that was running is marked failed and says why, later ones stay pending, and the error is raised.
"""

import atexit
import os
import signal
import threading
import traceback

from nbformat.v4 import new_output
from papermill.engines import NBClientEngine

from trajnb.runs.kernel import ThisPython
from trajnb.runs.processes import STAGE, end_processes


class TruthfulEngine(NBClientEngine):
    """papermill's own engine, with an honest record of what did not finish."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        if STAGE in os.environ:
            outlive_no_runner(os.environ[STAGE])
        try:
            super().execute_managed_notebook(nb_man, kernel_name, kernel_manager_class=ThisPython, **kwargs)
        except BaseException as error:
            mark_failed(nb_man, error)
            raise


def outlive_no_runner(token):
    """Stop when the runner has gone, killed for instance: its end of our standard input closes with it.

    The notebook is saved as after Ctrl-C, and what the stage has started ends with this process. What is started in the
    background of a shell, with `nohup ... &` for instance, ignores Ctrl-C: here it is how the runner stops a stage.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    atexit.register(end_processes, STAGE, token)
    threading.Thread(target=stop_at_end_of_input, daemon=True).start()


def stop_at_end_of_input():
    os.read(0, 1)  # not sys.stdin, whose lock Python asks for at its own end
    os.kill(os.getpid(), signal.SIGINT)


def mark_failed(nb_man, error):
    """Mark the cell that was started last as failed, with `error` as its output."""
    cells = [cell for cell in nb_man.nb.cells if cell.cell_type == "code"]
    started = [cell for cell in cells if cell.metadata.papermill["start_time"]]
    cell = (started or cells)[-1 if started else 0]
    name, text = type(error).__name__, str(error) or "the run was interrupted"
    trace = traceback.format_exception_only(type(error), error)
    cell.outputs.append(new_output("error", ename=name, evalue=text, traceback=trace))
    nb_man.cell_exception(cell)
