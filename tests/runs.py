"""A lab in miniature: the project's Snakefile and package, and notebooks that only write their products."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_notebook

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
    (cfg.stage_dir(f"{folder}") / name).write_text("x")"""
EXPORT = "import sys, trajnb.files; trajnb.files.write_text(sys.argv[2] + '/README.md', 'x')\n"
PAGES = "import sys; from trajnb import outputs; (outputs() / sys.argv[1] / 'index.html').write_text('page')\n"
SLOW = "print('begun', flush=True)\nimport time\ntime.sleep(60)"


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
        for name in PRODUCTS:
            self.write(name)

    def write(self, name, *sources):
        """Write a notebook of a parameters cell and cells of `sources`, or one that writes its products."""
        step, names = PRODUCTS[name]
        sources = sources or [BODY.format(names=names, folder=step)]
        first = new_code_cell('run_name: str = "smoke"', metadata={"tags": ["parameters"]})
        about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        path = self.folder / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=[first, *map(new_code_cell, sources)], metadata=about), path)

    def start(self, *arguments, **more):
        """The runner as a process, as `make run` starts it."""
        command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *arguments]
        command += ["--configfile", "params/smoke.yaml"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment(), **(pipes | more))

    def environment(self):
        own = {n: v for n, v in os.environ.items() if n not in ("TRAJNB_OUTPUTS", "TRAJNB_STEP", "MAKEFLAGS")}
        return own | {"PYTHONPATH": str(self.folder)}

    def run(self, *arguments):
        """(exit code, what was printed) of the runner."""
        process = self.start(*arguments)
        printed = process.communicate(timeout=300)[0]
        return process.returncode, printed

    def processes(self):
        """Processes of this lab that are still there."""
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()) == self.folder and process.pid != os.getpid():
                    yield process
            except (psutil.Error, OSError):
                continue


def once_printed(words, process):
    """The process, once it has printed these words."""
    for line in process.stdout:
        if words in line:
            return process
    raise AssertionError(f"{words} was never printed")
