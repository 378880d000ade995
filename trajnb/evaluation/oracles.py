"""The oracles: Bayesian classifiers and predictors that know the families of motion and their priors.

The evidence of a family is likelihood times prior at its best fit to the observed track, integrated by Laplace's
method (for the random motion, a Gaussian process, exactly). The class is the posterior over families, the future the
posterior mean over their forecasts. The *true oracle* reads true positions, the *pixel oracle* what trackers.measure
finds in the rendered frames, with the measurement error of the world at hand.

Neither is a strict bound: the priors leave out the rejection of paths (trajnb.world.recipes.accept), and where
measuring loses the object, as behind a bar or beside a second disc, its errors are not Gaussian.

Shapes:   N clips   T observed frames   H future frames   K families   P parameters   last axis: x, y, z in metres
"""

from functools import partial

import numpy as np
from scipy.special import softmax

from trajnb.evaluation.trackers import measured_track
from trajnb.world import camera, families, motions

TRUE_SD = 0.01, 0.001  # standard deviation (pixels, log depth) allowed for the true track: exact numbers
PIXEL_SD = 0.05, 0.012  # error of measuring the default world's frames, rounded up (a test checks it); the least
GROUPS = 4  # of clips by their measurement error, where it is larger than that: 8 gain half a point in twice the time
STEPS = 8  # Levenberg-Marquardt iterations; from 5 on, ADE of clean clips moves by less than 1e-6 px
LONGEST_STEP = 2.0  # metres, metres a second, radians or log metres: keeps a bad start from running away
SPEEDS = 9  # values of the random motion's speed that are averaged over


def true_oracle(clips, cfg):
    """Posterior (N, K) and forecast (N, H, 3) in metres, from the true positions of the observed frames."""
    xyz_NTx3 = clips.xyz_NFx3[:, : cfg.frames]
    return infer(camera.project(xyz_NTx3, cfg), xyz_NTx3[..., 2], [TRUE_SD], cfg)


def measurement_sds(xyz_NTx3, measured, cfg, groups=GROUPS):
    """[(pixels, log depth)] of root mean square errors of `measured` tracks (centres, depths) from true positions:
    PIXEL_SD alone where the error is no larger. Else a pair, never below it, for each of `groups` equally large groups
    of clips by increasing error: in a world of many nuisances some clips are measured well and others hardly at all."""
    uv_N = ((measured[0] - camera.project(xyz_NTx3, cfg)) ** 2).mean(axis=(1, 2))
    z_N = (np.log(measured[1] / xyz_NTx3[..., 2]) ** 2).mean(axis=1)
    if all(error_N.mean() ** 0.5 <= least for error_N, least in zip((uv_N, z_N), PIXEL_SD, strict=True)):
        return [PIXEL_SD]
    parts = np.array_split(np.argsort(uv_N, kind="stable"), groups)
    return [(max(uv_N[p].mean() ** 0.5, PIXEL_SD[0]), max(z_N[p].mean() ** 0.5, PIXEL_SD[1])) for p in parts]


def pixel_oracle(clips, cfg):
    """Posterior (N, K) and forecast (N, H, 3) in metres, from centroid and apparent size in the rendered frames. Their
    measurement error is that of these clips: a few numbers, which tell nothing of a single clip."""
    measured = measured_track(clips, cfg)
    return infer(*measured, measurement_sds(clips.xyz_NFx3[:, : cfg.frames], measured, cfg), cfg)


def infer(uv_NTx2, z_NT, sds, cfg):
    """Posterior over `cfg.motions` (N, K) and the mean forecast (N, H, 3) in metres of measured tracks; `sds` [(pixels,
    log depth)]: standard deviations of Gaussian errors; of several, each is equally likely a priori."""
    fits = [[FITS[name](uv_NTx2, z_NT, sd, cfg) for name in cfg.motions] for sd in sds]
    evidence_SKN, forecast_SKNHx3 = (np.stack([[fit[part] for fit in of_sd] for of_sd in fits]) for part in (0, 1))
    weight_NSK = softmax(evidence_SKN.transpose(2, 0, 1), axis=(1, 2))
    return weight_NSK.sum(axis=1), np.einsum("nsk,sknhc->nhc", weight_NSK, forecast_SKNHx3)


