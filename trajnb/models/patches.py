"""What happens to a clip before every extractor: light taken out, pixels folded into channels.

Shapes:   B clips   C channels   T frames   H, W pixels   patch (k, p, q): frames, rows, columns folded into channels
"""

from einops import rearrange

FLOOR = 1e-3  # of the deviation, a quarter of a grey level in 255: an empty clip stays finite


def standardise(video_BCTHW):
    """Each clip to mean 0 and deviation 1."""
    # By clip, not by data set: a small bright object is then far from the background, whatever the light.
    # Not torch.std_mean: on a CPU it takes five times as long, a tenth of I3D's forward pass.
    centred_BCTHW = video_BCTHW - mean(video_BCTHW)
    return centred_BCTHW / (mean(centred_BCTHW.square()).sqrt() + FLOOR)


def mean(video_BCTHW):
    """The mean of each clip, as (B, 1, 1, 1, 1)."""
    # Axis by axis: onnxruntime adds the 65,536 levels of a clip one by one in float32, which moves logits by 0.003.
    for axis in (4, 3, 2, 1):
        video_BCTHW = video_BCTHW.mean(axis, keepdim=True)
    return video_BCTHW


def fold(video_BCTHW, patch: tuple[int, int, int]):
    """(B, C, T, H, W) -> (B, C k p q, T/k, H/p, W/q), channels last in memory."""
    # With a small convolution after it this is a large strided one, several times as fast on a CPU, where one channel
    # keeps most of the arithmetic units idle. Channels last in memory: convolutions read them faster so.
    k, p, q = patch
    last = rearrange(video_BCTHW, "b c (t k) (h p) (w q) -> b t h w (c k p q)", k=k, p=p, q=q)
    return rearrange(last, "b t h w c -> b c t h w")


def check_divides(name: str, whole: int, part: int, why: str):
    """Raises ValueError with the division that leaves a rest."""
    if whole % part:
        raise ValueError(f"{name} {whole} is not a multiple of {why} {part}: {whole} = {part} x {whole / part:g}")
