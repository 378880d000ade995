"""Maps that no network has made: a method that does not beat them has shown nothing.

Shapes:   N clips   T frames   S pixels a side
"""

import numpy as np
from scipy.ndimage import uniform_filter

CENTRE_WIDTH = 0.25  # of the frame: deviation of the bell at its centre
SMALL = (1, 1, 3, 3)  # pixels over which light and change are averaged, so that one noisy pixel does not win


def controls(video_NCTHW, index_N) -> dict[str, np.ndarray]:
    """{name: map (N, T, S, S)}: random numbers, nearness to the centre, light, change from frame to frame.

    index_N: the clips' numbers, from which the random ones come.
    """
    video_NTSS = video_NCTHW[:, 0].cpu().numpy()
    shape = video_NTSS.shape[1:]
    random_NTSS = np.stack([np.random.default_rng(int(k)).random(shape, np.float32) for k in index_N])
    return {
        "random": random_NTSS,
        "centre": np.broadcast_to(bell(shape), video_NTSS.shape),
        "brightest_pixel": uniform_filter(video_NTSS, SMALL),
        "motion_energy": motion_energy(video_NTSS),
    }


def bell(shape):
    """Nearness (T, S, S) to the centre of the frame, the same in every frame."""
    away_S = (np.arange(shape[1]) + 0.5) / shape[1] - 0.5
    one_S = np.exp(-0.5 * (away_S / CENTRE_WIDTH) ** 2)
    return np.broadcast_to(np.outer(one_S, one_S).astype(np.float32), shape)


def motion_energy(video_NTSS):
    """Absolute difference from the frame before and to the frame after (N, T, S, S); first and last have one of them.

    Where the object is, both differ; where it was or will be, one does.
    """
    change_NTSS = np.abs(np.diff(video_NTSS, axis=1))
    both_NTSS = np.zeros_like(video_NTSS)
    both_NTSS[:, 1:] += change_NTSS
    both_NTSS[:, :-1] += change_NTSS
    both_NTSS[:, [0, -1]] *= 2
    return uniform_filter(both_NTSS, SMALL)
