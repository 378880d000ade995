"""How far networks are to be trusted: seeds, calibration, and curves against difficulty."""

import numpy as np
import seaborn as sns

from trajnb.evaluation import metrics
from trajnb.figures.style import COLOURS, MODEL_COLOURS, GREY, bare, panels
from trajnb.robustness import calibration, conditions

LABELS = {"top1": "top-1", "ade_px": "ADE, px"}


def spread(kinds, table):
    """Every training's top-1 and ADE as a dot, with the mean and Student's 95 % interval of its kind."""
    figure, axes = panels(1, 2, 4.2, 0.9 + 0.35 * len(kinds), sharey=True)
    for axis, score in zip(axes[0], LABELS, strict=True):
        rows = table[table["score"] == score].set_index("model")
        for place, (model, one) in enumerate(kinds.items()):
            each_S, line, colour = getattr(one, score).mean(axis=1), rows.loc[model], COLOURS.get(model)
            axis.plot([line["low"], line["high"]], [place, place], color=colour, linewidth=2)
            axis.plot(line["mean"], place, "|", color=colour, markersize=14)
            axis.plot(each_S, np.full(len(each_S), place), "o", color=colour, markersize=4, alpha=0.6)
        axis.set(xlabel=LABELS[score], yticks=range(len(kinds)), yticklabels=kinds)
    axes[0, 0].set_ylim(len(kinds) - 0.5, -0.5)
    sns.despine(figure)
    return figure


def calibrated(on_test, at_temperature, test):
    """Reliability of every network {name: Predictions} as it is (above) and {name: Scaled} at its temperature (below)."""
    kinds = {"as it is": on_test, "scaled": {name: one.said for name, one in at_temperature.items()}}
    figure, axes = panels(2, len(on_test), 2.3, 2.1, sharex=True, sharey=True)
    for line, (kind, told) in zip(axes, kinds.items(), strict=True):
        for axis, (name, said) in zip(line, told.items(), strict=True):
            count, confidence, right = metrics.reliability(said.prob_NK, test.label_N)
            axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
            axis.scatter(confidence, right, s=4 + 80 * count / count.sum(), color=COLOURS.get(name))
            axis.plot(confidence, right, color=COLOURS.get(name), linewidth=1)
            axis.set_title(f"{name}, {kind}: ECE {metrics.ece(said.prob_NK, test.label_N):.3f}", fontsize=8)
        line[0].set_ylabel("share correct")
    for axis in axes[1]:
        axis.set_xlabel("confidence")
    sns.despine(figure)
    return figure


def selective(on_test, test):
    """Share wrong among the surest clips against the share of clips asked: down to the left, doubt is worth hearing."""
    figure, axes = panels(1, 1, 3.8, 2.8)
    for name, said in on_test.items():
        share_N, wrong_N = calibration.risk(said.prob_NK, test.label_N)
        few = len(share_N) // 50  # the first few clips alone say nothing
        axes[0, 0].plot(share_N[few:], wrong_N[few:], color=COLOURS.get(name), label=name)
    axes[0, 0].set(xlabel="share of clips asked, the surest first", ylabel="share wrong", xlim=(0, 1), ylim=(0, None))
    axes[0, 0].legend(frameon=False)
    sns.despine(figure)
    return figure


def coverage(regions):
    """Above: share of true positions inside regions at each step; below: how large the regions are."""
    models = list(regions["model"].unique())
    figure, axes = panels(2, len(models), 2.3, 1.9, sharex=True, sharey="row")
    for column, model in zip(axes.T, models, strict=True):
        for (kind, level), part in regions[regions["model"] == model].groupby(["regions", "claimed"]):
            style = "o-" if kind == "calibrated" else "x:"
            colour = sns.color_palette("flare", 3)[[0.5, 0.8, 0.95].index(level)]
            column[0].axhline(level, color=colour, linewidth=0.6, alpha=0.6)
            for axis, name in zip(column, ("covered", "radius_px"), strict=True):
                axis.plot(part["step"], part[name], style, color=colour, markersize=3, label=f"{level:.0%} {kind}")
        column[0].set_title(model, color=COLOURS.get(model))
        column[1].set_xlabel("frames ahead")
    axes[0, 0].set(ylabel="share inside", ylim=(0, 1.02))
    axes[1, 0].set(ylabel="radius, px", ylim=(0, None))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False)
    sns.despine(figure)
    return figure


