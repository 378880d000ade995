"""Trained networks come back as what they were trained as, on the configured device, or not at all."""

import pytest
import safetensors
import torch

from trajnb import config, files, models
from trajnb.config import Config
from trajnb.models import trained

CFG = Config(model="i3d", seed=3, device="cpu")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    net = models.build(CFG.replace(seed=5))
    trained.save(CFG.stage_dir(CFG.train_stage) / trained.FILE, net, CFG)
    return net.state_dict()


@pytest.mark.parametrize(("changes", "name"), [({"noise_max": 0.1}, "noise_max"), ({"clips": 800}, "clips")])
def test_weights_of_other_data_are_refused(weights, changes, name):
    with pytest.raises(ValueError, match=f"was trained with another {name}: run 02_train again"):
        trained.load_trained(CFG.replace(**changes))


def test_weights_come_back_in_eval_mode_whatever_evaluation_alone_needs(weights):
    free = {"test_clips": 80, "robustness_clips": 4, "attention_clips": 4, "models": ["i3d"], "threads": 1}
    net = trained.load_trained(CFG.replace(**free))
    assert not net.training
    assert all(torch.equal(weight, weights[name]) for name, weight in net.state_dict().items())


def test_the_same_weights_are_the_same_bytes_in_any_process(weights):
    """safetensors keeps metadata in a hash map, whose order differs from one process to the next."""
    with safetensors.safe_open(CFG.stage_dir(CFG.train_stage) / trained.FILE, "pt") as file:
        assert list(file.metadata()) == ["trajnb"]


@pytest.mark.parametrize("room", trained.ROOMS)
def test_weights_of_other_code_are_refused(weights, room, monkeypatch):
    real = config.code_hash
    monkeypatch.setattr(config, "code_hash", lambda rooms, model: "x" if rooms == [room] else real(rooms, model))
    with pytest.raises(ValueError, match=f"was trained with another {room} code: run 02_train again"):
        trained.load_trained(CFG)


def test_a_network_is_its_own_extractors_code_and_the_shared_one_s(tmp_path, monkeypatch):
    observed = []
    monkeypatch.setattr(files, "hash_of", lambda paths: observed.extend(path.name for path in paths))
    trained.identity(CFG)
    assert {"i3d.py", "head.py", "fit.py", "losses.py", "renderer.py", "dataset.py"} <= set(observed)
    assert not {"magvit.py", "slowfast.py", "transformer.py"} & set(observed)


def test_without_weights_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    missing = "train-i3d/final.safetensors is missing in run 'smoke': run 02_train first"
    with pytest.raises(FileNotFoundError, match=missing):
        trained.load_trained(CFG)


def test_the_network_lies_on_the_configured_device(weights, monkeypatch):
    """Torch's meta device stands in for one."""
    monkeypatch.setattr(trained, "device", lambda cfg: torch.device("meta"))
    assert {weight.device.type for weight in trained.load_trained(CFG).parameters()} == {"meta"}


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    for available, where in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert trained.device(CFG.replace(device="auto")).type == where
        assert trained.device(CFG.replace(device="cpu")).type == "cpu"
