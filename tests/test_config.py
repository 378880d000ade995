"""Parameters: whatever is wrong is said in one sentence, and nothing is left behind."""

import re

import pytest

from trajnb import ROOT, config
from trajnb.config import Config, ParameterError

REFUSED = {  # a parameter file, and what its sentence must hold
    "lr: nan": "lr: nan does not fit: write a number from 1e-07 to 1.0.",
    "lr:": "lr: None does not fit",
    "lr: 2": "lr: 2 does not fit",
    "epochs: 0": "epochs: 0 does not fit: write a whole number from 1 to 10000.",
    "epochs: 2.5": "epochs: 2.5 does not fit",
    "epochs: yes": "epochs: True does not fit: write a whole number",
    "epochs: 1:30": "epochs: 1:30 does not fit",
    "lr: 1:30.5": "lr: 1:30.5 does not fit",
    f"epochs: {'9' * 5000}": "999 ... does not fit",
    "epchs: 3": "epchs is not a parameter; did you mean epochs?",
    "xyzzy: 3": "trajnb params",
    "3: 4": "3 is not a parameter",
    "epochs: 3\nepochs: 4": "epochs is given twice",
    "decoy: 1": "decoy: 1 does not fit: write true or false.",
    "size: 60": "a multiple of 8",
    "model: i3": "write transformer or i3d or slowfast or magvit or FILE.py:CLASS.",
    "models: transformer": "write a list such as [transformer], of transformer, i3d, slowfast, magvit, FILE.py:CLASS.",
    "models: []": "at least 1 needed",
    "motions: [linear, spiral]": "spiral does not fit",
    "motions: [linear, linear]": "linear is given twice",
    "run_name: [3]": "run_name: ['3'] does not fit",
    "run_name: a/b": "run_name: a/b does not fit: write a letter or digit, then at most 63 letters,",
    'run_name: "a\\n"': "run_name: a\\n does not fit",
    "depth_min_m: 5.0": "depth_min_m: 5.0 is above depth_max_m, 4.0",
    "extent_max_px: 60.0": "write at most 58",
    "dropped_frames: 9": "write at most 8",
    "shift_px: 20": "write at most 16",
    "[1, 2]": "no names and values",
    "lr: 0.1\n---\nlr: 0.2": "another document",
    "!!python/object/apply:os.system [exit]": "line 1",
    "motions: &a [*a, *a]": "motions",
    "lr: \x01": "not plain YAML",
    "a: " + "[" * 9000 + "]" * 9000: "not plain YAML",
}
ACCEPTED = {
    "lr: 1e-3": 1e-3,
    "lr: 1": 1.0,
    "epochs: 2.0": 2,
    "epochs: 010  # ten": 10,
    "clips: 1_000": 1000,
    "run_name: 2026-01-31": "2026-01-31",
    "run_name: 3": "3",
    "models: [i3d]": ["i3d"],
    "decoy: on": True,
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_can_only_mean_one_thing_is_accepted(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    assert getattr(Config.from_files([tmp_path / "a.yaml"]), text.split(":")[0]) == ACCEPTED[text]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:24]))
def test_refused_in_one_sentence(text, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "outputs"))
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=re.escape(REFUSED[text])) as refusal:
        Config.from_files([path])
    message = str(refusal.value)
    assert message.endswith((".", "?")) and len(message) < 320
    assert "\n" not in message and "pydantic" not in message
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


def test_refused_files(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    for name, words in {"none.yaml": "No such file", ".": "Is a directory", "a.yaml": "not UTF-8"}.items():
        with pytest.raises(ParameterError, match=words):
            Config.from_files([tmp_path / name])


def test_later_files_win_and_overrides_win_over_all(tmp_path):
    (tmp_path / "a.yaml").write_text("epochs: 3\nlr: 1.0e-3\nseed: 7\n")
    (tmp_path / "b.yaml").write_text("# nothing but this\nlr: 1\n")
    cfg = Config.from_files([tmp_path / "a.yaml", tmp_path / "b.yaml"], {"seed": 8})
    assert (cfg.epochs, cfg.lr, cfg.seed) == (3, 1.0, 8)
    assert Config.from_files() == Config()


def test_frozen_and_replaced():
    cfg = Config(seeds=2)
    with pytest.raises(ValueError, match="frozen"):
        cfg.epochs = 3
    assert cfg.replace(seed=1).train_stage == "train-transformer-s1"
    assert Config().train_stage == "train-transformer"
    with pytest.raises(ParameterError, match="epochs: 0 does not fit"):
        cfg.replace(epochs=0)


def test_folders_follow_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("TRAJNB_OUTPUTS", raising=False)
    assert Config().stage_dir("data") == ROOT / "outputs" / "smoke" / "data"
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    assert Config().run_dir == tmp_path / "smoke"


def test_world_is_what_is_filmed():
    assert {"gravity", "noise_max", "motions"} <= set(Config().world())
    assert not {"epochs", "data_seed", "run_name"} & set(Config().world())


def test_notebook_takes_plain_variables_only():
    others = {"noise_max": 0.2, "_": 0.1, "Out": {}, "re": re, "print": print, "ROOT": ROOT}
    assert Config.from_notebook({"epochs": 3, "In": ["epochs = 3"]} | others) == Config(epochs=3)
    with pytest.raises(ParameterError, match="did you mean epochs"):
        Config.from_notebook({"epchs": 3})


CELLS = ["", "epochs: int = 2  # epochs", "cfg = Config.from_notebook(globals())"]


@pytest.mark.parametrize("cells", [[*CELLS[:2], "# Parameters\nepchs = 3", CELLS[2]], [*CELLS, "epchs: int = 3"]])
def test_notebook_refuses_a_misspelled_parameter_of_papermill_or_of_the_parameters_cell(cells):
    with pytest.raises(ParameterError, match="did you mean epochs"):
        Config.from_notebook({"In": cells, "epochs": 2, "epchs": 3})


def test_notebook_ignores_a_later_result():
    again = [*CELLS, "share = 0.5", "epochs: int = 3", CELLS[2]]
    assert Config.from_notebook({"In": again, "epochs": 3, "share": 0.5}).epochs == 3


def test_every_parameter_is_described():
    assert all(config.bounds(name) and field.description for name, field in Config.model_fields.items())


def test_every_parameter_affects_a_step_or_is_the_runner_s():
    others = set(Config.model_fields).difference(*config.AFFECTS.values())
    assert others == {"run_name", "study", "cell_limit_s", *config.EXECUTION}
