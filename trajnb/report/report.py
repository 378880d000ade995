"""REPORT.md: what a run has shown, in sentences computed from its files and from nothing else."""

import pandas as pd
from scipy.stats import binomtest

from trajnb import files
from trajnb.config import Config

BASELINES = ("chance", "single_frame", "constant_velocity", "constant_velocity_true", "pixel_oracle", "true_oracle")
ORACLES = ("pixel_oracle", "true_oracle")
SHOWN = """model preset test_top1 test_top1_low test_top1_high test_nll ece ade_px fde_px ade_over_pixel_oracle
n_test seeds parameters macs clips_seen train_seconds latency_ms""".split()
FEWEST_CLIPS = 1000  # trained and tested on fewer, a run shows that the lab works and nothing about networks
ALARM_P = 0.001  # an accuracy this improbable under guessing is no accident


def leaderboard(run_dir):
    """The run's leaderboard (pandas), or None before there is one."""
    path = run_dir / "leaderboard.csv"
    return pd.read_csv(path) if path.is_file() else None


def record(run_dir):
    """The run's record run.json: run, status, parameters, stages; raises FileNotFoundError."""
    return files.read_json(run_dir / "run.json")


def verdict(table, run):
    """What the leaderboard shows, as a list of sentences; alarms begin with ALARM."""
    if run["status"] != "done":
        yield f"This run is {run['status']}: what follows, if anything, is not its result."
    if table is None:
        yield "There is no leaderboard yet."
        return
    clips, tested = run["parameters"]["clips"], run["parameters"]["test_clips"]
    if min(clips, tested) < FEWEST_CLIPS:
        yield (
            f"With {clips:,} clips, tested on {tested:,}, this is a smoke run: "
            "it shows that the lab works and proves nothing about any network."
        )
    baseline = table[table["model"].isin(BASELINES)].set_index("model")
    networks = table[~table["model"].isin(BASELINES)].sort_values("test_top1", ascending=False)
    for row in networks.itertuples():
        name = f"{row.model} ({row.preset})"
        yield from accuracy(name, row, baseline["test_top1"].dropna())
        yield from positions(row, baseline["ade_px"].dropna())
        yield from alarms(name, row, baseline["test_top1"].dropna())
    yield from order(networks)


def accuracy(name, row, top1):
    """Sentences on the class: against the best control, and against the pixel oracle."""
    interval = f"95 % interval {row.test_top1_low:.3f} to {row.test_top1_high:.3f}"
    yield f"{name} names the motion of {row.test_top1:.3f} of {row.n_test:,.0f} new clips ({interval})."
    controls = top1.drop(list(ORACLES), errors="ignore")
    if len(controls):
        best = f"the best, {controls.idxmax()}, has {controls.max():.3f}"
        above = row.test_top1_low > controls.max()
        yield (
            f"Its lower bound is above every control ({best})."
            if above
            else f"Its lower bound is not above every control ({best}): it has not shown that it sees motion."
        )
    if "pixel_oracle" in top1:
        share, oracle = row.test_top1_low / top1["pixel_oracle"], top1["pixel_oracle"]
        yield f"From the lower bound, it reaches {share:.3f} of the pixel oracle's top-1, {oracle:.3f}."


def positions(row, ade):
    """A sentence on where the object goes, against constant velocity from measured centroids."""
    if "constant_velocity" in ade and pd.notna(row.ade_px):
        straight = ade["constant_velocity"]
        better = "" if row.ade_px < straight else ": no better than going straight on"
        against = f"{row.ade_px / straight:.2f} of constant velocity's {straight:.2f} px"
        yield f"Its future positions are off by {row.ade_px:.2f} px on average, {against}{better}."


def alarms(name, row, top1):
    """Sentences on accuracies that no honest test can give."""
    hits, n = round(row.test_top1 * row.n_test), int(row.n_test)
    if "chance" in top1 and binomtest(hits, n, top1["chance"], alternative="less").pvalue < ALARM_P:
        numbers = f"{row.test_top1:.3f} against {top1['chance']:.3f}"
        yield f"ALARM: {name} is significantly below chance ({numbers}): look for classes missing from a split."
    if "true_oracle" in top1:
        best = top1["true_oracle"]
        error = ((row.test_top1 * (1 - row.test_top1) + best * (1 - best)) / n) ** 0.5
        if row.test_top1 > best + 3 * error:
            numbers = f"{row.test_top1:.3f} against {best:.3f}, three standard errors are {3 * error:.3f}"
            yield f"ALARM: {name} is beyond the true oracle ({numbers}): look for what else tells the class."


def order(networks):
    """A sentence on whether the first two extractors can be told apart."""
    if len(networks) > 1:
        first, second = networks.iloc[0], networks.iloc[1]
        if first["test_top1_low"] > second["test_top1_high"]:
            yield f"{first['model']} is ahead of {second['model']}: their intervals do not overlap."
        else:
            yield f"{first['model']} and {second['model']} cannot be told apart: their intervals overlap."


def number(value):
    """A cell of the table as a person reads it; empty where there is no number."""
    if isinstance(value, str) or pd.isna(value):
        return "" if pd.isna(value) else value
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.3f}"


def rows(table):
    """The leaderboard's shown columns and their cells as text: (names, list of rows)."""
    names = [name for name in SHOWN if name in table]
    return names, [[number(value) for value in row] for row in table[names].itertuples(index=False)]


def changed(run):
    """{name: value} of the run's parameters that differ from the smoke defaults, then what single stages had else."""
    defaults = Config().model_dump()
    own = {f"{n} ({stage})": v for stage, entry in run["stages"].items() for n, v in entry.get("own", {}).items()}
    return {name: value for name, value in run["parameters"].items() if value != defaults.get(name)} | own


def stages(run):
    """Rows (stage, status, seconds as text) in the order in which they ran."""
    return [[name, e["status"], f"{e['seconds']:.1f}" if "seconds" in e else ""] for name, e in run["stages"].items()]


def grid(names, lines):
    """A Markdown table."""
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in [names, ["---"] * len(names), *lines])


def write(run_dir):
    """Write the run's REPORT.md; returns its path."""
    run, table = record(run_dir), leaderboard(run_dir)
    parts = [f"# Run {run['run']}", "\n".join(f"- {sentence}" for sentence in verdict(table, run))]
    if table is not None:
        parts += ["## Leaderboard", grid(*rows(table)), "All columns stand in leaderboard.csv."]
    differ = changed(run) or {"": "none"}
    parts += ["## Parameters that differ from the smoke defaults", grid(["name", "value"], differ.items())]
    parts += ["## Stages", grid(["stage", "status", "seconds"], stages(run))]
    return files.write_text(run_dir / "REPORT.md", "\n\n".join(parts) + "\n")
