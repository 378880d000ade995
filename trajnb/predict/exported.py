"""An exported network, for use without torch: onnxruntime runs it."""

from pathlib import Path

import onnxruntime

from trajnb import ParameterError, files, outputs
from trajnb.config import Config
from trajnb.predict import Network

WEIGHTS, ABOUT = "network.onnx", "network.json"
OUTPUTS = ("logits", "future", "ood_score")


def load(folder) -> Network:
    """The network in a folder that `trajnb export` has written; ParameterError where there is none."""
    folder = Path(folder)
    try:
        parameters = files.read_json(folder / ABOUT)["parameters"]
        session = onnxruntime.InferenceSession(folder / WEIGHTS, providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime's errors have no common class
        raise ParameterError(f"{folder} holds no exported network: write one by `trajnb export`.") from None
    return Network(Config(**parameters), [lambda video_BTSS: session.run(OUTPUTS, {"clips": video_BTSS})])


def of_run(run, model="best") -> Network | None:
    """The network that a run has exported, if it is `model` and still has the weights of one of the run's."""
    folder = outputs() / run / "export"
    if not (folder / ABOUT).is_file() or model not in ("best", files.read_json(folder / ABOUT)["parameters"]["model"]):
        return None
    weights = {path.read_bytes() for path in folder.parent.glob("train-*/*.safetensors")}
    return load(folder) if {path.read_bytes() for path in folder.glob("*.safetensors")} <= weights else None
