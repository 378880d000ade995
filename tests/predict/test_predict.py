"""Windows, and predictions in the source's own pixels and seconds; the network is a stand-in or untrained."""

import av
import numpy as np
import pandas as pd
import pytest
from test_footage import RADIUS, discs, encode, path

from trajnb import ParameterError, files, models, predict
from trajnb.config import Config
from trajnb.predict import annotate, footage, trained
from trajnb.predict.footage import PATH, windows

CFG = Config(run_name="tiny", models=["i3d"], model="i3d")


def stays(video_NTSS):
    """A member that predicts that the object stays where its clip has it in the last frame, and is sure of a line."""
    future_NHx6 = np.zeros((len(video_NTSS), CFG.horizon, 6))
    future_NHx6[..., 3:] = 2 * np.log(1 / CFG.size)
    for video_TSS, future_Hx6 in zip(video_NTSS, future_NHx6, strict=True):
        future_Hx6[:, 1::-1] = (np.argwhere(video_TSS[-1] > 120).mean(axis=0) + 0.5) / CFG.size
    return np.tile([5.0, 0.0, 0.0, 0.0], (len(video_NTSS), 1)), future_NHx6, np.full(len(video_NTSS), 0.5)


NETWORK = predict.Network(CFG, [stays])


def test_slow_objects_are_sampled_in_larger_steps_and_uneven_frames_are_put_in_time():
    each = windows(np.arange(96) / 30, discs(path(96)), CFG)
    assert len({one.step for one in each}) == 1 and each[0].step == pytest.approx(np.diff(each[0].rows_F)[0] / 30)
    assert np.ptp(each[0].path_Fx2, axis=0).max() >= PATH * RADIUS * 0.95
    starts = [one.rows_F[0] for one in each]
    assert starts == sorted(set(starts)) and len(each) >= 2
    for one in each:
        assert one.video_FSS.shape == (16, 64, 64) and one.video_FSS.max() > 170
        assert 1.5 < RADIUS * one.scale < 3.3 and abs(np.median(one.video_FSS) - 40) < 3, "as the world has it"
        for video_SS, xy in zip(one.video_FSS, path(96)[one.rows_F], strict=True):
            y, x = np.argwhere(video_SS > 120).mean(axis=0) + 0.5
            np.testing.assert_allclose(np.array([x, y]) / one.scale + one.corner, xy, atol=1.5)
    times = np.delete(np.arange(40), [5, 6, 7, 8]) / 30  # frames lost: no window crosses the gap
    for one in windows(times, np.delete(discs(path(40)), [5, 6, 7, 8], axis=0), CFG):
        assert np.diff(times[one.rows_F]).max() < 1.5 * one.step


@pytest.mark.parametrize("zoom", [1, 4])
def test_positions_are_in_the_pixels_and_seconds_of_the_source(tmp_path, zoom):
    large = discs(path(40) * zoom, size=(200 * zoom, 320 * zoom), radius=RADIUS * zoom)
    table = predict.table(NETWORK, predict.cut(CFG, encode(tmp_path / "a.mp4", large, rate=25)))
    assert list(table.columns) == predict.columns(CFG)
    assert (table["motion"] == "linear").all() and len(table) >= 2
    for row in table.itertuples():
        frame = round(row.end_s * 25)
        np.testing.assert_allclose([row.x1, row.y1], path(40)[frame] * zoom, atol=1.5 * zoom)
        assert row.seconds1 > row.end_s and row.rx1 == pytest.approx(row.ry1)
    assert table["rx1"].between(3 * zoom, 12 * zoom).all(), "a pixel of the clip is four of the footage"


def test_the_first_windows_of_many_sources_are_predicted_at_once():
    good, still = {"a": discs(path(40)), "b": discs(path(30))[:, ::-1]}, {"still": discs(np.full((40, 2), 30.0))}
    counts, once = [], predict.Network(CFG, [lambda video_NTSS: counts.append(len(video_NTSS)) or stays(video_NTSS)])
    found, refused = predict.of_each(once, still | good)
    alone = [predict.table(NETWORK, predict.cut(CFG, source)).iloc[[0]] for source in good.values()]
    pd.testing.assert_frame_equal(found, pd.concat(alone).set_axis(list(good)))
    assert list(refused) == list(still) and counts == [2]
    assert list(predict.of_each(NETWORK, still)[0]) == predict.columns(CFG), "a table without rows"


def test_a_folder_of_mixed_files_gets_a_line_each_and_nothing_half_written(tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    encode(folder / "good\n.mp4", discs(path(24)))
    (folder / "empty.mp4").touch()
    (folder / "notes.txt").write_text("no video")
    assert annotate.predict_all(NETWORK, [folder], 30.0, out, False) == 2
    printed = capsys.readouterr().out
    assert "good\\n.mp4: 2 windows: 2 linear; written" in printed
    assert printed.count("is not a video whose frames can be decoded") == 2
    assert {one.suffix for one in out.iterdir()} == {".csv", ".json", ".mp4"} and len(list(out.iterdir())) == 3
    (rows,) = (files.read_json(one) for one in out.glob("*.json"))
    assert rows[0]["motion"] == "linear"
    with pytest.raises(ParameterError, match="does not exist: write the path of a video"):
        annotate.sources(folder / "nothing")


def test_long_footage_is_drawn_whole_a_block_at_a_time(tmp_path, monkeypatch):
    """A block without windows, in which nothing moves, is shown, too, a short rest is not; frames keep their times."""
    monkeypatch.setattr(footage, "BLOCK", 20)
    level_THW = np.concatenate([discs(path(20)), discs(np.full((20, 2), 500.0)), discs(path(30))])
    source = encode(tmp_path / "a.mp4", level_THW, rate=25)
    blocks = predict.cut(CFG, source)
    assert [len(block.windows) for block in blocks] == [1, 0, 1]
    assert not any(isinstance(part, np.ndarray) and part.ndim == 3 for block in blocks for part in block)
    table = predict.table(NETWORK, blocks)
    with av.open(str(annotate.write(tmp_path / "b.mp4", source, blocks, table, 30.0))) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p"), "browsers play it"
        times = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(np.array(times) - times[0], np.arange(60) / 25, atol=2e-3)


def test_networks_predict_alone_and_together_and_flag_what_is_out_of_distribution():
    nets = [trained.Scored(models.build(CFG.replace(model=name))).eval() for name in ("i3d", "magvit")]
    rng = np.random.default_rng(0)
    clean = rng.integers(20, 60, (80, 16, 64, 64), np.uint8)
    network = predict.Network(CFG, [net.measure(clean).of_array for net in nets])
    alone = predict.Network(CFG, network.members[:1])
    both, one = (predict.of_clips(each, clean[:3])[0] for each in (network, alone))
    assert both.prob_NK.shape == (3, 4) and both.track_NHx3.shape == (3, 5, 3)
    assert not np.allclose(both.prob_NK, one.prob_NK)
    odd = np.zeros((4, 16, 64, 64), np.uint8)
    odd[:, :, 20:40] = 255
    assert (predict.of_clips(network, clean)[1] < predict.OOD).mean() > 0.8
    assert (predict.of_clips(network, odd)[1] > predict.OOD).all()
