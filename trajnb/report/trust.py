"""What seeds, calibration and difficulty suites support, in sentences computed from their tables and nothing else."""

from math import isnan

from trajnb.evaluation import seeds

LEVEL = 0.05  # of tests, after Holm's correction
ENOUGH = 0.9  # of a network's own top-1 on whole clips: what it takes to have recognised
WORDS = {"top1": "top-1", "ade_px": "ADE"}
PLACES = {"top1": 3, "ade_px": 2}


def of_seeds(table, pairs):
    """On the kinds of networks: their spread over seeds, and an order if there are seeds enough to state one."""
    for row in table.itertuples():
        if row.seeds == 1:
            continue
        p = PLACES[row.score]
        lost = f"; {row.failed} of them failed to beat chance" if row.failed else ""
        yield (
            f"{row.model}, {WORDS[row.score]} of {row.seeds} trainings: {row.mean:.{p}f}, from {row.least:.{p}f} to "
            f"{row.largest:.{p}f} (sd {row.sd:.{p + 1}f}; 95 % interval {row.low:.{p}f} to {row.high:.{p}f} by "
            f"Student's t over the seeds){lost}."
        )
    if not len(pairs):
        yield "One training of each: nothing is said about kinds of networks, only about these trained ones."
        return
    yield from ordered(pairs)


def ordered(pairs):
    """Sentences on the pairs that are told apart, and one on the others; with few seeds that no order is stated."""
    if pairs["seeds"].max() <= seeds.MOST_UNRANKED:
        yield f"With {pairs['seeds'].max():.0f} seeds the spread is shown and no order is stated."
        return
    for row in pairs[pairs["verdict"].isin(["first", "second"])].itertuples():
        better, other = (row.first, row.second)[:: 1 if row.verdict == "first" else -1]
        likely = row.better if row.verdict == "first" else 1 - row.better
        yield (
            f"{better} is better than {other} in {WORDS[row.score]} by {abs(row.difference):.3f}; a training of the "
            f"one beats one of the other with probability {likely:.2f} (p {row.p:.2g} after Holm, {row.seeds} seeds)."
        )
    left = pairs[pairs["verdict"] == "not told apart"]
    if len(left):
        names = ", ".join(f"{r.first} and {r.second} ({WORDS[r.score]})" for r in left.itertuples())
        yield f"Not told apart: {names}."


def of_calibration(table):
    """On each network's confidence, before and after temperature scaling."""
    for model, part in table.groupby("model", sort=False):
        raw, scaled = (part[part["probabilities"] == kind].iloc[0] for kind in ("as it is", "scaled"))
        warmth = raw["temperature"]
        how = "too sure" if warmth > 1 else "not sure enough"
        verdict = f"is {how} of itself" if raw["rms_low"] > 0 else "shows no calibration error"
        yield (
            f"{model} {verdict}: {error(raw)}; temperature {warmth:.2f}, taken from validation clips, makes that "
            f"{error(scaled)}, and the NLL {scaled['nll']:.4f} instead of {raw['nll']:.4f}."
        )


def error(row):
    """A calibration error with its interval."""
    return f"{row['rms_error']:.3f} ({row['rms_low']:.3f} to {row['rms_high']:.3f})"


def of_regions(regions, level=0.8):
    """On the predicted regions of each network, at one claimed level."""
    part = regions[regions["claimed"] == level]
    for model, rows in part.groupby("model", sort=False):
        own, fitted = (rows[rows["regions"] == kind]["covered"] for kind in ("own", "calibrated"))
        yield (
            f"{model}'s own {level:.0%} regions hold {own.min():.0%} to {own.max():.0%} of the true positions, by "
            f"step; with radii from validation clips {fitted.min():.0%} to {fitted.max():.0%}."
        )


def of_fronts(marks):
    """On who stands on each front."""
    for cost in dict.fromkeys(cost for cost, _ in marks.columns):
        for score, word in (("test_top1", "top-1"), ("ade_px", "ADE")):
            names = ", ".join(marks.index[marks[(cost, score)]])
            yield f"Nobody has a better {word} for as few {cost.replace('_', ' ')} than: {names}."


def of_suites(table, leaders):
    """On each suite: where networks fall below half of the pixel oracle's way from chance, and who holds best."""
    for row in leaders.itertuples():
        told = f"p {row.p:.2g}" if row.p < LEVEL else "not told apart"
        if row.seeds > 1 and isnan(row.p):
            told = f"{row.seeds} seeds state no order"
        yield (
            f"{row.suite}: {row.best} holds best, mean top-1 {row.area:.3f} over the knob's range, before "
            f"{row.second}, {row.second_area:.3f} ({told}){beside(table, row)}."
        )


def beside(table, row):
    """How the best network of a suite does at the hardest level, beside the pixel oracle and the best control."""
    part = table[table["suite"] == row.suite]
    if row.suite not in conditions.SUITES:
        return ""
    hardest = part[part["level"] == conditions.SUITES[row.suite].levels[-1]].set_index("contender")["top1"]
    control = hardest[["mean_frame", "motion_energy"]].max()
    oracle = f", the pixel oracle {hardest['pixel_oracle']:.2f}" if "pixel_oracle" in hardest else ""
    below = "" if hardest[row.best] > control else "; that is no better than a control without motion"
    return f"; at the hardest level it has {hardest[row.best]:.2f}{oracle}, the best control {control:.2f}{below}"


def of_early(table, networks):
    """On how many frames each network needs to have recognised the motion."""
    for name in networks:
        mine = table[table["contender"] == name]
        whole = mine[mine["suite"] == conditions.USUAL]["top1"].iloc[0]
        part = mine[mine["suite"] == "seen"].sort_values("level")
        enough = part[part["top1"] >= ENOUGH * whole]["level"]
        needs = f"{enough.min():.0f}" if len(enough) else f"more than {part['level'].max():.0f}"
        of = f"of {conditions.SUITES['seen'].usual} frames"
        yield f"{name} needs {needs} {of} for {ENOUGH:.0%} of its top-1 on whole clips."


def of_horizon(steps, networks):
    """On the steps at which each network is nearer than constant velocity."""
    for name in networks:
        better = steps.index[steps[name] < steps["constant_velocity"]]
        worse = steps.index[steps[name] >= steps["constant_velocity"]]
        if not len(better):
            yield f"{name} is nowhere nearer than constant velocity."
        elif len(worse):
            where = ", ".join(str(step) for step in worse)
            yield f"{name} is nearer than constant velocity from step {better.min()} on, not at step {where}."
        else:
            yield f"{name} is nearer than constant velocity at every step from 1 to {steps.index.max()}."
