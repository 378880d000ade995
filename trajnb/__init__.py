"""trajnb: which video network best understands how an object moves?"""

import os
from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).resolve().parent
# The repository, else the working folder: a notebook's kernel may start beside it or where the command was.
ROOT = next((folder for folder in PACKAGE.parents if (folder / "pyproject.toml").is_file()), Path.cwd())


class ParameterError(ValueError):
    """A parameter that cannot be used; the message is one sentence."""


def outputs():
    """The folder of all runs: `outputs/` in the repository, or wherever the variable TRAJNB_OUTPUTS points.

    A relative path starts where the command was given. Raises ParameterError where ~ stands for nobody's home.
    """
    given = os.environ.get("TRAJNB_OUTPUTS")
    try:
        return Path(given).expanduser().absolute() if given else ROOT / "outputs"
    except RuntimeError:
        raise ParameterError(f"TRAJNB_OUTPUTS: {given}: this home is not known: write the whole path.") from None
