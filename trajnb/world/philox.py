"""Random numbers that depend on nothing but their address: Philox-4x32-10, vectorised over addresses.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3 and table 2.

An address is (seed, index, stream): number n of clip i is the same whatever was drawn before it, in whatever order and
process. That makes clip 10^9 as cheap as clip 0.
"""

import numpy as np

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(counter_4xN, key_2):
    """Ten rounds over counters (4, N) uint32 with one key (2,) uint32; returns (4, N) uint32."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter_4xN)
    k0, k1 = np.uint32(key_2[0]), np.uint32(key_2[1])
    for _ in range(10):
        product0, product1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c2 = (product1 >> HALF) ^ c1 ^ np.uint64(k0), (product0 >> HALF) ^ c3 ^ np.uint64(k1)
        c1, c3 = product1 & LOW, product0 & LOW
        with np.errstate(over="ignore"):  # the key schedule wraps on purpose
            k0, k1 = k0 + WEYL[0], k1 + WEYL[1]
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def words(seed, index_N, stream_N, count):
    """(N, count) uint32 words of clips `index_N` (0 to 2^64 - 1) in stream `stream_N` (0 to 2^24 - 1)."""
    index_N = np.asarray(index_N, np.uint64)
    stream_N = np.broadcast_to(np.asarray(stream_N, np.uint64), index_N.shape)
    blocks = -(-count // 4)
    block_M = np.tile(np.arange(blocks, dtype=np.uint64), len(index_N))
    index_M, stream_M = np.repeat(index_N, blocks), np.repeat(stream_N, blocks)
    counter = (index_M & LOW, index_M >> HALF, stream_M, block_M)
    words_4xM = philox(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return words_4xM.T.reshape(len(index_N), 4 * blocks)[:, :count]


def uniforms(seed, index_N, stream_N, count):
    """(N, count) float64 in the open interval (0, 1), a multiple of 2^-33 so that a logarithm is always finite."""
    return (words(seed, index_N, stream_N, count) + 0.5) * 2.0**-32


def normals(seed, index_N, stream_N, count):
    """(N, count) standard normal float64 by Box and Muller (1958), a pair from each pair of words."""
    u_NP2 = uniforms(seed, index_N, stream_N, 2 * (-(-count // 2))).reshape(len(index_N), -1, 2)
    radius_NP = np.sqrt(-2.0 * np.log(u_NP2[..., 0]))
    angle_NP = 2.0 * np.pi * u_NP2[..., 1]
    pairs = np.stack([radius_NP * np.cos(angle_NP), radius_NP * np.sin(angle_NP)], axis=-1)
    return pairs.reshape(len(index_N), -1)[:, :count]
