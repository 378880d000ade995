"""Videos as cameras and programs write them."""

import numpy as np
import pytest

from tests.footage import encode
from trajnb import video

LEVEL_THW = np.linspace(16, 235, 20 * 32 * 48).reshape(20, 32, 48).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_frames_are_grey_levels_as_they_were_written(tmp_path, suffix):
    level_THW, rate = video.read(encode(tmp_path / f"a{suffix}", LEVEL_THW, rate=25))
    assert (level_THW.shape, level_THW.dtype, rate) == (LEVEL_THW.shape, np.uint8, 25)
    assert np.abs(level_THW.astype(int) - LEVEL_THW).mean() < 3
    np.testing.assert_array_equal(video.read(tmp_path / f"a{suffix}", most=5)[0], level_THW[:5])


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_videos_are_turned_as_players_turn_them(tmp_path, degrees):
    corner_THW = np.pad(LEVEL_THW[:, :8, :16] // 2 + 120, ((0, 0), (0, 24), (0, 32)))
    turned = video.read(encode(tmp_path / "a.mp4", corner_THW, rotation=degrees))[0].astype(int)
    # Not equal to what is written without a rotation: of a dozen processes one encodes a few pixels otherwise.
    assert np.abs(turned - np.rot90(corner_THW, degrees // 90, axes=(1, 2))).mean() < 3


def test_colours_weigh_as_the_eye_sees_them():
    assert video.grey(np.eye(3, dtype=np.uint8) * 255).tolist() == [76, 150, 29]


@pytest.mark.parametrize("content", [None, b"no video at all", 0, 100, -500], ids=str)
def test_what_is_no_video_is_one_sentence(tmp_path, content):
    path, whole = tmp_path / "a.mp4", encode(tmp_path / "whole.mp4", LEVEL_THW).read_bytes()
    if content is not None:
        path.write_bytes(whole[:content] if isinstance(content, int) else content)  # a number: an interrupted copy
    with pytest.raises(ValueError, match=r"^is not a video whose frames can be decoded"):
        video.read(path)
