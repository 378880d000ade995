"""A papermill engine with an honest record: `papermill IN OUT --engine trajnb`.

papermill's own engine marks every cell "completed" when the kernel dies or a cell runs out of time, also cells that
never ran. Here the cell that was running is marked failed and says why, later ones stay pending, and the error is
raised.
"""

import traceback

from nbformat.v4 import new_output
from papermill.engines import NBClientEngine

from trajnb.kernel import ThisPython


class TruthfulEngine(NBClientEngine):
    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        try:
            super().execute_managed_notebook(nb_man, kernel_name, kernel_manager_class=ThisPython, **kwargs)
        except BaseException as error:
            cells = [cell for cell in nb_man.nb.cells if cell.cell_type == "code"]
            started = [cell for cell in cells if cell.metadata.papermill["start_time"]]
            cell = started[-1] if started else cells[0]
            name, text = type(error).__name__, str(error) or "the run was interrupted"
            trace = traceback.format_exception_only(error)
            cell.outputs.append(new_output("error", ename=name, evalue=text, traceback=trace))
            nb_man.cell_exception(cell)
            raise
