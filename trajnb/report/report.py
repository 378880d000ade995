"""REPORT.md: what a run has shown, in sentences computed from its files and from nothing else."""

import itertools
import re

import pandas as pd

from trajnb import files
from trajnb.config import Config
from trajnb.evaluation.alarms import alarms, of_controls
from trajnb.report import results, trust

SHOWN = """model kind preset test_top1 test_top1_low test_top1_high test_nll ece ade_px fde_px top1_over_pixel_oracle
ade_over_pixel_oracle n_test seeds parameters macs clips_seen train_seconds latency_ms""".split()
FEWEST_CLIPS = 1000  # trained and tested on fewer, a run shows that the lab works and nothing about networks
LEVEL = 0.05  # of the paired tests, after Holm's correction
IN_NAME = {"model", "seed"}  # a training's own parameters that its stage's name tells
TOLD = ("Its ", "From the lower bound")  # how a sentence begins that goes on about the network before


def smoke(run):
    """True for a run so small that it shows nothing about networks."""
    return min(run["parameters"]["clips"], run["parameters"]["test_clips"]) < FEWEST_CLIPS


def contenders(table):
    """(networks from the best top-1 down, ensembles, baselines) of a leaderboard: three tables of rows with scores."""
    table = table.drop_duplicates("model")
    possible = table["test_top1"].between(0, 1)
    scored = possible & table[["test_top1_low", "test_top1_high"]].notna().all(axis=1) & (table["n_test"] > 0)
    networks, joined = (scored & (table["kind"] == kind) for kind in ("network", "ensemble"))
    others = ~table["kind"].isin(["network", "ensemble"]) & (possible | table["test_top1"].isna())
    return table[networks].sort_values("test_top1", ascending=False), table[joined], table[others]


def verdict(table, run, pairs=None):
    """What the leaderboard and the paired comparisons show, as a list of sentences; alarms begin with ALARM."""
    if run.get("forced"):
        yield run["forced"]
    if run["status"] != "done":
        yield f"This run is {run['status']}: what follows, if anything, is not its result."
    if run["parameters"].get("study") == "postmortem":
        yield "This run makes old mistakes again, on purpose: what came of them stands in its notebook."
        return
    if table is None:
        yield "There is no leaderboard yet."
        return
    if smoke(run):
        clips, tested = run["parameters"]["clips"], run["parameters"]["test_clips"]
        yield (
            f"With {clips:,} clips, tested on {tested:,}, this is a smoke run: "
            "it shows that the lab works and proves nothing about any network."
        )
    networks, joined, baseline = contenders(table)
    if decidable(networks, pairs) and not smoke(run) and not run.get("forced"):  # these name no winner
        yield from decision(networks.set_index("model"), pairs, run)
    top1, ade = (baseline.set_index("model")[name].dropna() for name in ("test_top1", "ade_px"))
    beatable = baseline[baseline["kind"].isin(["baseline", "control"])].set_index("model")["test_top1"].dropna()
    for row in networks.itertuples():
        name = f"{row.model} ({row.preset})"
        yield from accuracy(name, row, top1, beatable)
        yield from positions(row, ade)
        yield from (alarm.sentence(name) for alarm in alarms(row, top1))
    yield from of_controls(table, networks["model"].tolist())
    if networks["ade_px"].notna().any():
        yield from ensembles(joined, networks)


def paragraphs(sentences):
    """The sentences of a verdict, those about one network joined."""
    found = []
    for sentence in sentences:
        if found and sentence.startswith(TOLD):
            found[-1] += " " + sentence
        else:
            found.append(sentence)
    return found


def accuracy(name, row, top1, controls):
    """Sentences on the class: against the best of the `controls`, and against the pixel oracle."""
    interval = f"95 % interval {row.test_top1_low:.3f} to {row.test_top1_high:.3f}"
    yield f"{name} names the motion of {row.test_top1:.3f} of {row.n_test:,.0f} new clips ({interval})."
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


def ensembles(joined, networks):
    """A sentence on each ensemble, against the best single network."""
    for row in joined.itertuples():
        best, nearest = networks.iloc[0], networks.loc[networks["ade_px"].idxmin()]
        yield (
            f"{row.model} names {row.test_top1:.4f} ({best['model']} alone {best['test_top1']:.4f}), ADE "
            f"{row.ade_px:.2f} px ({nearest['model']} alone {nearest['ade_px']:.2f}), for {row.macs / 1e6:.0f} M "
            "multiply-adds a clip."
        )


