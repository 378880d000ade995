"""trajnb: which video network best understands how an object moves?"""

import os
from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).resolve().parent


def find_root():
    """The repository root: the nearest folder above the package that holds pyproject.toml, else the working folder.

    A notebook's kernel may start beside the notebook or where the command was given; paths from here serve both.
    """
    return next((folder for folder in PACKAGE.parents if (folder / "pyproject.toml").is_file()), Path.cwd())


ROOT = find_root()


def outputs():
    """The folder of all runs: `outputs/` in the repository, or wherever the variable TRAJNB_OUTPUTS points."""
    return Path(os.environ.get("TRAJNB_OUTPUTS") or ROOT / "outputs").absolute()
