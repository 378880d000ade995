"""Muon for the hidden matrices, AdamW for everything else: one optimizer, one state.

Source:   Muon, K. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon: momentum whose matrix is replaced by
          the nearest (semi-)orthogonal one, found by five Newton-Schulz steps; scaled as in Moonlight, section 2.2,
          https://arxiv.org/abs/2502.16982.
Differs:  float32 instead of bfloat16, which many CPUs have to emulate.
"""

import torch
from torch import nn

MOMENTUM = 0.95
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315  # coefficients of the quintic, from the source
STEPS = 5
ADAM_RMS = 0.2  # root mean square of an AdamW update, per unit of learning rate (Moonlight)
BETAS = 0.9, 0.99


class MuonAdamW(torch.optim.AdamW):
    """AdamW whose groups marked `muon` are updated by Muon instead; weight decay is decoupled in both."""

    def step(self):
        # AdamW's own step, fused, sees its groups alone.
        groups, self.param_groups = self.param_groups, [group for group in self.param_groups if not group["muon"]]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            if group["muon"]:
                self.muon(group)

    def load_state_dict(self, state):
        super().load_state_dict(state)
        for group in self.param_groups:  # of the device here, not of the one where it was saved
            group["capturable"] = self.defaults["capturable"]

    @torch.no_grad()
    def muon(self, group):
        """One step of Muon for a group's matrices and filters."""
        weights = [weight for weight in group["params"] if weight.grad is not None]
        for weight in weights:
            if not self.state[weight]:  # "step" because AdamW asks every state for it when one is loaded
                self.state[weight] = {"momentum": torch.zeros_like(weight), "step": torch.zeros(())}
        # The momentum: a running mean of gradients.
        grads, momenta = [weight.grad for weight in weights], [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, grads, 1 - MOMENTUM)
        # Nesterov's form: the momentum as it would be after this gradient once more.
        ahead = torch._foreach_lerp(momenta, grads, 1 - MOMENTUM)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        # Hundreds of small products cost more in calls than in arithmetic: stacked, one for each shape.
        by_shape, updates = {}, [None] * len(ahead)
        for k, momentum in enumerate(ahead):
            by_shape.setdefault((len(momentum), momentum[0].numel()), []).append(k)
        for shape, ks in by_shape.items():
            stack_NRC = orthogonal(torch.stack([ahead[k].reshape(shape) for k in ks]))
            # Of the size of a typical AdamW update: both parts of the optimizer share one learning rate.
            for k, update_RC in zip(ks, (ADAM_RMS * max(shape) ** 0.5 * stack_NRC).unbind(), strict=True):
                updates[k] = group["lr"] * update_RC.view_as(ahead[k])
        torch._foreach_sub_(weights, updates)


def orthogonal(matrix_NRC):
    """The nearest semi-orthogonal matrices, roughly: singular values between 0.7 and 1.2 (Newton-Schulz, quintic)."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix_NRC.shape[1] > matrix_NRC.shape[2]
    x = matrix_NRC.mT if tall else matrix_NRC  # the square below is then the smaller of the two possible ones
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def build(net: nn.Module, lr: float, weight_decay: float) -> MuonAdamW:
    """Muon for matrices and filters; AdamW for the head's output maps, tables, norms and biases.

    On a GPU a step can be part of a CUDA graph, if the learning rate is a tensor there.
    """
    # Orthogonal updates suit maps between hidden features; outputs and tables have rows of a meaning of their own.
    groups = {"hidden": [], "outer": [], "plain": []}
    for name, weight in net.named_parameters():
        matrix = name.endswith("weight") and weight.ndim >= 2
        groups["plain" if not matrix else "outer" if name.startswith("head.to_") else "hidden"].append(weight)
    # No decay of norms, biases and tables, as is usual: their size is no sign of a complicated function.
    decay = {"hidden": weight_decay, "outer": weight_decay, "plain": 0.0}
    options = [{"params": w, "weight_decay": decay[kind], "muon": kind == "hidden"} for kind, w in groups.items() if w]
    on_gpu = next(net.parameters()).is_cuda
    return MuonAdamW(options, lr=torch.tensor(lr), betas=BETAS, fused=True, capturable=on_gpu)
