"""RESULTS.md: every measured table of the runs in outputs/, with date, commit and command.

Sections of runs that are not in outputs/ stay as they were.

Command   python benchmarks/results.py [RUN...]     without names: all runs that have ended, but for smoke and tour runs
"""

import re
import sys
from datetime import date

import pandas as pd

from trajnb import ROOT, files, outputs, provenance
from trajnb.config import Config
from trajnb.evaluation import predictions
from trajnb.predict.trained import config_of

HEAD = """# Results

Printed by `make results` from the runs in `outputs/`. Intervals are 95 %: Wilson's for one seed, Student's t over seeds
for several; under "Over seeds" Student's t throughout, of one seed over its clips. Calibration is the first seed's. ADE
and FDE are in pixels of a 64 x 64 clip. The rule by which architectures are ordered stands in
[docs/protocol.md](docs/protocol.md).
"""
SCORES = "test_top1 test_top1_low test_top1_high test_nll ece ade_px fde_px".split()
SCORES += ["top1_over_pixel_oracle", "ade_over_pixel_oracle"]
COSTS = "parameters macs training_macs model_mb clips_seen train_seconds device latency_ms".split()
MAPS = "pointing_game relevance_mass margin margin_low margin_high p sanity_rank_correlation passes_randomisation n"
MAPS = MAPS.split()


def markdown(table):
    """A table as Markdown: whole numbers whole, others with three digits, empty where there is no value."""
    shown = table.reset_index()
    for name, column in shown.select_dtypes("number").items():
        digits = 0 if (column.dropna() % 1 == 0).all() else 3
        shown[name] = [f"{value:,.{digits}f}" if value == value else "" for value in column]
    return shown.fillna("").to_markdown(index=False, disable_numparse=True)


def sections(folder):
    """(title, table) of what a run has measured."""
    board = pd.read_csv(folder / "evaluate" / "leaderboard.csv").set_index("model")
    yield "Test clips", board[["kind", "seeds", "n_test", *SCORES]]
    yield "Cost", board.loc[board["kind"].isin(["network", "ensemble"]), COSTS]
    yield "What time buys (validation; the learning rate falls over all epochs)", bought(config_of(folder.name))
    pairs = folder / "evaluate" / "comparisons.csv"
    yield "Network against network", pd.read_csv(pairs).set_index("first")
    for name, title in {"seeds": "Over seeds", "calibration": "Calibration"}.items():
        table = pd.read_csv(folder / "evaluate" / f"{name}.csv")
        yield title, table.set_index("model")
    accuracy = pd.read_csv(folder / "robustness" / "mean_accuracy.csv")
    wide = accuracy.pivot(index="corruption", columns="model", values="mean_accuracy")
    yield "Mean accuracy over the severities of each corruption", wide[accuracy["model"].unique()]
    maps = pd.read_csv(folder / "attention" / "scores.csv").set_index(["model", "clips", "method"])
    yield "Attention maps", maps[MAPS]
    if (folder / "predict" / "footage.csv").is_file():
        yield "The best network on footage", pd.read_csv(folder / "predict" / "footage.csv").set_index("footage")


def bought(cfg):
    """Scores of each network after every epoch, with clips and seconds until then: means over its seeds."""
    tables = []
    for model, runs in predictions.training_runs(cfg).items():
        for run in runs:
            history = pd.read_csv(run.stage_dir(run.train_stage) / "history.csv")
            tables.append(history.assign(model=model, seconds=history["seconds"].cumsum()))
    table = pd.concat(tables).groupby(["model", "clips_seen"], sort=False).mean().reset_index("clips_seen")
    return table[["clips_seen", "seconds", "train_top1", "val_top1", "val_ade_px"]]


def curves(folder):
    """The text of the learning curves of benchmarks/learning_curves.py."""
    table = pd.read_csv(folder / "laws.csv").set_index(["way", "model", "score"])
    about = f"`python benchmarks/learning_curves.py outputs/{folder.name}`: means over seeds and the law a * clips^-b."
    return "\n".join([f"## {folder.name}", "", about, "", markdown(table)]) + "\n"


def measured(path):
    """The text of a benchmark's table.csv, whose first column is an index, with about.txt beside it."""
    table = pd.read_csv(path, index_col=0)
    return "\n".join([f"## {path.parent.name}", "", path.with_name("about.txt").read_text(), markdown(table)]) + "\n"


def save(name, table, about):
    """Save a benchmark's table for RESULTS.md, with a line of what was run on which machine."""
    machine = provenance.environment()
    about = f"`{about}`, {date.today()}, {machine['processor']}, {machine['cores']} cores."
    files.write_text(outputs() / name / "about.txt", about + "\n")
    files.write_text(outputs() / name / "table.csv", table.to_csv())


def section(folder):
    """The text of one run."""
    about = files.read_json(folder / "manifest.json")
    commit, machine = about["code"]["commit"] or "", about["environment"]
    params = ROOT / "params" / f"{folder.name}.yaml"
    lines = [f"## {folder.name}", ""]
    command = f"make run PARAMS=params/{folder.name}.yaml"
    if not params.is_file():  # the quick run with other parameters
        usual = Config.from_files([ROOT / "params" / "quick.yaml"]).model_dump()
        own = config_of(folder.name).model_dump()
        command = f'make run ARGS="--config {" ".join(f"{n}={v}" for n, v in own.items() if v != usual[n])}"'
    lines += [f"`{command}`, "]
    lines[-1] += f"{about['written'][:10]}, commit {commit[:10]}{' with changes' if about['code']['changes'] else ''}, "
    lines[-1] += f"{machine['processor']}, {machine['cores']} cores{''.join(f', {gpu}' for gpu in machine['gpus'])}."
    for title, table in sections(folder):
        lines += ["", f"### {title}", "", markdown(table)]
    return "\n".join(lines) + "\n"


def main(names):
    """Write RESULTS.md."""
    ended = [path.parent for path in sorted(outputs().glob("*/manifest.json"))]
    chosen = [folder for folder in ended if folder.name in (names or {f.name for f in ended} - {"smoke", "tour"})]
    if not chosen:
        sys.exit(f"No run has ended in {outputs()}: `make run` makes one.")
    path = ROOT / "RESULTS.md"
    parts = re.split(r"(?m)^## (.*)\n", path.read_text())[1:] if path.is_file() else []
    old = {name: f"## {name}\n{text.rstrip()}\n" for name, text in zip(parts[::2], parts[1::2], strict=True)}
    new = {folder.name: section(folder) for folder in chosen}
    new |= {path.parent.name: curves(path.parent) for path in outputs().glob("*/laws.csv")}
    new |= {path.parent.name: measured(path) for path in sorted(outputs().glob("*/table.csv"))}
    files.write_text(path, "\n".join([HEAD, *(old | new).values()]))
    print(f"RESULTS.md: written {', '.join(new)}; kept {', '.join(old.keys() - new.keys()) or 'none'}")


if __name__ == "__main__":
    main(sys.argv[1:])
