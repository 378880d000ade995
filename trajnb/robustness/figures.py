"""Figures of 04_robustness: the corruptions, and curves over severities."""

from trajnb.evaluation import verdict
from trajnb.figures.style import COLOURS, GREY, MODEL_COLOURS, bare, key, panels
from trajnb.robustness import conditions


def examples(clips, frame=8):
    """The hardest severity of each corruption on the first clip: one frame, and below the maximum over all frames."""
    hardest = {name: one for name, *one in conditions.all_conditions(clips) if name != conditions.CLEAN}
    figure, axes = panels(4, -(-len(hardest) // 2), 1.15, 1.3)
    for axis in axes.flat:
        bare(axis)
    for number, (name, (severity, corrupted)) in enumerate(hardest.items()):
        video_TSS, (column, row) = corrupted.render([0])[0], divmod(number, 2)
        single, together = axes[2 * row : 2 * row + 2, column]
        single.imshow(video_TSS[frame], **GREY)
        single.set_title(f"{name} {severity:g}")
        together.imshow(video_TSS.max(axis=0), **GREY)
    return figure


def accuracy_curves(table, score="top1"):
    """A score of `study.curves` against the severity of each corruption: networks with 95 % bands, others dashed."""
    names = [name for name in table["corruption"].unique() if name in conditions.CORRUPTIONS]
    figure, axes = panels(-(-len(names) // 5), 5, 2.1, 1.9, used=len(names), sharey=True)
    for axis, name in zip(axes.flat, names, strict=False):
        part = table[table[score].notna() & table["corruption"].isin([name, conditions.CLEAN])]
        clean = part["clean_severity"].max()
        part = part.assign(severity=part["severity"].where(part["corruption"] == name, clean))
        for model, line in part.sort_values("severity", kind="stable").groupby("model", sort=False):
            network, colour = model in MODEL_COLOURS or model not in COLOURS, COLOURS.get(model, "C0")
            look = {"color": colour, "label": verdict.name(model), "markersize": 3, "linewidth": 1.2}
            axis.plot(line["severity"], line[score], "o-" if network else "--", **look)
            if network:
                ends = line[f"{score}_low"], line[f"{score}_high"]
                axis.fill_between(line["severity"], *ends, color=colour, alpha=0.12, linewidth=0)
        axis.set(title=name, xlabel=conditions.CORRUPTIONS[name].label)
        axis.locator_params(axis="x", nbins=4)
        if part["severity"].min() < clean:
            axis.invert_xaxis()
    label, limits = ("top-1", (0, 1.03)) if score == "top1" else ("ADE, px", (0, min(30, table[score].max())))
    for axis in axes[:, 0]:
        axis.set(ylabel=label, ylim=limits)
    key(figure, axes[0, 0], columns=8)
    return figure
