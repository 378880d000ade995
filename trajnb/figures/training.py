"""How a training went."""

import seaborn as sns

from trajnb.figures.style import panels


def learning_curves(history, chance, constant_velocity_px):
    """Loss, top-1 and ADE after each epoch (pandas, one row an epoch), beside what needs no learning."""
    figure, axes = panels(1, 3, 3.1, 2.5)
    loss, top1, ade = axes[0]
    loss.plot(history["epoch"], history["train_loss"], "o-", label="training objective")
    loss.plot(history["epoch"], history["val_loss"], "s-", label="validation NLL")
    loss.set(title="loss, nats", xlabel="epoch")
    loss.legend(frameon=False)
    top1.plot(history["epoch"], history["train_top1"], "o-", label="training (moved, mirrored)")
    top1.plot(history["epoch"], history["val_top1"], "s-", label="validation")
    top1.axhline(chance, color="0.4", linestyle=":", linewidth=1, label="chance")
    top1.set(title="top-1", xlabel="epoch", ylim=(0, 1.02))
    top1.legend(frameon=False)
    ade.plot(history["epoch"], history["val_ade_px"], "s-", color="C1", label="validation")
    ade.axhline(constant_velocity_px, color="0.4", linestyle=":", linewidth=1, label="constant velocity")
    ade.set(title="ADE, px", xlabel="epoch", ylim=(0, None))
    ade.legend(frameon=False)
    for axis in axes[0]:
        axis.xaxis.get_major_locator().set_params(integer=True)
    sns.despine(figure)
    return figure