def seconds(cfg):
    """Times (F,) of all frames, zero in the middle of the observed ones."""
    return (np.arange(cfg.frames + cfg.horizon) - (cfg.frames - 1) / 2) / cfg.frame_rate


def thrown_path(theta_NP, time_F, cfg, gravity=0.0):
    """Paths (N, F, 3) at constant velocity, or in free fall: place and velocity are those in the clip's middle."""
    drop_Fx3 = 0.5 * gravity * time_F[:, None] ** 2 * np.array([0.0, 1.0, 0.0])
    return theta_NP[:, None, :3] + theta_NP[:, None, 3:] * time_F[:, None] + drop_Fx3


def fit_thrown(uv_NTx2, z_NT, sd, cfg, gravity=0.0):
    """Log evidence (N,) and forecast (N, H, 3) of straight lines, or of free fall; from a least squares line."""
    time_T, path = seconds(cfg)[: cfg.frames], partial(thrown_path, gravity=gravity)
    xyz_NTx3 = camera.unproject(uv_NTx2, z_NT, cfg) - path(np.zeros((1, 6)), time_T, cfg)
    basis_TP = np.stack([np.ones(cfg.frames), time_T], axis=1)
    start_NP = np.einsum("pt,ntc->npc", np.linalg.pinv(basis_TP), xyz_NTx3).reshape(len(xyz_NTx3), 6)
    launch = np.array([0.0, gravity * time_T[0], 0.0])
    return laplace(path, lambda t: velocity_prior(t[:, 3:] + launch, cfg), start_NP, uv_NTx2, z_NT, sd, cfg)


def velocity_prior(velocity_Nx3, cfg):
    """Log density of a velocity with uniform direction and uniform speed; soft edges outside the bounds."""
    speed_N = np.maximum(np.linalg.norm(velocity_Nx3, axis=1), 1e-3)
    density_N = -np.log(4 * np.pi * speed_N**2 * (cfg.speed_max - cfg.speed_min))
    return density_N - outside(speed_N, cfg.speed_min, cfg.speed_max, 0.05)


def circular_path(theta_NP, time_F, cfg):
    """Paths (N, F, 3) on a tilted circle whose centre may move along the axis. Parameters: centre, log radius, two
    coordinates of the plane's normal, phase, angular rate; a helix's axial speed."""
    (radius_N, sin_N), hinge_N = radius_and_sine(theta_NP), np.arctan2(theta_NP[:, 4], -theta_NP[:, 5])
    right_Nx3, up_Nx3, axis_Nx3 = motions.tilted_plane(np.sqrt(1 - sin_N**2), hinge_N)
    # tilted_plane measures the phase from the hinge, which turns with the tilt; measure it from x instead.
    angle_NF = (theta_NP[:, 6] - hinge_N)[:, None] + theta_NP[:, 7, None] * time_F
    orbit_NFx3 = np.cos(angle_NF)[..., None] * right_Nx3[:, None] + np.sin(angle_NF)[..., None] * up_Nx3[:, None]
    drift_NFx3 = (theta_NP[:, 8:].sum(axis=1, keepdims=True) * axis_Nx3)[:, None] * time_F[:, None]
    return theta_NP[:, None, :3] + radius_N[:, None, None] * orbit_NFx3 + drift_NFx3


def radius_and_sine(theta_NP):
    """Radius (N,) in metres, from a millimetre to a hundred metres, and sine (N,) of the plane's tilt, below one."""
    sin_N = np.minimum(np.linalg.norm(theta_NP[:, 4:6], axis=1), 0.999)
    return np.exp(np.clip(theta_NP[:, 3], -7.0, 4.6)), sin_N


def fit_orbit(uv_NTx2, z_NT, sd, cfg, parameters=8):
    """Fit a circle (8 parameters) or helix (9) from both planes that look alike from afar; take the better one."""
    xyz_NTx3, prior = camera.unproject(uv_NTx2, z_NT, cfg), partial(orbit_prior, cfg=cfg)
    starts = (orbit_start(xyz_NTx3, sign, parameters, cfg) for sign in (1, -1))
    (e0, f0), (e1, f1) = (laplace(circular_path, prior, start, uv_NTx2, z_NT, sd, cfg) for start in starts)
    return np.maximum(e0, e1), np.where((e0 >= e1)[:, None, None], f0, f1)


