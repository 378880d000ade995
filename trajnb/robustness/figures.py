"""Figures of 04_robustness: the corruptions, and curves over severities."""

import seaborn as sns

from trajnb.figures.style import COLOURS, GREY, MODEL_COLOURS, bare, panels
from trajnb.robustness import conditions

LABELS = {"top1": "top-1", "ade_px": "ADE, px"}


def examples(clips, frame=8):
    """The hardest severity of each corruption on the first clip: one frame, and below the maximum over all frames."""
    hardest = {c.corruption: c for c in conditions.all_conditions(clips) if c.corruption in conditions.CORRUPTIONS}
    figure, axes = panels(4, -(-len(hardest) // 2), 1.15, 1.3)
    for axis in axes.flat:
        bare(axis)
    for number, condition in enumerate(hardest.values()):
        video_TSS, row = condition.clips.render([0])[0], 2 * (number % 2)
        axes[row, number // 2].imshow(video_TSS[frame], **GREY)
        axes[row, number // 2].set_title(f"{condition.corruption} {condition.severity:g}")
        axes[row + 1, number // 2].imshow(video_TSS.max(axis=0), **GREY)
    return figure


def accuracy_curves(table, score="top1"):
    """A panel for each corruption: a score of `study.curves` against severity, with 95 % bands of the networks."""
    names = [name for name in table["corruption"].unique() if name in conditions.CORRUPTIONS]
    figure, axes = panels(-(-len(names) // 5), 5, 2.1, 1.9, sharey=True)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    for axis, name in zip(axes.flat, names, strict=False):
        draw_severities(axis, table, name, score)
        corruption = conditions.CORRUPTIONS[name]
        axis.set(title=name, xlabel=corruption.label)
        axis.locator_params(axis="x", nbins=4)
        if corruption.severities[-1] < corruption.clean:
            axis.invert_xaxis()
    for axis in axes[:, 0]:
        axis.set_ylabel(LABELS[score])
    axes[0, 0].set_ylim((0, 1.03) if score == "top1" else (0, min(30, table[score].max())))
    return with_legend(figure, "outside upper center", 8)


def draw_severities(axis, table, corruption, score):
    """A score of every model from clean to the hardest severity."""
    part = table[table["corruption"].isin([corruption, conditions.CLEAN]) & table[score].notna()]
    clean = float(conditions.CORRUPTIONS[corruption].clean)
    part = part.assign(severity=part["severity"].where(part["corruption"] != conditions.CLEAN, clean))
    for model, line in part.sort_values("severity", kind="stable").groupby("model", sort=False):
        draw_line(axis, model, line["severity"], line[score])
        if model in MODEL_COLOURS:
            band = {"color": MODEL_COLOURS[model], "alpha": 0.12, "linewidth": 0}
            axis.fill_between(line["severity"], line[f"{score}_low"], line[f"{score}_high"], **band)


def draw_line(axis, model, x, y):
    """A line of one model: networks solid, controls and oracles dashed."""
    style = "o-" if model in MODEL_COLOURS else "--"
    axis.plot(x, y, style, color=COLOURS.get(model), markersize=3, linewidth=1.2, label=model)


def with_legend(figure, where, columns):
    """The figure with one legend of all its lines, each label once."""
    lines = {line.get_label(): line for axis in figure.axes for line in axis.lines if line.get_label()[0] != "_"}
    figure.legend(lines.values(), lines, loc=where, ncols=columns, frameon=False)
    sns.despine(figure)
    return figure


def mean_accuracy(wide):
    """Mean accuracy over severities as a heat map: models down, corruptions across."""
    figure, ((axis,),) = panels(1, 1, 9.5, 0.9 + 0.3 * len(wide))
    look = {"vmin": 0.25, "vmax": 1, "cmap": "Blues", "fmt": ".2f", "annot_kws": {"fontsize": 8}}
    sns.heatmap(wide, annot=True, ax=axis, cbar=False, **look)
    axis.set(xlabel="", ylabel="")
    axis.tick_params(length=0)
    axis.set_xticks(axis.get_xticks(), wide.columns, rotation=40, ha="right", rotation_mode="anchor")
    return figure


def horizons(steps, horizon):
    """Mean error against frames ahead, from `study.long_horizon`; the trained horizon is left of the line."""
    figure, ((axis,),) = panels(1, 1, 6, 3)
    for model, error_px in steps.items():
        draw_line(axis, model, steps.index, error_px)
    axis.axvline(horizon + 0.5, color="0.7", linewidth=1)
    axis.set(xlabel="frames ahead", ylabel="mean error, px", ylim=(0, None))
    return with_legend(figure, "outside right center", 1)
