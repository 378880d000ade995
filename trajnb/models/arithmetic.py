"""Which parts of a network may compute in fewer digits, and which never do.

bfloat16 has 8 binary digits: near the middle of a frame it places an object to a quarter of a pixel, and it knows a
depth to 0.8 %. Features live with that; predictions, losses and comparisons of distances do not. TF32, in which a GPU
multiplies float32 matrices several times as fast, has 11: enough for features, and for gradients.
"""

import contextlib
import functools

import torch


def autocast(precision: str, x):
    """A context on the device of `x`: float32, bfloat16, or `auto`, bfloat16 on a CPU with instructions for it."""
    # They are twice as fast as float32's; without them bfloat16 is up to 16 times as slow. On a GPU nano gains nothing.
    able = x.device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)
    low = precision == "bfloat16" or (precision == "auto" and able)
    # The meta device, on which presets are counted, has no autocast.
    return contextlib.nullcontext() if x.is_meta else torch.autocast(x.device.type, torch.bfloat16, enabled=low)


@contextlib.contextmanager
def no_tf32():
    """A context in which a GPU multiplies float32 matrices in float32."""
    allowed, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed


def in_float32(forward):
    """A module's forward(self, tensor) outside of any autocast, with a bfloat16 tensor as float32; others stay."""

    @functools.wraps(forward)
    def wrapped(self, x):
        with autocast("float32", x), no_tf32():
            return forward(self, x.float() if x.dtype == torch.bfloat16 else x)

    return wrapped