def orbit_start(xyz_NTx3, sign, parameters, cfg):
    """Circle (N, P) whose flattened image fits best, at the best of some rates; `sign` tilts it away or towards."""
    time_T, span = seconds(cfg)[: cfg.frames], (cfg.frames - 1) / cfg.frame_rate
    rates_R = np.radians(np.linspace(0.9 * cfg.sweep_min_deg, 1.1 * cfg.sweep_max_deg, families.ELLIPSE_RATES)) / span
    basis_RTx3 = np.stack([np.stack([time_T**0, np.cos(w * time_T), np.sin(w * time_T)], 1) for w in rates_R])
    coefficient_NRx3x2 = np.einsum("rpt,ntc->nrpc", np.linalg.pinv(basis_RTx3), xyz_NTx3[..., :2])
    misfit_NRTx2 = xyz_NTx3[:, None, :, :2] - np.einsum("rtp,nrpc->nrtc", basis_RTx3, coefficient_NRx3x2)
    best_N, rows = (misfit_NRTx2**2).sum(axis=(2, 3)).argmin(axis=1), np.arange(len(xyz_NTx3))
    part_Nx3x2 = coefficient_NRx3x2[rows, best_N]  # centre, cosine part, sine part
    flat_Nx2x2, depth_N = part_Nx3x2[:, 1:].transpose(0, 2, 1), xyz_NTx3[..., 2].mean(axis=1)
    side, size, _ = np.linalg.svd(flat_Nx2x2)
    log_radius_N = np.log(np.clip(size[:, 0], 0.5 * cfg.circle_radius_min_m, 2 * cfg.circle_radius_max_m))
    flat_N = np.clip(size[:, 1] / np.maximum(size[:, 0], 1e-9), np.cos(np.radians(cfg.tilt_max_deg)), 0.995)
    tilt_Nx2 = sign * np.sqrt(1 - flat_N**2)[:, None] * side[:, :, 1]
    rate_N = np.sign(np.linalg.det(flat_Nx2x2)) * rates_R[best_N]
    along_N = np.einsum("t,nt->n", np.linalg.pinv(time_T[:, None])[0], xyz_NTx3[..., 2] - depth_N[:, None])
    theta = part_Nx3x2[:, 0], depth_N, log_radius_N, tilt_Nx2, np.zeros(len(rows)), rate_N, along_N
    theta_NP = np.column_stack(theta)[:, :parameters]
    # The phase at which the tilted circle lies where the flat fit has it at time zero; theta's own is still zero.
    turned = theta_NP + np.pi / 2 * (np.arange(parameters) == 6)
    corners = [circular_path(one, np.zeros(1), cfg)[:, 0, :2] - theta_NP[:, :2] for one in (theta_NP, turned)]
    weight_Nx2 = np.linalg.solve(np.stack(corners, axis=2), part_Nx3x2[:, 1, :, None])[..., 0]
    theta_NP[:, 6] = np.arctan2(weight_Nx2[:, 1], weight_Nx2[:, 0])
    return theta_NP


def orbit_prior(theta_NP, cfg):
    """Log density of radius, plane, phase and rate, and of a helix's speed; soft edges outside the bounds."""
    radius_N, sin_N = radius_and_sine(theta_NP)
    tilt_max, span = np.radians(cfg.tilt_max_deg), (cfg.frames - 1) / cfg.frame_rate
    sweep_N, low, high = np.abs(theta_NP[:, 7]) * span, np.radians(cfg.sweep_min_deg), np.radians(cfg.sweep_max_deg)
    cap = 2 * np.pi * (1 - np.cos(tilt_max))
    density_N = np.log(radius_N / (cfg.circle_radius_max_m - cfg.circle_radius_min_m))
    density_N = density_N - np.log(cap * np.sqrt(1 - sin_N**2)) - np.log(2 * np.pi) - np.log(2 * (high - low) / span)
    density_N -= outside(radius_N, cfg.circle_radius_min_m, cfg.circle_radius_max_m, 0.02)
    density_N -= outside(sweep_N, low, high, 0.05)
    density_N -= outside(sin_N, -1.0, np.sin(tilt_max), 0.03)
    if theta_NP.shape[1] > 8:
        least, most = cfg.helix_speed_min, cfg.helix_speed_max
        density_N -= np.log(2 * (most - least)) + outside(np.abs(theta_NP[:, 8]), least, most, 0.05)
    return density_N


