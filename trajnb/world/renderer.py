"""From positions to pictures: an anti-aliased disc on a grey background, in integers, so that bytes do not depend on
batch size, order or number of processes.

Coverage of a pixel is 1/2 plus its signed distance to the disc's edge, between 0 and 1. Sensor noise is a slice of one
fixed table of normal numbers, at an address drawn for each frame: fresh numbers for each pixel cost ten times the disc.

Shapes:   N clips   T observed frames   S pixels a side   P pixels a side of the window around a disc
"""

from functools import lru_cache

import numpy as np
from scipy.fft import dct

from trajnb.world import camera, philox, recipes

SQUARE = 289  # of 256: how much farther from the middle a square's edge counts, so that its area is the disc's
SUBPIXELS = 256  # positions and radii are multiples of 1/256 px
FULL_SCALE = 255
NOISE_ENTRIES = 1 << 20
NOISE_UNIT = 32  # table entries for one standard deviation
NOISE_STEPS = 4  # standard deviations come in quarters of a grey level
CHUNK = 8  # clips worked on at once: what fits the cache
BLOCK = 8  # pixels a side of what is compressed at once
UNIT = 1024  # of the cosines in whole numbers
WAVES = np.rint(UNIT * dct(np.eye(BLOCK), axis=0, norm="ortho")).astype(np.int64)


def render(cfg, seed, table, xyz_NFx3):
    """Clips (N, T, S, S) uint8 of a recipe table and its positions (N, F, 3) in metres."""
    video_NTSS = np.empty((len(table), cfg.frames, cfg.size, cfg.size), np.uint8)
    scene = {name: table[name].to_numpy() for name in table.columns}
    for start in range(0, len(table), CHUNK):
        part = slice(start, start + CHUNK)
        video_NTSS[part] = chunk(cfg, seed, {k: v[part] for k, v in scene.items()}, xyz_NFx3[part, : cfg.frames])
    return video_NTSS


