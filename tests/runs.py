"""A lab in miniature: the project's Snakefile and package, and notebooks that only write their products."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from trajnb import ROOT

PRODUCTS = {
    "01_data": ("data", ["recipes.parquet", "test.parquet", "manifest.json"]),
    "02_train": ("{cfg.train_stage}", ["final.safetensors", "history.csv", "metrics.json"]),
    "03_evaluate": ("evaluate", ["leaderboard.csv", "comparisons.csv"]),
    "04_robustness": ("robustness", ["curves.csv", "mean_accuracy.csv"]),
    "05_attention": ("attention", ["scores.csv"]),
    "06_predict": ("predict", ["footage.csv"]),
    "07_explain": ("explain", ["faithfulness.csv"]),
    "report": ("report", []),
    "postmortem": ("postmortem", ["postmortem.csv"]),
}
BODY = """from trajnb.config import Config
cfg = Config.from_notebook(globals())
print("epochs", cfg.epochs)
for name in {names}:
    (cfg.stage_dir(f"{folder}") / name).write_text("x" * {size})"""
EXPORT = (
    "import sys, pathlib; f = pathlib.Path(sys.argv[2]); f.mkdir(exist_ok=True); (f / 'README.md').write_text('x')\n"
)
PAGES = "import sys; from trajnb import outputs; (outputs() / sys.argv[1] / 'index.html').write_text('page')\n"


class Lab:
    """A copy of the project in `folder`, whose notebooks can be given other cells."""

    def __init__(self, folder):
        self.folder, self.run_dir = folder, folder / "outputs" / "smoke"
        for name in ("trajnb", "profiles", "params"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Snakefile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "trajnb" / "pages.py").write_text(PAGES)
        (folder / "trajnb" / "predict" / "export.py").write_text(EXPORT)
        for name, (step, names) in PRODUCTS.items():
            self.write(name, BODY.format(names=names, folder=step, size=1))

    def write(self, name, *sources):
        """Write a notebook of a parameters cell and cells of `sources`."""
        cells = ['run_name: str = "smoke"', *sources]
        tags = [["parameters"], *([] for _ in sources)]
        code = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells = [
            code | {"id": f"c{i}", "metadata": {"tags": t}, "source": c}
            for i, (c, t) in enumerate(zip(cells, tags, strict=True))
        ]
        about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        path = self.folder / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}))

    def start(self, *arguments, params="params/smoke.yaml", **more):
        """The runner as a process, as `make run` starts it."""
        command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *arguments, "--configfile", params]
        own = {n: v for n, v in os.environ.items() if n not in ("TRAJNB_OUTPUTS", "TRAJNB_STEP")}
        own |= {"PYTHONPATH": str(self.folder)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=own, **(pipes | more))

    def run(self, *arguments, **more):
        """(exit code, what was printed) of the runner."""
        process = self.start(*arguments, **more)
        return (
            process.wait(300)
            if process.stdout is None
            else (process.communicate(timeout=300)[0], process.returncode)[::-1]
        )

    def times(self):
        """{step: when its notebook was executed}: what has changed was run again."""
        return {path.parent.name: path.stat().st_mtime_ns for path in self.run_dir.glob("*/notebook.ipynb")}

    def processes(self):
        """Processes of this lab that are still there."""
        import psutil

        for process in psutil.process_iter():
            try:
                if Path(process.cwd()) == self.folder and process.pid != os.getpid():
                    yield process
            except (psutil.Error, OSError):
                continue


def stop_at(process, words, number):
    """Send a signal to the runner once it has printed these words."""
    for line in process.stdout:
        if words in line:
            return process.send_signal(number)
    raise AssertionError(f"{words} was never printed")
