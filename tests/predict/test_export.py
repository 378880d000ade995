"""Exported networks: the same answers as torch, without torch; a card that says what was exported; the page."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from packaging.requirements import Requirement

from trajnb import ROOT, ParameterError, data, files, models, predict
from trajnb.config import Config
from trajnb.models.trained import save
from trajnb.predict import export, trained

CFG = Config(run_name="tiny", models=["i3d", "magvit"], model="magvit", clips=80, test_clips=40)
BOARD = {"clips_seen": 512, "n_test": 40, "seeds": 1, "test_top1": 0.25, "test_top1_low": 0.14, "test_top1_high": 0.4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a run of two networks with random weights has exported, without onnxruntime-web."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJNB_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        data.make(CFG, CFG.stage_dir("data"))
        for k, model in enumerate(CFG.models):
            cfg = CFG.replace(model=model)
            where = cfg.stage_dir(cfg.train_stage)
            save(where / "final.safetensors", models.build(cfg), cfg)
            files.write_json(where / "metrics.json", {"val_top1": 0.1 * k})
        board = pd.DataFrame([{"model": model, "ade_px": 9.0, "ece": 0.1} | BOARD for model in CFG.models])
        files.write_csv(CFG.stage_dir("evaluate") / "leaderboard.csv", board)
        patch.setattr(export, "RUNTIME", CFG.run_dir)
        export.main(CFG.model_dump_json(), str(CFG.run_dir / "export"))
        yield CFG.run_dir / "export"


def test_a_run_s_exported_network_predicts_for_it_as_long_as_its_weights_are_the_run_s(folder, monkeypatch):
    video, by_torch = data.load(CFG, "test").render(np.arange(7)), trained.load(CFG, "magvit").members[0]
    monkeypatch.setattr(trained, "config_of", lambda run: CFG)
    monkeypatch.setattr(trained, "load", lambda cfg, model: model)
    for model in ("best", "magvit"):
        network = predict.load("tiny", model)
        assert network.cfg.model == "magvit", "the highest validation accuracy"
        for count in (1, 7):
            for one, other in zip(network.members[0](video[:count]), by_torch(video[:count]), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-4)
    assert [predict.load("tiny", model) for model in ("i3d", "ensemble")] == ["i3d", "ensemble"]
    weights, of_i3d = (folder.parent / f"train-{model}" / "final.safetensors" for model in ("magvit", "i3d"))
    trained_on, other = weights.read_bytes(), of_i3d.read_bytes()
    weights.write_bytes(other)
    assert predict.load("tiny") == "best"
    weights.write_bytes(trained_on)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (session,) = (cell.cell_contents for cell in predict.exported(folder).members[0].__closure__)
    assert session.get_session_options().intra_op_num_threads == 3


def test_means_are_exported_axis_by_axis(folder):
    """Of several axes at once onnxruntime adds up all 65,536 levels of a clip in float32, and loses four digits."""
    graph = onnx.load(folder / "network.onnx").graph
    axes = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    means = [node.input[1] for node in graph.node if node.op_type == "ReduceMean"]
    assert len(means) > 8 and {len(axes[name]) for name in means} == {1}


def test_no_path_of_this_machine_is_exported(folder):
    """torch writes the files and lines that a node comes from."""
    for path in folder.iterdir():
        for place in (ROOT, sys.prefix, torch.__path__[0]):
            assert str(place).encode() not in path.read_bytes(), path.name


def test_what_cannot_be_exported_stops_no_run(folder, monkeypatch):
    run = folder.parent
    assert not (run / "play.html").exists(), "no page without onnxruntime-web"
    (run / "play.html").write_text("of an earlier network")
    monkeypatch.setattr(export, "onnx_file", lambda scored, cfg: 1 / 0)
    export.main(CFG.model_dump_json(), str(run / "failed"))
    assert (run / "failed" / "README.md").read_text().startswith("Not exported (ZeroDivisionError)")
    assert not (run / "play.html").exists() and not list(run.glob(".export-*"))


def test_an_export_that_differs_from_torch_is_not_written(folder, monkeypatch):
    monkeypatch.setattr(export, "onnx_file", lambda scored, cfg: (folder / "network.onnx").read_bytes())
    monkeypatch.setattr(export, "TOLERANCE", 1e-12)
    with pytest.raises(ValueError, match="^ONNX and torch differ by"):
        export.export(CFG, folder.parent / "wrong", "magvit")
    assert not (folder.parent / "wrong").exists()


def test_the_card_has_metrics_intervals_and_true_hashes(folder):
    card = (folder / "README.md").read_text()
    words = " ".join(card.split())
    assert "# MAGVIT nano" in words and "accuracy 0.250 (95 %: 0.140 to 0.400), ADE 9.00 px" in words
    lines = [line.split() for line in card.splitlines() if line.startswith("    ")]
    assert {name for _, name in lines} == {"final.safetensors", "network.json", "network.onnx"}
    assert all(files.sha256(folder / name) == digest for digest, name in lines)
    about = files.read_json(folder / "network.json")
    assert about["motions"] == CFG.motions and about["parameters"]["frame_rate"] == 30


def test_what_cannot_be_exported_or_read_is_one_sentence(folder, tmp_path):
    for model in ("ensemble_all", "x"):
        with pytest.raises(ParameterError, match=f"model: {model} is no network of run tiny: write i3d, magvit"):
            export.export(CFG, tmp_path / "new", model)
    with pytest.raises(ParameterError, match="is not empty"):
        export.export(CFG, folder)
    with pytest.raises(ParameterError, match="run: none has not ended"):
        predict.load("none")
    files.write_json(folder.parent / "manifest.json", {"parameters": CFG.model_dump() | {"gone": 1}})
    assert trained.config_of("tiny") == CFG, "a run's parameters that this lab has no more are left out"
    with pytest.raises(ParameterError, match="model: x is not in run tiny: write best or one of i3d"):
        trained.load(CFG, "x")
    files.write_bytes(tmp_path / "network.onnx", (folder / "network.onnx").read_bytes()[:1000])
    for broken in ("{}", "{", (folder / "network.json").read_text()):
        files.write_text(tmp_path / "network.json", broken)
        with pytest.raises(ParameterError, match="holds no exported network"):
            predict.exported(tmp_path)


def taken_along(line, extra=""):
    """{name: distribution} of all that installing a requirement installs; of `extra`, where it depends on that."""
    wanted, found = Requirement(line), {}
    if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
        found[wanted.name] = metadata.distribution(wanted.name)
        for each in found[wanted.name].requires or []:
            for inner in wanted.extras or {""}:
                found |= taken_along(each, inner)
    return found


def test_prediction_works_in_an_environment_that_holds_the_extra_onnx_alone(folder, tmp_path):
    """An environment of its own: only what `pip install trajnb[onnx]` takes along is there, and torch is not."""
    found, site = taken_along("trajnb[onnx]"), tmp_path / "site"
    assert {"onnxruntime", "numpy", "av"} <= found.keys() and not {"torch", "scikit-learn"} & found.keys()
    site.mkdir()
    for dist in found.values():
        for top in {Path(str(file)).parts[0] for file in dist.files or []} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(dist.locate_file(top))
    code = "import sys; sys.path[:0] = sys.argv[1:3]; from trajnb.cli import main; "
    code += "assert not any('site-packages' in path for path in sys.path); sys.argv = ['trajnb', *sys.argv[3:]]; main()"
    words = ["predict", "--demo", "--onnx", str(folder), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-I", "-S", "-c", code, str(site), str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written:") == 5 and len(list((tmp_path / "out").glob("*.mp4"))) == 5