def chunk(cfg, seed, scene, xyz_NTx3):
    """A few clips (N, T, S, S) uint8: background, shadow, objects, occluder, light, noise, compression, dropped
    frames, in this order."""
    scene = {**{name: np.full(len(xyz_NTx3), getattr(cfg, name)) for name in recipes.OPTIONAL}, **scene}
    uv_NTx2 = camera.project(xyz_NTx3, cfg) + jitter(cfg, seed, scene)
    radius_NT = cfg.focal_px * cfg.radius_m * scene["size_factor"][:, None] / xyz_NTx3[..., 2]
    level_N, back_N = grey(scene["brightness"]), grey(scene["background"])
    image_NTSS, square_N = backdrop(cfg, seed, scene, back_N), squares(cfg, seed, scene)
    if scene["shadow"].any():  # below, to the right, as soft as half the object is wide
        soft_N, dark_N = scene["blur_px"] + radius_NT.mean(axis=1), grey(scene["background"] * (1 - scene["shadow"]))
        shade_NT = np.where(scene["shadow"][:, None] > 0, radius_NT, -1.0 - soft_N[:, None])
        draw_discs(cfg, image_NTSS, uv_NTx2 + radius_NT[..., None], shade_NT, dark_N, soft_N)
    if scene["decoy"].any():
        hidden_NT = np.where(scene["decoy"][:, None], radius_NT, -1.0 - scene["blur_px"][:, None])  # covers no pixel
        draw_discs(cfg, image_NTSS, decoy(cfg, seed, scene, uv_NTx2), hidden_NT, level_N, scene["blur_px"], square_N)
    draw_discs(cfg, image_NTSS, uv_NTx2, radius_NT, level_N, scene["blur_px"], square_N)
    if scene["occluder_px"].any():
        draw_occluder(cfg, image_NTSS, scene, (level_N + back_N) // 2)
    if scene["lighting"].any():
        light(cfg, seed, scene, image_NTSS)
    image_NTSS += sensor_noise(cfg, seed, scene)
    video_NTSS = np.clip(image_NTSS, 0, FULL_SCALE).astype(np.uint8)
    if (rows := np.flatnonzero(scene["compression"])).size:
        video_NTSS[rows] = compressed(video_NTSS[rows], scene["compression"][rows])
    return video_NTSS[np.arange(len(video_NTSS))[:, None], kept_frames(cfg, seed, scene)]


def grey(share):
    """Shares of full scale to whole grey levels (int16)."""
    return np.rint(np.asarray(share) * FULL_SCALE).astype(np.int16)


def backdrop(cfg, seed, scene, back_N):
    """Background (N, T, S, S) int16: one level a clip, plus a static pattern of 8 px patches of contrast `texture`."""
    image_NTSS = np.empty((len(back_N), cfg.frames, cfg.size, cfg.size), np.int16)
    image_NTSS[:] = back_N[:, None, None, None]
    if scene["texture"].any():
        side = -(-cfg.size // 8)
        u_NPP = philox.uniforms(seed, scene["index"], recipes.TEXTURE_STREAM, side * side).reshape(-1, side, side)
        pattern_NSS = grey(scene["texture"][:, None, None] * (u_NPP - 0.5)).repeat(8, axis=1).repeat(8, axis=2)
        image_NTSS += pattern_NSS[:, None, : cfg.size, : cfg.size]
    return image_NTSS


def squares(cfg, seed, scene):
    """Which clips (N,) show a square instead of a disc."""
    if not cfg.squares:
        return np.zeros(len(scene["index"]), bool)
    return philox.uniforms(seed, scene["index"], recipes.SQUARE_STREAM, 1)[:, 0] < cfg.squares


def draw_discs(cfg, image_NTSS, uv_NTx2, radius_NT, level_N, blur_N, square_N=False):
    """Blend one disc, or square, into every frame, in place; only the window around it is touched.

    A negative radius draws none.
    """
    centre_NT2 = np.rint(uv_NTx2 * SUBPIXELS).astype(np.int64)
    radius_NT11 = np.rint(radius_NT * SUBPIXELS).astype(np.int64)[..., None, None]
    edge_N111 = np.rint((1 + blur_N) * SUBPIXELS).astype(np.int64)[:, None, None, None]
    reach = int(radius_NT.max() + 2 + blur_N.max())
    offset_P = np.arange(-reach, reach + 1)
    x_NTP, y_NTP = (centre_NT2[..., axis, None] // SUBPIXELS + offset_P for axis in (0, 1))
    middle_NT2 = centre_NT2 - SUBPIXELS // 2  # pixels are measured from their middles
    dx_NTP, dy_NTP = x_NTP * SUBPIXELS - middle_NT2[..., 0, None], y_NTP * SUBPIXELS - middle_NT2[..., 1, None]
    # The square root of a whole number is correctly rounded everywhere, so its floor is the same everywhere.
    distance_NTPP = np.sqrt(dx_NTP[:, :, None, :] ** 2 + dy_NTP[..., None] ** 2).astype(np.int64)
    if np.any(square_N):
        across_NTPP = np.maximum(np.abs(dx_NTP)[:, :, None, :], np.abs(dy_NTP)[..., None]) * SQUARE // SUBPIXELS
        distance_NTPP = np.where(square_N[:, None, None, None], across_NTPP, distance_NTPP)
    cover_NTPP = np.clip((radius_NT11 - distance_NTPP) * SUBPIXELS // edge_N111 + SUBPIXELS // 2, 0, SUBPIXELS)
    inside_NTPP = inside(x_NTP, cfg)[:, :, None, :] & inside(y_NTP, cfg)[..., None] & (cover_NTPP > 0)
    n, t, row, column = np.nonzero(inside_NTPP)
    where = n, t, y_NTP[n, t, row], x_NTP[n, t, column]
    old = image_NTSS[where].astype(np.int64)
    image_NTSS[where] = old + ((level_N[n] - old) * cover_NTPP[n, t, row, column] + SUBPIXELS // 2) // SUBPIXELS


def inside(pixel, cfg):
    """Whether whole-pixel coordinates lie in the picture."""
    return (pixel >= 0) & (pixel < cfg.size)


def draw_occluder(cfg, image_NTSS, scene, level_N):
    """A static upright bar `occluder_px` wide, in place."""
    left_N = np.rint(scene["occluder_place"] * (cfg.size - scene["occluder_px"])).astype(int)
    column_NS = np.arange(cfg.size) - left_N[:, None]
    bar_NS = (column_NS >= 0) & (column_NS < scene["occluder_px"][:, None])
    image_NTSS[:] = np.where(bar_NS[:, None, None, :], level_N[:, None, None, None], image_NTSS)


def light(cfg, seed, scene, image_NTSS):
    """Darken every frame, in place, from one side of the picture to the other, by up to `lighting` of its light."""
    angle_N = 2 * np.pi * philox.uniforms(seed, scene["index"], recipes.LIGHT_STREAM, 1)[:, 0, None, None]
    place_S = (np.arange(cfg.size) + 0.5) / cfg.size - 0.5
    across_NSS = np.cos(angle_N) * place_S + np.sin(angle_N) * place_S[:, None]  # at most 0.71 from the middle
    gain_NSS = SUBPIXELS * (1 - scene["lighting"][:, None, None] * (0.5 + across_NSS / 2**0.5))
    image_NTSS[:] = (image_NTSS * np.rint(gain_NSS).astype(np.int32)[:, None] + SUBPIXELS // 2) // SUBPIXELS


def compressed(video_NTSS, step_N):
    """The clips after the cosine coefficients of each 8x8 block were rounded to multiples of `step_N`, as in JPEG."""
    clips, frames, size = video_NTSS.shape[:3]
    blocks = video_NTSS.reshape(clips, frames, size // BLOCK, BLOCK, size // BLOCK, BLOCK).swapaxes(3, 4)
    step_N = np.rint(np.maximum(step_N, 1 / UNIT) * UNIT**2).astype(np.int64)[:, None, None, None, None, None]
    coefficients = (WAVES @ blocks.astype(np.int64) @ WAVES.T + step_N // 2) // step_N * step_N
    blocks = (WAVES.T @ coefficients @ WAVES + UNIT**4 // 2) // UNIT**4
    return np.clip(blocks, 0, FULL_SCALE).swapaxes(3, 4).reshape(video_NTSS.shape).astype(np.uint8)


def sensor_noise(cfg, seed, scene):
    """Noise (N, T, S, S) int16 in grey levels; every frame reads the table at an address of its own."""
    address_NT = philox.words(seed, scene["index"], recipes.NOISE_STREAM, cfg.frames) % NOISE_ENTRIES
    noise_NTM = noise_windows(cfg.size**2)[address_NT]
    steps_N = np.rint(np.asarray(scene["noise"]) * FULL_SCALE * NOISE_STEPS).astype(np.int16)
    scaled_NTM = np.multiply(noise_NTM, steps_N[:, None, None], dtype=np.int16)
    scaled_NTM += NOISE_UNIT * NOISE_STEPS // 2
    scaled_NTM //= NOISE_UNIT * NOISE_STEPS
    return scaled_NTM.reshape(*address_NT.shape, cfg.size, cfg.size)


@lru_cache(maxsize=2)
def noise_windows(length):
    """Every window of `length` entries of the noise table, as a view (NOISE_ENTRIES, length) int8."""
    normal = philox.normals(0, np.arange(NOISE_ENTRIES // 64 + -(-length // 64)), 0, 64).reshape(-1)
    table = np.clip(np.rint(normal * NOISE_UNIT), -127, 127).astype(np.int8)
    return np.lib.stride_tricks.sliding_window_view(table[: NOISE_ENTRIES + length - 1], length)


def jitter(cfg, seed, scene):
    """Camera shake (N, T, 2) in pixels: normal, independent from frame to frame; zeros when off."""
    if not scene["jitter_px"].any():
        return np.zeros((len(scene["index"]), cfg.frames, 2))
    g = philox.normals(seed, scene["index"], recipes.JITTER_STREAM, 2 * cfg.frames)
    return scene["jitter_px"][:, None, None] * g.reshape(-1, cfg.frames, 2)


def decoy(cfg, seed, scene, uv_NTx2):
    """Path (N, T, 2) of a second disc that steps as far as the first each frame, forth and back: no net path."""
    step_NT = np.linalg.norm(np.diff(uv_NTx2, axis=1, prepend=uv_NTx2[:, :1]), axis=2)
    swing_NT = np.cumsum(step_NT * (-1.0) ** np.arange(cfg.frames), axis=1)
    swing_NT -= swing_NT.mean(axis=1, keepdims=True)
    angle_N = 2 * np.pi * philox.uniforms(seed, scene["index"], recipes.DECOY_STREAM, 1)[:, 0]
    heading_N12 = np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1)[:, None]
    room = cfg.size - 2 * cfg.frame_margin_px
    home_N12 = np.stack([scene["decoy_x"], scene["decoy_y"]], axis=1)[:, None] * room + cfg.frame_margin_px
    return home_N12 + swing_NT[..., None] * heading_N12


def kept_frames(cfg, seed, scene):
    """Frame shown at each time (N, T): its own, or the one before where it was dropped (`dropped_frames` a clip)."""
    frame_NT = np.tile(np.arange(cfg.frames), (len(scene["index"]), 1))
    if scene["dropped_frames"].any():
        word_NT = philox.words(seed, scene["index"], recipes.DROP_STREAM, cfg.frames - 1)
        rank_NT = np.argsort(np.argsort(word_NT, axis=1, kind="stable"), axis=1)
        frame_NT[:, 1:][rank_NT < scene["dropped_frames"][:, None]] = 0
    return np.maximum.accumulate(frame_NT, axis=1)
