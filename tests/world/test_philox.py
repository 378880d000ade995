"""Philox against Random123's known answers, and the independence of its addresses."""

import numpy as np
import pytest

from trajnb.world import philox

KNOWN = [  # counter, key, answer: kat_vectors of Random123, philox4x32 with 10 rounds
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    assert tuple(philox.philox(np.array(counter)[:, None], key)[:, 0].tolist()) == answer


def test_uniforms_and_normals_by_hand():
    """Uniforms are the middles of 2^32 equal parts; each pair of them is a pair of Box and Muller's normals."""
    words = philox.words(3, [7, 8], 2, 6)
    u = (words + 0.5) / 2**32
    assert philox.uniforms(3, [7, 8], 2, 6).tolist() == u.tolist()
    radius, angle = np.sqrt(-2 * np.log(u[:, ::2])), 2 * np.pi * u[:, 1::2]
    g = philox.normals(3, [7, 8], 2, 5)
    assert g[:, ::2] == pytest.approx(radius * np.cos(angle))
    assert g[:, 1::2] == pytest.approx((radius * np.sin(angle))[:, :2])


def test_words_of_two_clips_by_hand():
    """Key: the seed's two halves; counter: the index's two halves, the stream, the block of four words."""
    counters = np.array([[[3, 3], [4, 4], [6, 6], [0, 1]], [[8, 8], [0, 0], [6, 6], [0, 1]]])
    expected = [philox.philox(counter, (5, 9)).T.flatten()[:7].tolist() for counter in counters]
    assert philox.words(5 + 9 * 2**32, [3 + 4 * 2**32, 8], 6, 7).tolist() == expected
