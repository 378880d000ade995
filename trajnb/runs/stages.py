"""Stages: which notebooks a run executes, in which order, with which parameters."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from trajnb import PACKAGE, ROOT, config

NOTEBOOKS = ROOT / "notebooks"
MODEL_FILES = ROOT / "params" / "models"
DATA_NAMES = {"run_name", *config.WorldParams.model_fields, *config.DataParams.model_fields}
NO_RESULT = ("runs", "report", "cli.py")  # parts of the package that change no number


@dataclass(frozen=True)
class Stage:
    """One notebook with one set of parameters. Products are files that the stage must leave, below the run's folder."""

    name: str
    kind: str
    notebook: Path
    parameters: dict
    folder: Path
    needs: tuple = ()
    products: tuple = ()

    @property
    def result(self):
        return self.folder / "notebook.ipynb"

    def complete(self):
        """True if every product is there, however it was made."""
        return all((self.folder.parent / product).is_file() for product in self.products)


def plan(cfg, overrides=None):
    """The stages of a run, each after the ones it needs.

    A training takes `params/models/<model>.yaml` over the run's own parameters, as with papermill a later `-f` file
    wins; `overrides` (name: value, from the command line) win over both. Raises ParameterError.
    """
    data = stage(cfg, "data", "data", "01_data.ipynb", products=["data/manifest.json"])
    trained = [training(cfg, model, cfg.seed + i, overrides) for model in cfg.models for i in range(cfg.seeds)]
    needs = [data.name, *(train.name for train in trained)]
    return [data, *trained, stage(cfg, "evaluate", "evaluate", "03_evaluate.ipynb", needs, ["leaderboard.csv"])]


def training(cfg, model, seed, overrides):
    """The stage that trains `model` from `seed`."""
    path = MODEL_FILES / f"{model}.yaml"
    own = config.read_parameters(path) if path.is_file() else {}
    config.refuse_unknown(own)
    cfg = cfg.replace(**(own | dict(overrides or {}) | {"model": model, "seed": seed}))
    products = [f"{cfg.train_stage}/final.safetensors", f"{cfg.train_stage}/history.csv"]
    return stage(cfg, cfg.train_stage, "train", "02_train.ipynb", ["data"], products)


def stage(cfg, name, kind, file, needs=(), products=()):
    """A stage that gets the parameters its notebook declares, and every other that differs from the default.

    So whatever a parameter file sets reaches the notebook, shown in its parameters cell or not; but what concerns only
    networks never reaches the data stage, which would then run again for nothing.
    """
    path, defaults = NOTEBOOKS / file, config.Config().model_dump()
    own = set(declared(path))
    concerned = {"data": DATA_NAMES, "train": set(defaults) - {"models"}}.get(kind, set(defaults))
    own |= {key for key, value in cfg.model_dump().items() if key in concerned and value != defaults[key]}
    parameters = {key: value for key, value in cfg.model_dump().items() if key in own}
    return Stage(name, kind, path, parameters, cfg.stage_dir(name), tuple(needs), tuple(products))


def code_cells(path):
    """[(tags, source)] of a notebook's code cells; raises ParameterError when the notebook cannot be read."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        return [(cell.get("metadata", {}).get("tags", []), "".join(cell["source"])) for cell in code]
    except (OSError, ValueError, KeyError) as error:
        raise config.ParameterError(f"{path} is no readable notebook ({type(error).__name__}): restore it.") from None


def declared(path):
    """{name: default} of a notebook's parameters cell."""
    source = next((source for tags, source in code_cells(path) if "parameters" in tags), "")
    try:
        return config.literals(source)
    except (SyntaxError, ValueError) as error:
        raise config.ParameterError(f"{path}, parameters cell: {error}: write `name: type = value` lines.") from None


def fingerprints(stages):
    """{stage: SHA-256} of all that its result depends on: sources, parameters, package, and the stages it needs."""
    package, found = package_hash(), {}
    for stage in stages:
        sources = [source for _, source in code_cells(stage.notebook)]
        parts = [sources, stage.parameters, package, [found[need] for need in stage.needs if need in found]]
        found[stage.name] = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return found


def package_hash():
    """SHA-256 of the package's sources, without those parts that change no number."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in NO_RESULT:
            digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()
