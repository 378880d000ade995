"""Stages: which notebooks a run executes, in which order, with which parameters."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from trajnb import PACKAGE, ROOT, config
from trajnb.runs import record

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

    def product_paths(self):
        """The files that the stage must leave."""
        return [self.folder.parent / product for product in self.products]

    def complete(self):
        """True if every product is there, however it was made."""
        return all(path.is_file() for path in self.product_paths())


def plan(cfg, overrides=None):
    """The stages of a run, each after the ones it needs.

    A training takes `params/models/<model>.yaml` over the run's own parameters, as with papermill a later `-f` file
    wins; `overrides` (name: value, from the command line) win over both. Raises ParameterError.
    """
    if cfg.study == "postmortem":
        return [stage(cfg, "postmortem", "postmortem", "postmortem.ipynb", products=["postmortem/postmortem.csv"])]
    tables = [f"data/{name}" for name in ("recipes.parquet", "test.parquet", "manifest.json", "audit.json")]
    data = stage(cfg, "data", "data", "01_data.ipynb", products=tables)
    ways = [(cfg.seed + i, "none") for i in range(cfg.seeds)] + [(cfg.seed, control) for control in cfg.controls]
    trained = [training(cfg, overrides, model, *way) for model in cfg.models for way in ways]
    needs = [data.name, *(train.name for train in trained)]
    evaluate = stage(cfg, "evaluate", "evaluate", "03_evaluate.ipynb", needs, ["leaderboard.csv"])
    tables = [f"robustness/{name}.csv" for name in ("seeds", "calibration", "curves", "areas", "horizon", "sentences")]
    robustness = stage(cfg, "robustness", "robustness", "robustness.ipynb", [*needs, evaluate.name], tables)
    attention = stage(cfg, "attention", "attention", "04_attention.ipynb", needs, ["attention/scores.csv"])
    return [data, *trained, evaluate, robustness, attention]


def training(cfg, overrides, model, seed, control):
    """The stage that trains `model` from `seed`, as a control or not."""
    path = MODEL_FILES / f"{model}.yaml"
    own = config.read_parameters(path) if path.is_file() else {}
    config.refuse_unknown(own)
    cfg = cfg.replace(**(own | dict(overrides or {}) | {"model": model, "seed": seed, "control": control}))
    products = [f"{cfg.train_stage}/{name}" for name in ("final.safetensors", "history.csv", "metrics.json")]
    return stage(cfg, cfg.train_stage, "train", "02_train.ipynb", ["data"], products)


def stage(cfg, name, kind, file, needs=(), products=()):
    """A stage that gets the parameters its notebook declares, and every other that differs from the default.

    So whatever a parameter file sets reaches the notebook, shown in its parameters cell or not; but what concerns only
    networks never reaches the data stage, which would then run again for nothing.
    """
    path, defaults = NOTEBOOKS / file, config.Config().model_dump()
    own = set(declared(path))
    known = {"data": DATA_NAMES, "train": set(defaults) - {"models", "controls"}}
    foreign = {key for key, only in config.ONE_STAGE.items() if kind != only}
    concerned = known.get(kind, set(defaults)) - config.LIMITS - foreign
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


def source(stage, package, done):
    """All that a stage's result depends on: hashes of notebook, package and inputs, and the parameters themselves.

    `package`: package_hash(); `done`: {stage: entry} of the run's record, where the stages it needs have left theirs.
    """
    cells = json.dumps([cell for _, cell in code_cells(stage.notebook)])
    inputs = {need: record.result_hash(done.get(need, {})) for need in stage.needs}
    notebook = hashlib.sha256(cells.encode()).hexdigest()
    parameters = {name: value for name, value in stage.parameters.items() if name not in config.SILENT}
    return {"notebook": notebook, "package": package, "parameters": parameters, "inputs": inputs}


def chosen(stages, only=(), start=None):
    """(names to consider, names to run whatever stands there) for --only and --from.

    `only`: names or kinds; `start`: this stage and all that need it, near or far. Raises ParameterError for a name
    that no stage has.
    """
    known = {stage.name: stage for stage in stages}
    for word in [*only, *([start] if start else [])]:
        if word not in known and word not in {stage.kind for stage in stages}:
            raise config.ParameterError(f"{word} is no stage of this run: write {', '.join(known)}.")
    names = [n for n, s in known.items() if not only or n in only or s.kind in only]
    forced = set()
    for name, stage in known.items():
        if start in (name, stage.kind) or forced & set(stage.needs):
            forced.add(name)
    return names, forced


def package_hash():
    """SHA-256 of the package's sources, without those parts that change no number."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in NO_RESULT:
            digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()