def outside(value_N, least, most, softness):
    """What a log density loses outside its bounds: a quadratic, so that a fit finds back."""
    return (np.maximum(least - value_N, value_N - most).clip(min=0) / softness) ** 2


def laplace(path, prior, theta_NP, uv_NTx2, z_NT, sd, cfg):
    """Log evidence (N,) and forecast (N, H, 3) of one family from a start (N, P), by Levenberg and Marquardt (1963)."""
    time_F = seconds(cfg)
    observed_NTx3 = np.concatenate([uv_NTx2 / sd[0], np.log(z_NT)[..., None] / sd[1]], axis=2)

    def residual(xyz_NTx3):
        z_NTx1 = np.maximum(xyz_NTx3[..., 2:], 0.1)
        uv_NTx2 = camera.project(np.concatenate([xyz_NTx3[..., :2], z_NTx1], axis=2), cfg)
        model = np.concatenate([uv_NTx2 / sd[0], np.log(z_NTx1) / sd[1]], axis=2)
        return (observed_NTx3 - model).reshape(len(xyz_NTx3), -1)

    def slope(theta, residual_NM):  # (N, P, M), by forward differences
        xyz_NTx3, step = path(theta, time_F[: cfg.frames], cfg), 1e-6
        moved = [xyz_NTx3 + step * axis_3 for axis_3 in np.eye(3)]  # the first three parameters are a place
        moved += [path(theta + step * axis_P, time_F[: cfg.frames], cfg) for axis_P in eye_PP[3:]]
        return np.stack([(residual(one) - residual_NM) / step for one in moved], axis=1)

    damping_N, eye_PP = np.full(len(theta_NP), 1e-3), np.eye(theta_NP.shape[1])
    residual_NM = residual(path(theta_NP, time_F[: cfg.frames], cfg))
    for _ in range(STEPS):
        slope_NPM = slope(theta_NP, residual_NM)
        normal_NPP = slope_NPM @ slope_NPM.mT
        diagonal_NPP = np.maximum(np.einsum("npp->np", normal_NPP), 1e-9)[:, :, None] * eye_PP
        scaled = normal_NPP + damping_N[:, None, None] * diagonal_NPP
        step = np.linalg.solve(scaled, -slope_NPM @ residual_NM[..., None])[..., 0]
        trial_NP = theta_NP + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        trial_NM = residual(path(trial_NP, time_F[: cfg.frames], cfg))
        better_N = (trial_NM**2).sum(1) < (residual_NM**2).sum(1)
        theta_NP = np.where(better_N[:, None], trial_NP, theta_NP)
        residual_NM = np.where(better_N[:, None], trial_NM, residual_NM)
        damping_N = np.clip(np.where(better_N, damping_N / 5, damping_N * 5), 1e-9, 1e3)
    slope_NPM = slope(theta_NP, residual_NM)
    _, log_det_N = np.linalg.slogdet(slope_NPM @ slope_NPM.mT + 1e-9 * eye_PP)
    volume_N = 0.5 * theta_NP.shape[1] * np.log(2 * np.pi) - 0.5 * log_det_N
    # The errors' normalising constant, as a density of positions in metres.
    log_sds_NT = 2 * np.log(z_NT * sd[0] / cfg.focal_px) + np.log(z_NT * sd[1])
    errors_N = (log_sds_NT + 1.5 * np.log(2 * np.pi)).sum(axis=1)
    evidence_N = -0.5 * (residual_NM**2).sum(1) - errors_N + prior(theta_NP) + volume_N
    return evidence_N, path(theta_NP, time_F[cfg.frames :], cfg)


