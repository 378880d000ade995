"""How far an image path is from the best fit of a simpler family: line, quadratic in time, ellipse at a steady rate.

All three are root mean squares of distances in pixels, by least squares over the observed frames.

Shapes:   N paths   T observed frames   uv (N, T, 2) pixels
"""

from functools import lru_cache

import numpy as np

ELLIPSE_RATES = 24  # sweeps tried between the world's bounds


def line(uv_NTx2, cfg):
    """Distance to the best straight line, whatever the speed along it: a pinhole keeps lines straight."""
    centred = uv_NTx2 - uv_NTx2.mean(axis=1, keepdims=True)
    uu, vv = (centred[..., 0] ** 2).mean(axis=1), (centred[..., 1] ** 2).mean(axis=1)
    uv = (centred[..., 0] * centred[..., 1]).mean(axis=1)
    smaller_eigenvalue = (uu + vv) / 2 - np.sqrt(((uu - vv) / 2) ** 2 + uv**2)
    return np.sqrt(np.maximum(smaller_eigenvalue, 0.0))


def quadratic(uv_NTx2, cfg):
    """Distance to u(t) and v(t) both quadratic: free fall far from the camera, in any direction of gravity."""
    return rms(np.einsum("st,ntc->nsc", misfit(cfg.frames, 0.0), uv_NTx2))


def ellipse(uv_NTx2, cfg):
    """Distance to steady motion around an ellipse: a circle far from the camera, at the best of some sweeps."""
    sweeps = np.radians(np.linspace(cfg.sweep_min_deg, cfg.sweep_max_deg, ELLIPSE_RATES))
    misfits_RTT = [misfit(cfg.frames, sweep) for sweep in sweeps]
    return np.min([rms(np.einsum("st,ntc->nsc", misfit_TT, uv_NTx2)) for misfit_TT in misfits_RTT], axis=0)


@lru_cache(maxsize=256)
def misfit(frames, sweep):
    """Matrix (T, T) that leaves what 1, cos, sin of a steady angle (or 1, t, t^2 where `sweep` is 0) cannot explain."""
    t = np.linspace(-1, 1, frames)
    basis = [t**0, t, t**2] if sweep == 0 else [t**0, np.cos(sweep * t / 2), np.sin(sweep * t / 2)]
    orthonormal, _ = np.linalg.qr(np.stack(basis, axis=1))
    return np.eye(frames) - orthonormal @ orthonormal.T


def rms(residual_NTx2):
    """Root mean square over frames of the distance, in pixels (N,)."""
    return np.sqrt((residual_NTx2**2).sum(axis=2).mean(axis=1))


FAMILIES = {"line": line, "quadratic": quadratic, "ellipse": ellipse}
