"""The weights of every attention in a net, read off while it runs; the fast path is put back afterwards."""

import contextlib

from torch import nn

from trajnb.models.attention import Attend


@contextlib.contextmanager
def recorded(module: nn.Module):
    """{name: weights (G, N, L, S)} of all attentions in `module`, filled by forward passes inside the `with` block.

    G groups, N heads, L queries, S keys; rows sum to 1 and gradients flow through them. Raises ValueError when
    `module` holds no attention, and when one of its attentions was never asked.
    """
    attends = {name: part for name, part in module.named_modules() if isinstance(part, Attend)}
    if not attends:
        raise ValueError(f"{type(module).__name__} holds no attention: nothing would be recorded")
    found, fused = {}, {name: part.fused for name, part in attends.items()}
    hooks = [part.weights.register_forward_hook(keep(found, name)) for name, part in attends.items()]
    try:
        for part in attends.values():
            part.fused = False
        yield found
    finally:
        for name, part in attends.items():
            part.fused = fused[name]
        for hook in hooks:
            hook.remove()
    if silent := sorted(attends.keys() - found.keys()):
        raise ValueError(f"{', '.join(silent)} of {type(module).__name__} gave no weights: it was not run")


def keep(found: dict, name: str):
    """A forward hook that puts a module's output into `found`."""

    def hook(module, inputs, output):
        found[name] = output

    return hook
