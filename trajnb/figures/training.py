"""How a training run went."""

from trajnb.figures.style import panels


def learning_curves(history, chance, constant_velocity_px):
    """Loss, top-1 and ADE after each epoch (pandas, one row an epoch), beside chance and constant velocity."""
    figure, axes = panels(1, 3, 3.1, 2.5)
    lines = {  # column: (panel, label, look)
        "train_loss": (0, "training objective", "C0o-"),
        "val_loss": (0, "validation NLL", "C1s-"),
        "train_top1": (1, "training (augmented)", "C0o-"),
        "val_top1": (1, "validation", "C1s-"),
        "val_ade_px": (2, "validation", "C1s-"),
    }
    for column, (panel, label, look) in lines.items():
        axes[0, panel].plot(history["epoch"], history[column], look, label=label)
    for panel, (level, label) in {1: (chance, "chance"), 2: (constant_velocity_px, "constant velocity")}.items():
        axes[0, panel].axhline(level, color="0.4", linestyle=":", linewidth=1, label=label)
    limits = {"loss, nats": {}, "top-1": {"ylim": (0, 1.02)}, "ADE, px": {"ylim": (0, None)}}
    for axis, (title, limit) in zip(axes[0], limits.items(), strict=True):
        axis.set(title=title, xlabel="epoch", **limit)
        axis.legend(frameon=False)
        axis.xaxis.get_major_locator().set_params(integer=True)
    return figure