def fit_random(uv_NTx2, z_NT, sd, cfg):
    """Log evidence (N,) and conditional mean forecast (N, H, 3) of the Ornstein-Uhlenbeck motion: a Gaussian process
    in each axis, its start unknown, its speed one of a few."""
    xyz_NTx3, depth_N = camera.unproject(uv_NTx2, z_NT, cfg), z_NT.mean(axis=1)
    variance_Nx3 = np.stack([depth_N * sd[0] / cfg.focal_px] * 2 + [depth_N * sd[1]], axis=1) ** 2
    speeds_V = np.exp(np.linspace(np.log(cfg.ou_speed_min), np.log(cfg.ou_speed_max), SPEEDS))
    evidence_NV = np.stack([path_evidence(xyz_NTx3, variance_Nx3, speed, cfg) for speed in speeds_V], axis=1)
    peak_N1 = evidence_NV.max(axis=1, keepdims=True)
    weight_NV = np.exp(evidence_NV - peak_N1)
    evidence_N = peak_N1[:, 0] + np.log(weight_NV.mean(axis=1))
    speed_N = (weight_NV * speeds_V).sum(axis=1) / weight_NV.sum(axis=1)
    return evidence_N, conditional_mean(xyz_NTx3, variance_Nx3 / speed_N[:, None] ** 2, cfg)


def displacement_covariance(cfg):
    """Covariance (F, F) of positions about the first one, at unit speed."""
    frames = np.arange(cfg.frames + cfg.horizon)
    memory = np.exp(-1 / (cfg.frame_rate * cfg.ou_time_s))
    velocity_FF = memory ** np.abs(frames[:, None] - frames) / cfg.frame_rate**2
    sums_FF = np.tril(np.ones((len(frames), len(frames))), -1)  # position t = sum of the steps before it
    return sums_FF @ velocity_FF @ sums_FF.T


def path_evidence(xyz_NTx3, variance_Nx3, speed, cfg):
    """Log density (N,) of tracks at one speed, the start having a flat prior of density one (as places have above)."""
    contrast_TR = np.linalg.svd(np.ones((1, cfg.frames)))[2][1:].T  # orthonormal, blind to a shift
    covariance_RR = contrast_TR.T @ displacement_covariance(cfg)[: cfg.frames, : cfg.frames] @ contrast_TR
    eigen_R, turn_RR = np.linalg.eigh(covariance_RR)
    contrast_NRx3 = np.einsum("tr,ntc->nrc", contrast_TR @ turn_RR, xyz_NTx3)
    spread_NRx3 = speed**2 * np.maximum(eigen_R, 0.0)[:, None] + variance_Nx3[:, None]
    log_density = -0.5 * (contrast_NRx3**2 / spread_NRx3 + np.log(2 * np.pi * spread_NRx3))
    # Integrating a flat start over the T - R lost direction leaves the factor 1 / sqrt(T) in each axis.
    return log_density.sum(axis=(1, 2)) - 1.5 * np.log(cfg.frames)


def conditional_mean(xyz_NTx3, ratio_Nx3, cfg, levels=32):
    """Mean of the future (N, H, 3) given the observed frames, by kriging with an unknown mean (Matheron 1963);
    `ratio`: error variance over squared speed, rounded to one of `levels`."""
    covariance_FF, frames, predictor_LHT = displacement_covariance(cfg), cfg.frames, []
    grid = np.linspace(np.log(ratio_Nx3.min()), np.log(ratio_Nx3.max()) + 1e-9, levels)
    level_Nx3 = np.rint((np.log(ratio_Nx3) - grid[0]) / (grid[1] - grid[0])).astype(int)
    for log_ratio in grid:
        noisy_TT = covariance_FF[:frames, :frames] + np.exp(log_ratio) * np.eye(frames)
        gain_HT = np.linalg.solve(noisy_TT, covariance_FF[:frames, frames:]).T
        ones_T = np.linalg.solve(noisy_TT, np.ones(frames))
        predictor_LHT.append(gain_HT + (1 - gain_HT.sum(axis=1))[:, None] * ones_T / ones_T.sum())
    start_N1x3 = xyz_NTx3[:, -1:]
    return start_N1x3 + np.einsum("ncht,ntc->nhc", np.stack(predictor_LHT)[level_Nx3], xyz_NTx3 - start_N1x3)


FITS = {
    "linear": fit_thrown,
    "parabolic": lambda uv_NTx2, z_NT, sd, cfg: fit_thrown(uv_NTx2, z_NT, sd, cfg, cfg.gravity),
    "circular": fit_orbit,
    "random": fit_random,
    "helical": partial(fit_orbit, parameters=9),
}
