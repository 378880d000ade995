"""The classes of motion: each turns random numbers into a path through space, in metres, before any camera sees it.

A path is relative: `recipes` moves it to its place. Time runs from the first frame; one step lasts `dt` seconds.

Shapes:   N clips   F frames (observed and future)   u (N, 8) uniform in (0, 1)   g (N, 3 F) standard normal   dt (N,) s
"""

import numpy as np

RANDOM_NUMBERS = 8  # uniforms that a motion may use


def linear(u, g, dt, cfg):
    """Constant velocity: direction uniform on the sphere, speed uniform."""
    velocity_Nx3 = between(u[:, :1], cfg.speed_min, cfg.speed_max) * direction(u[:, 1], u[:, 2])
    return velocity_Nx3[:, None] * clock(dt, cfg)[..., None]


def parabolic(u, g, dt, cfg):
    """Free fall: launch velocity as for linear, gravity along +y (down)."""
    time_NF = clock(dt, cfg)
    fall_NFx3 = 0.5 * cfg.gravity * time_NF[..., None] ** 2 * np.array([0.0, 1.0, 0.0])
    return linear(u, g, dt, cfg) + fall_NFx3


def circular(u, g, dt, cfg):
    """Uniform circular motion in a plane tilted from the image plane."""
    return orbit(u, dt, cfg)[0]


def helical(u, g, dt, cfg):
    """Circular motion with a steady velocity along its axis, away from or towards the camera."""
    orbit_NFx3, axis_Nx3 = orbit(u, dt, cfg)
    fraction = u[:, 6:7]
    speed_Nx1 = between(np.abs(2 * fraction - 1), cfg.helix_speed_min, cfg.helix_speed_max)
    velocity_Nx3 = np.where(fraction < 0.5, -1, 1) * speed_Nx1 * axis_Nx3
    return orbit_NFx3 + velocity_Nx3[:, None] * clock(dt, cfg)[..., None]


def random(u, g, dt, cfg):
    """Velocity as an Ornstein-Uhlenbeck process (1930), exact at the frame times, constant between two frames.

    v[t + 1] = a v[t] + sqrt(1 - a^2) sigma noise with a = exp(-dt / correlation time), so the mean of the next
    displacement, given the last one, is `a` times it: what the oracle uses.
    """
    frames = cfg.frames + cfg.horizon
    memory_Nx1 = np.exp(-dt / cfg.ou_time_s)[:, None]
    noise_NFx3 = g.reshape(len(u), frames, 3)
    sigma_N1x1 = np.exp(between(u[:, 0], np.log(cfg.ou_speed_min), np.log(cfg.ou_speed_max)))[:, None, None]
    velocity_FNx3 = [noise_NFx3[:, 0]]
    for frame in range(1, frames - 1):
        velocity_FNx3.append(memory_Nx1 * velocity_FNx3[-1] + np.sqrt(1 - memory_Nx1**2) * noise_NFx3[:, frame])
    steps_NFx3 = np.stack(velocity_FNx3, axis=1) * sigma_N1x1 * dt[:, None, None]
    return np.concatenate([np.zeros((len(u), 1, 3)), np.cumsum(steps_NFx3, axis=1)], axis=1)


def orbit(u, dt, cfg):
    """Positions (N, F, 3) on a tilted circle about the origin, and the circle's axis (N, 3), a unit vector."""
    radius_N = between(u[:, 0], cfg.circle_radius_min_m, cfg.circle_radius_max_m)
    sweep_N = np.radians(between(u[:, 1], cfg.sweep_min_deg, cfg.sweep_max_deg)) * np.where(u[:, 2] < 0.5, -1, 1)
    cos_tilt_N = between(u[:, 3], np.cos(np.radians(cfg.tilt_max_deg)), 1.0)  # uniform on the cap of the sphere
    right_Nx3, up_Nx3, axis_Nx3 = tilted_plane(cos_tilt_N, 2 * np.pi * u[:, 4])
    step_N = sweep_N * cfg.frame_rate / (cfg.frames - 1)  # radians a second in undisturbed time
    angle_NF = 2 * np.pi * u[:, 5:6] + step_N[:, None] * clock(dt, cfg)
    xyz_NFx3 = np.cos(angle_NF)[..., None] * right_Nx3[:, None] + np.sin(angle_NF)[..., None] * up_Nx3[:, None]
    return radius_N[:, None, None] * xyz_NFx3, axis_Nx3


def tilted_plane(cos_tilt_N, azimuth_N):
    """Two unit vectors that span a plane and its normal, tilted from the optical axis by a rotation about `azimuth`."""
    sin_tilt_N = np.sqrt(1 - cos_tilt_N**2)
    cos_a, sin_a, zero = np.cos(azimuth_N), np.sin(azimuth_N), np.zeros_like(azimuth_N)
    hinge_Nx3 = np.stack([cos_a, sin_a, zero], axis=1)
    slope_Nx3 = np.stack([-sin_a * cos_tilt_N, cos_a * cos_tilt_N, sin_tilt_N], axis=1)
    return hinge_Nx3, slope_Nx3, np.cross(hinge_Nx3, slope_Nx3)


def direction(u_N, w_N):
    """Unit vectors (N, 3), uniform on the sphere (Archimedes: the height is uniform)."""
    height_N, angle_N = 2 * u_N - 1, 2 * np.pi * w_N
    ring_N = np.sqrt(1 - height_N**2)
    return np.stack([ring_N * np.cos(angle_N), ring_N * np.sin(angle_N), height_N], axis=1)


def clock(dt_N, cfg):
    """Seconds (N, F) since the first frame."""
    return dt_N[:, None] * np.arange(cfg.frames + cfg.horizon)


def between(u, low, high):
    """Uniform numbers in (0, 1) stretched to (low, high)."""
    return low + u * (high - low)


MOTIONS = {"linear": linear, "parabolic": parabolic, "circular": circular, "random": random, "helical": helical}
SIMPLER = {  # the families each motion nests: it must differ visibly from the best fit of every one of them
    "linear": [],
    "parabolic": ["line"],
    "circular": ["line", "quadratic"],
    "random": ["line", "quadratic", "ellipse"],
    "helical": ["line", "quadratic", "ellipse"],
}
