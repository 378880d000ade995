"""Single clips: arrays and videos as cameras and programs write them; what cannot be used is one sentence."""

import tracemalloc
from itertools import repeat
from types import SimpleNamespace

import numpy as np
import pytest
from folders import disc, encode

from trajnb.audit import clips

BROKEN = {
    "is not a complete .npy array of numbers": lambda path, clip: path.write_bytes(path.read_bytes()[:-100]),
    "is not a complete .npy array of": lambda path, clip: np.save(path, np.array([{"a": 1}]), allow_pickle=True),
    "is missing: restore it": lambda path, clip: path.unlink(),
    "holds float levels from 0 to 255": lambda path, clip: np.save(path, (clip - clip.min()) / np.ptp(clip) * 255.0),
    "holds float levels from nan": lambda path, clip: np.save(path, clip * np.nan),
    "holds uint8 levels from 0 to 1": lambda path, clip: np.save(path, (clip > 100).astype(np.uint8)),
    "is of type int64": lambda path, clip: np.save(path, clip.astype(np.int64)),
    "is too short or too small: write at least 16 frames": lambda path, clip: np.save(path, clip[:8]),
    r"has shape \(32, 32\)": lambda path, clip: np.save(path, clip[0]),
    r"has shape \(20, 32, 32, 2\)": lambda path, clip: np.save(path, clip[..., None].repeat(2, axis=3)),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_array_is_one_sentence(tmp_path, sentence):
    path = tmp_path / "a.npy"
    np.save(path, disc())
    BROKEN[sentence](path, disc())
    with pytest.raises(clips.ClipError, match=f"^{sentence}"):
        clips.read(path)


def test_a_pickle_is_never_opened(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    np.save(tmp_path / "a.npy", np.array([Evil()]), allow_pickle=True)
    with pytest.raises(clips.ClipError):
        clips.read(tmp_path / "a.npy")
    assert not (tmp_path / "opened").exists()


def test_floats_and_channels_are_levels_too(tmp_path):
    grey_THW = np.random.default_rng(0).integers(0, 256, (16, 32, 32)).astype(np.uint8)
    np.save(tmp_path / "a.npy", (grey_THW / 255).astype(np.float32))
    np.save(tmp_path / "b.npy", np.stack([grey_THW, grey_THW // 2, grey_THW], axis=3))
    (read_THW, grey), (_, colour) = clips.read(tmp_path / "a.npy"), clips.read(tmp_path / "b.npy")
    np.testing.assert_array_equal(read_THW, grey_THW)
    assert (grey["red"], grey["blue"]) == (0, 0)
    assert colour["red"] == colour["blue"] > 50
    assert colour["sums"][0][0] / colour["pixels"] == pytest.approx(grey_THW.mean() / 255)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_videos_are_turned_as_players_turn_them(tmp_path, suffix, degrees):
    encode(tmp_path / f"flat{suffix}", disc(height=32, width=48))
    encode(tmp_path / f"turned{suffix}", disc(height=32, width=48), rotation=degrees)
    flat, turned = (clips.read(tmp_path / f"{name}{suffix}")[0] for name in ("flat", "turned"))
    np.testing.assert_array_equal(turned, np.rot90(flat, degrees // 90, axes=(1, 2)))


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".mkv"])
def test_rates_are_measured_from_the_times_of_the_frames(tmp_path, suffix):
    for rate in (30, 29.6):
        encode(tmp_path / f"even{suffix}", disc(), times=np.arange(20) / rate)
        info = clips.read(tmp_path / f"even{suffix}")[1]
        assert info["rate"] == pytest.approx(rate, rel=0.002 if suffix == ".mp4" else 0.05)
    times = np.cumsum(np.random.default_rng(0).choice([1, 4], 20)) / 30
    encode(tmp_path / f"uneven{suffix}", disc(), times=times)
    assert clips.read(tmp_path / f"uneven{suffix}")[1]["rate"] is None


def test_a_video_is_decoded_no_further_than_it_is_examined():
    image_HWC = np.zeros((32, 32, 3), np.uint8)
    frame = SimpleNamespace(is_corrupt=False, rotation=0, time=0.0, to_ndarray=lambda format: image_HWC)
    assert len(list(clips.decoded(repeat(frame), []))) == clips.MOST_FRAMES


@pytest.mark.parametrize("suffix", [".mp4", ".npy"])
def test_a_large_clip_needs_the_memory_of_a_few_frames(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(clips, "BLOCK", 2**20)
    path, clip = tmp_path / f"large{suffix}", disc(frames=48, height=480, width=640)
    if suffix == ".npy":
        np.save(path, (clip / np.float32(255))[..., None].repeat(3, axis=3))
    else:
        encode(path, clip)
    del clip
    tracemalloc.start()
    grey_THW, _ = clips.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert grey_THW.shape == (48, 68, 91)
    assert peak < 0.6 * 48 * 480 * 640 * 3  # the bytes of all frames; as float32, four times as many


def flipped(content):
    """A few bits in the middle: the decoder goes on and marks the frame."""
    middle = len(content) // 3
    content[middle : middle + 3] = bytes(level ^ 0x5A for level in content[middle : middle + 3])


def ended(content):
    """The last fifth missing; in a plain mp4 that is where its index is."""
    del content[int(0.8 * len(content)) :]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (flipped, "has frames that decode with errors: copy it"),
        (ended, "is not a video that can be decoded: write it"),
        (bytearray.clear, "is not a video that"),
    ],
)
def test_a_damaged_video_is_one_sentence(tmp_path, damage, sentence):
    path = tmp_path / "a.mp4"
    encode(path, disc(frames=30))
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    with pytest.raises(clips.ClipError, match=f"^{sentence}"):
        clips.read(path)


def test_a_short_video_is_one_sentence(tmp_path):
    encode(tmp_path / "short.mp4", disc(frames=1))
    with pytest.raises(clips.ClipError, match="^is too short or too small: write at least 16 frames of 16 x 16 pixels"):
        clips.read(tmp_path / "short.mp4")