def decision(networks, pairs, run):
    """Winner and backup with reasons, or that no difference was shown; one training each decides little."""
    if "verdict" in pairs:  # several seeds: the rule over seeds decides, not a test over clips
        yield from trust.ordered(pairs)
        return
    winner, reason = pick(networks, pairs)
    if winner is None:
        yield f"Winner: no difference shown: {reason}."
    else:
        yield f"Winner: {winner}: {reason}."
        left = networks.drop(winner)
        if len(left) > 1:
            backup, reason = pick(left, pairs)
            yield f"Backup: {backup}: {reason}." if backup else f"Backup: no difference shown: {reason}."
    yield (
        "There is one training of each: the tests compare these trained networks on the same clips, not their "
        "kinds, which another seed may put in another order."
    )


def decidable(networks, pairs):
    """True if the networks, two at least, have been compared pair by pair."""
    if pairs is None or len(networks) < 2 or networks["ade_px"].isna().any():
        return False
    compared = {frozenset(pair) for pair in pairs.dropna()[["first", "second"]].itertuples(index=False)}
    return all(frozenset(pair) in compared for pair in itertools.combinations(networks["model"], 2))


def pick(networks, pairs):
    """(best of the networks, why), or (None, why not): first by top-1, then among those left equal by ADE."""
    leader = networks["test_top1"].idxmax()
    top1_p = {name: p_value(pairs, leader, name, "top1_p") for name in networks.index if name != leader}
    equal = [name for name, p in top1_p.items() if p >= LEVEL]
    ahead = f"top-1 {networks.loc[leader, 'test_top1']:.4f}"
    if not equal:
        second = networks["test_top1"].drop(leader).idxmax()
        return leader, f"{ahead} against {networks.loc[second, 'test_top1']:.4f} of {second} ({shown(top1_p[second])})"
    group = networks.loc[[leader, *equal]]
    nearest = group["ade_px"].idxmin()
    ade_p = {name: p_value(pairs, nearest, name, "ade_p") for name in group.index if name != nearest}
    undecided = (
        f"top-1 of {', '.join(sorted(group.index))} cannot be told apart ({shown(min(top1_p[n] for n in equal))}"
    )
    if max(ade_p.values()) >= LEVEL:
        same = sorted([nearest, *(name for name, p in ade_p.items() if p >= LEVEL)])
        return None, f"{undecided}), nor can the ADE of {' and '.join(same)} ({shown(max(ade_p.values()))})"
    second = group["ade_px"].drop(nearest).idxmin()
    errors = f"{group.loc[nearest, 'ade_px']:.2f} px against {group.loc[second, 'ade_px']:.2f} of {second}"
    return nearest, f"{undecided}), and its ADE is the smallest of them, {errors} ({shown(ade_p[second])})"


def p_value(pairs, one, other, name):
    """The corrected p-value of a pair, whichever stands first."""
    row = pairs[(pairs["first"].isin([one, other])) & (pairs["second"].isin([one, other]))]
    return float(row[name].iloc[0])


def shown(p):
    return "p < 0.0001 after Holm" if p < 1e-4 else f"p {p:.2g} after Holm"


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
    found = {name: value for name, value in run["parameters"].items() if value != defaults.get(name)}
    for stage, entry in run["stages"].items():
        found |= {f"{name} ({stage})": v for name, v in entry.get("own", {}).items() if name not in IN_NAME}
    return found


def written(value):
    """A parameter's value as a person writes it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def stages(run):
    """Rows (stage, status, seconds as text) in the order in which they ran."""
    return [[name, e["status"], f"{e['seconds']:.1f}" if "seconds" in e else ""] for name, e in run["stages"].items()]


def grid(names, lines):
    """A Markdown table."""
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in [names, ["---"] * len(names), *lines]]
    return "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in cells)


def plain(text):
    """Markdown that holds no HTML."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def write(run_dir):
    """Write the run's REPORT.md; returns its path. Raises as `results.record` does."""
    run, table = results.record(run_dir), results.leaderboard(run_dir)
    sentences = [*results.broken(run_dir), *verdict(table, run, results.comparisons(run_dir))]
    parts = [f"# Run {run['run']}", "\n".join(f"- {sentence}" for sentence in sentences)]
    if table is not None:
        parts += ["## Leaderboard", grid(*rows(table)), "All columns stand in leaderboard.csv."]
    for about, found in results.trust(run_dir).items():
        parts += [f"## {about}", "\n".join(f"- {sentence}" for sentence in found)]
    differ = {name: written(value) for name, value in changed(run).items()} or {"": "none"}
    parts += ["## Parameters that differ from the smoke defaults", grid(["name", "value"], differ.items())]
    parts += ["## Stages", grid(["stage", "status", "seconds"], stages(run))]
    return files.write_text(run_dir / "REPORT.md", plain("\n\n".join(parts) + "\n"))
