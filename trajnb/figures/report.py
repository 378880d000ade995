"""The chart of a run's front page, narrow enough to be read on a phone."""

from trajnb.evaluation import verdict
from trajnb.figures.style import look, panels

GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # of a number over a line


def standing(board, ade):
    """Accuracy above ADE of every network with 95 % intervals, beside chance, best control, constant velocity and the
    pixel oracle; `board`: the leaderboard, `ade` {model: (mean, low, high) in pixels}."""
    rows = board.set_index("model")
    networks = rows[rows["kind"] == "network"].sort_values("test_top1", ascending=False)
    figure, axes = panels(2, 1, 6.0, 0.75 + 0.22 * len(networks))
    accuracy, error = axes[:, 0]
    top1, ade_px = rows["test_top1"], rows["ade_px"]
    control = top1[rows["kind"] == "control"].max()
    limits = {"chance": top1["chance"], "best control": control, "pixel oracle": top1["pixel_oracle"]}
    scores = networks[["test_top1", "test_top1_low", "test_top1_high"]].to_numpy()
    intervals(accuracy, dict(zip(networks.index, scores, strict=True)), ".3f", limits)
    limits = {"pixel oracle": ade_px["pixel_oracle"], "constant velocity": ade_px["constant_velocity"]}
    intervals(error, {model: ade[model] for model in networks.index}, ".2f", limits)
    accuracy.set(xlabel="test accuracy, 95 % interval (more is better)", xlim=(0, 1.08))
    error.set(xlabel="average displacement error (ADE), px, 95 % interval (less is better)", xlim=(0, None))
    return figure


def intervals(axis, scores, form, limits):
    """A row for each network {model: (mean, low, high)}: marker, interval as a line, and the mean as a number; and
    vertical lines of `limits` {label: value} between which networks are judged, every second label higher."""
    for row, (model, (mean, low, high)) in enumerate(scores.items()):
        axis.plot([low, high], [row, row], color=look(model)["color"], linewidth=3, solid_capstyle="butt")
        axis.plot(mean, row, **look(model), markersize=6)
        axis.annotate(f"{mean:{form}}", (high, row), (7, 0), textcoords="offset points", va="center", bbox=GROUND)
    axis.set_yticks(range(len(scores)), [verdict.name(model) for model in scores])
    axis.set(ylim=(len(scores) - 0.4, -0.6))
    axis.grid(axis="x", color="0.92")
    for number, (label, value) in enumerate(limits.items()):
        axis.axvline(value, color="0.35", linestyle="--" if "oracle" in label else ":", linewidth=1.2, zorder=0)
        height, across = 1.01 + 0.14 * (number % 2), axis.get_xaxis_transform()
        axis.text(value, height, label, transform=across, ha="center", va="bottom", fontsize=9)