def questions(clips, frame=8):
    """What suites look like: the hardest level of each on one clip, a frame of it, and all frames added up."""
    hardest = {one.suite: one for one in conditions.questions(clips) if one.suite in conditions.SUITES}
    figure, axes = panels(4, -(-len(hardest) // 2), 1.15, 1.3)
    for number, one in enumerate(hardest.values()):
        video_TSS = one.clips.render([0])[0]
        top, bottom = axes[2 * (number % 2) : 2 * (number % 2) + 2, number // 2]
        top.imshow(video_TSS[frame], **GREY)
        bottom.imshow(video_TSS.max(axis=0), **GREY)
        bare(top, f"{one.suite} {one.level:g}")
        bare(bottom)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        sns.despine(ax=axis, left=True, bottom=True)
    return figure


def curves(table, score="top1"):
    """A panel for each suite: the score of every contender against the knob, from training's level outwards.

    Networks with 95 % bands; oracles and controls dashed.
    """
    names = [s for s in table["suite"].unique() if s in conditions.SUITES]
    figure, axes = panels(-(-len(names) // 5), 5, 2.1, 1.9, sharey=True)
    low, high = ("top1_low", "top1_high") if score == "top1" else ("ade_low", "ade_high")
    for axis, name in zip(axes.flat, names, strict=False):
        suite = conditions.SUITES[name]
        both = table["suite"].isin([name, conditions.USUAL])
        for contender, part in table[both & table[score].notna()].groupby("contender", sort=False):
            part = part.assign(x=np.where(part["suite"] == conditions.USUAL, suite.usual, part["level"])).sort_values(
                "x"
            )
            network = contender in MODEL_COLOURS
            axis.plot(
                part["x"],
                part[score],
                "o-" if network else "--",
                color=COLOURS.get(contender),
                markersize=3,
                linewidth=1.2,
                label=contender,
            )
            if network:
                axis.fill_between(part["x"], part[low], part[high], color=COLOURS.get(contender), alpha=0.12)
        axis.set(title=name, xlabel=suite.label)
        if suite.levels[-1] < suite.usual:
            axis.invert_xaxis()
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        axis.set_ylabel(LABELS[score])
    axes[0, 0].set_ylim((0, 1.03) if score == "top1" else (0, min(30, table[score].max())))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=8, frameon=False)
    sns.despine(figure)
    return figure


def areas(shown, score="right"):
    """The robustness table as a heat map: area under each curve, a row for each contender, a column for each suite."""
    figure, axes = panels(1, 1, 9.5, 0.9 + 0.3 * len(shown))
    limits = {"vmin": 0.25, "vmax": 1, "cmap": "Blues"} if score == "right" else {"vmin": 0, "vmax": 20, "cmap": "Reds"}
    form = ".2f" if score == "right" else ".1f"
    sns.heatmap(shown, annot=True, fmt=form, ax=axes[0, 0], cbar=False, annot_kws={"fontsize": 8}, **limits)
    axes[0, 0].set(xlabel="", ylabel="")
    axes[0, 0].set_xticklabels(axes[0, 0].get_xticklabels(), rotation=40, ha="right")
    return figure


def sooner_and_later(table, steps, horizon):
    """Left: top-1 against the frames seen. Right: error against the frames ahead, learned ones left of the line."""
    figure, axes = panels(1, 2, 4.2, 3)
    early, late = axes[0]
    rows = table[table["suite"].isin(["seen", conditions.USUAL]) & table["top1"].notna()]
    for contender, part in rows.groupby("contender", sort=False):
        part = part.assign(
            x=np.where(part["suite"] == conditions.USUAL, conditions.SUITES["seen"].usual, part["level"])
        )
        part = part.sort_values("x")
        style = "o-" if contender in MODEL_COLOURS else "--"
        early.plot(part["x"], part["top1"], style, color=COLOURS.get(contender), markersize=3, label=contender)
    early.set(xlabel="frames seen", ylabel="top-1", ylim=(0, 1.03), title="early recognition")
    for contender in steps.columns:
        style = "o-" if contender in MODEL_COLOURS else "--"
        late.plot(steps.index, steps[contender], style, color=COLOURS.get(contender), markersize=3, label=contender)
    late.axvline(horizon + 0.5, color="0.7", linewidth=1)
    late.set(xlabel="frames ahead", ylabel="mean error, px", ylim=(0, None), title="longer horizon")
    lines = {label: line for axis in axes[0] for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=5, frameon=False)
    sns.despine(figure)
    return figure
