"""Which stages a run has, with which parameters."""

import json

import pytest

from trajnb.config import Config, ParameterError
from trajnb.runs import record, refresh, stages

LAST = ["evaluate", "robustness", "attention"]  # stages after the trainings


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """Notebooks that declare some parameters, and a model file."""
    declared = {
        "01_data": "clips: int = 400",
        "02_train": 'model: str = "transformer"\nseed: int = 0\nlr: float = 2.0e-3\nepochs: int = 2',
        "03_evaluate": 'models: list = ["transformer"]\nseeds: int = 1',
        "robustness": "suite_clips: int = 8",
        "04_attention": "attention_clips: int = 8",
    }
    for name, source in declared.items():
        cell = {"cell_type": "code", "source": [source], "metadata": {"tags": ["parameters"]}}
        (tmp_path / f"{name}.ipynb").write_text(json.dumps({"cells": [cell]}))
    (tmp_path / "transformer.yaml").write_text("lr: 0.5\nepochs: 9\n")
    monkeypatch.setattr(stages, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(stages, "MODEL_FILES", tmp_path)
    return tmp_path


def test_each_stage_gets_what_its_notebook_declares_and_what_differs(notebooks):
    cfg = Config(models=["transformer"], epochs=4, gravity=3.0, run_name="x", attention_clips=20)
    data, train, evaluate, robustness, attention = stages.plan(cfg)
    other = {"run_name": "x", "gravity": 3.0}
    assert (data.name, data.parameters) == ("data", {"clips": 400} | other)
    assert train.parameters == {"model": "transformer", "seed": 0, "lr": 0.5, "epochs": 9} | other
    assert evaluate.parameters == {"models": ["transformer"], "seeds": 1, "epochs": 4} | other
    assert robustness.parameters == {"suite_clips": 8, "models": ["transformer"], "epochs": 4} | other
    assert (train.needs, evaluate.needs) == (("data",), ("data", "train-transformer"))
    assert robustness.needs == ("data", "train-transformer", "evaluate")
    assert attention.parameters == {"attention_clips": 20, "models": ["transformer"], "epochs": 4} | other
    assert (attention.needs, attention.products) == (train.needs + (train.name,), ("attention/scores.csv",))
    assert train.folder == Config(run_name="x").stage_dir("train-transformer")


def test_the_command_line_wins_over_the_model_file(notebooks):
    cfg = Config(epochs=4)
    assert stages.plan(cfg, {"epochs": 4})[1].parameters["epochs"] == 4


def test_several_seeds_are_several_stages(notebooks):
    plan = stages.plan(Config(models=["transformer"], seeds=2, seed=5))
    trained = ["train-transformer-s5", "train-transformer-s6"]
    assert [stage.name for stage in plan] == ["data", *trained, *LAST]
    assert [stage.parameters["seed"] for stage in plan[1:3]] == [5, 6]
    assert plan[1].products[0] == "train-transformer-s5/final.safetensors"


def test_bad_model_files_and_notebooks_are_named(notebooks):
    (notebooks / "transformer.yaml").write_text("epchs: 9\n")
    with pytest.raises(ParameterError, match="did you mean epochs"):
        stages.plan(Config())
    (notebooks / "transformer.yaml").write_text("epochs: 0\n")
    with pytest.raises(ParameterError, match="below 1"):
        stages.plan(Config())
    (notebooks / "01_data.ipynb").write_text("{")
    with pytest.raises(ParameterError, match="no readable notebook"):
        stages.plan(Config())


def test_sources_follow_what_they_cover(notebooks):
    def sources(cfg, overrides=None):
        return {stage.name: stages.source(stage, "package", {}) for stage in stages.plan(cfg, overrides)}

    first = sources(Config())
    assert sources(Config()) == first
    other = sources(Config(), {"lr": 0.4})
    assert other["data"] == first["data"]
    assert record.difference(first["train-transformer"], other["train-transformer"]) == "lr 0.5 -> 0.4"
    assert sources(Config(models=["transformer"]))["train-transformer"] == first["train-transformer"]
    assert sources(Config(stage_limit_s=9, cell_limit_s=9)) == first, "a limit changes no result"
    made = {"data": {"products": {"recipes.parquet": "a"}}}
    train = stages.plan(Config())[1]
    fed = stages.source(train, "package", made)
    assert record.difference(first["train-transformer"], fed) == "data has changed"
    assert stages.source(train, "package", made) == fed


def test_refresh_keeps_outputs_and_cleans_the_rest(tmp_path):
    cells = [
        {"cell_type": "markdown", "id": "a", "source": "# T", "metadata": {"collapsed": True}},
        {
            "cell_type": "code",
            "id": "b",
            "source": "x = 1\nx",
            "metadata": {"tags": ["t"]},
            "outputs": [],
            "execution_count": 7,
        },
    ]
    kernel = {"name": "other", "display_name": "Other", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel, "papermill": {}}, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook))
    refresh.refresh(path)
    text = path.read_text()
    cleaned = json.loads(text)
    assert cleaned["metadata"] == {"kernelspec": refresh.KERNEL, "language_info": {"name": "python"}}
    assert [cell["metadata"] for cell in cleaned["cells"]] == [{}, {"tags": ["t"]}]
    assert cleaned["cells"][1]["execution_count"] == 1
    assert cleaned["cells"][1]["outputs"][0]["data"]["text/plain"] == ["1"]
    refresh.refresh(path)
    assert path.read_text() == text


def test_controls_are_further_trainings_of_each_network(notebooks):
    plan = stages.plan(Config(models=["transformer"], controls=["shuffled", "permuted"]))
    names = ["train-transformer", "train-transformer-shuffled", "train-transformer-permuted"]
    assert [stage.name for stage in plan] == ["data", *names, *LAST]
    assert [stage.parameters.get("control", "none") for stage in plan[1:4]] == ["none", "shuffled", "permuted"]
    assert "controls" not in plan[1].parameters, "another control repeats no training"
    assert plan[-3].needs == plan[-1].needs == ("data", *names)


def test_a_post_mortem_is_one_stage(notebooks):
    (notebooks / "postmortem.ipynb").write_text((notebooks / "03_evaluate.ipynb").read_text())
    (only,) = stages.plan(Config(study="postmortem"))
    assert (only.name, only.needs, only.products) == ("postmortem", (), ("postmortem/postmortem.csv",))
