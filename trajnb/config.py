"""Every parameter once: name, type, unit, bounds, default, meaning, and which steps it affects.

The defaults are the smoke run. Names are flat, so that papermill's `-f` files can be stacked (a later file wins). A
value that cannot be used is refused in one sentence before any kernel starts.
"""

import difflib
import re
import sys
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from trajnb import PACKAGE, ROOT, ParameterError, files, outputs

Motion = Literal["linear", "parabolic", "circular", "random", "helical"]
Extractor = Literal["transformer", "i3d", "slowfast", "magvit"]
# Somebody's own, see trajnb.models.own.
Own = Annotated[str, Field(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$", examples=["FILE.py:CLASS"])]
FOLDER = "a letter or digit, then at most 63 letters, digits, dots, dashes and underscores"
Folder = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=[FOLDER])]
Preset = Literal["nano", "base", "paper"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "bfloat16", "auto"]
LARGEST_SEED = 2**31 - 1


def parameter(default, low=None, high=None, unit="", text="", multiple_of=None):
    """A field with its bounds (both included), unit and meaning."""
    return Field(default, ge=low, le=high, multiple_of=multiple_of, description=text, json_schema_extra={"unit": unit})


class WorldParams(BaseModel):
    """What happens before the lens, and the lens. Camera frame x right, y down, z forward."""

    motions: list[Motion] = parameter(["linear", "parabolic", "circular", "random"], text="classes, in label order")
    frames: int = parameter(16, 4, 128, "frames", "observed frames, which a network sees", multiple_of=4)
    horizon: int = parameter(5, 1, 64, "frames", "frames after the last observed one whose positions are predicted")
    size: int = parameter(64, 32, 512, "px", "height and width of a clip", multiple_of=8)
    frame_rate: float = parameter(30.0, 1.0, 1000.0, "1/s", "frames a second")
    focal_px: float = parameter(64.0, 8.0, 2000.0, "px", "focal length of the pinhole camera")
    gravity: float = parameter(9.81, 0.0, 30.0, "m/s2", "acceleration along +y of parabolic motion")
    radius_m: float = parameter(0.10, 0.01, 1.0, "m", "radius of the object")
    depth_min_m: float = parameter(2.0, 1.0, 100.0, "m", "nearest anchor depth")
    depth_max_m: float = parameter(4.0, 1.0, 100.0, "m", "farthest anchor depth")
    speed_min: float = parameter(1.0, 0.0, 100.0, "m/s", "slowest linear motion and launch")
    speed_max: float = parameter(4.0, 0.0, 100.0, "m/s", "fastest linear motion and launch")
    circle_radius_min_m: float = parameter(0.25, 0.01, 10.0, "m", "smallest circle")
    circle_radius_max_m: float = parameter(0.8, 0.01, 10.0, "m", "largest circle")
    sweep_min_deg: float = parameter(120.0, 10.0, 3600.0, "deg", "least angle swept in the observed frames")
    sweep_max_deg: float = parameter(400.0, 10.0, 3600.0, "deg", "largest angle swept in the observed frames")
    tilt_max_deg: float = parameter(60.0, 0.0, 90.0, "deg", "largest angle of a circle's plane to the image plane")
    ou_time_s: float = parameter(0.1, 0.01, 10.0, "s", "correlation time of random motion's velocity")
    ou_speed_min: float = parameter(1.0, 0.0, 100.0, "m/s", "least typical speed of random motion")
    ou_speed_max: float = parameter(4.0, 0.0, 100.0, "m/s", "largest typical speed of random motion")
    helix_speed_min: float = parameter(0.5, 0.0, 100.0, "m/s", "least speed along a helix's axis")
    helix_speed_max: float = parameter(1.5, 0.0, 100.0, "m/s", "largest speed along a helix's axis")
    extent_min_px: float = parameter(14.0, 1.0, 512.0, "px", "least extent of the observed path in the image")
    extent_max_px: float = parameter(44.0, 1.0, 512.0, "px", "largest extent of the observed path in the image")
    class_margin_px: float = parameter(0.5, 0.0, 20.0, "px", "least deviation from every simpler motion")
    frame_margin_px: float = parameter(3.0, 0.0, 100.0, "px", "least distance of an observed centre from the border")
    brightness_min: float = parameter(0.6, 0.0, 1.0, "full scale", "darkest object")
    brightness_max: float = parameter(1.0, 0.0, 1.0, "full scale", "brightest object")
    background_min: float = parameter(0.05, 0.0, 1.0, "full scale", "darkest background")
    background_max: float = parameter(0.3, 0.0, 1.0, "full scale", "brightest background")
    noise_min: float = parameter(0.01, 0.0, 0.25, "full scale", "least sensor noise, standard deviation")
    noise_max: float = parameter(0.03, 0.0, 0.25, "full scale", "largest sensor noise, standard deviation")
    blur_px: float = parameter(0.0, 0.0, 20.0, "px", "width of the blur; 0 is off")
    texture: float = parameter(0.0, 0.0, 1.0, "full scale", "contrast of the background's texture; 0 is off")
    occluder_px: float = parameter(0.0, 0.0, 512.0, "px", "width of a bar before the scene; 0 is off")
    decoy: bool = parameter(False, text="a second disc that jitters in place, without a net path")
    jitter_px: float = parameter(0.0, 0.0, 20.0, "px", "camera shake, standard deviation; 0 is off")
    lighting: float = parameter(0.0, 0.0, 0.9, "full light", "light lost from one side to the other; 0 is off")
    shadow: float = parameter(0.0, 0.0, 1.0, "", "share of the background's light that the shadow takes; 0 is off")
    compression: float = parameter(0.0, 0.0, 128.0, "grey levels", "step of each 8x8 block's coefficients; 0 is off")
    speed_factor_min: float = parameter(1.0, 0.1, 10.0, "", "least factor on the image extent of the path")
    speed_factor_max: float = parameter(1.0, 0.1, 10.0, "", "largest factor on the image extent of the path")
    size_factor_min: float = parameter(1.0, 0.1, 10.0, "", "least factor on the object's radius")
    size_factor_max: float = parameter(1.0, 0.1, 10.0, "", "largest factor on the object's radius")
    squares: float = parameter(0.0, 0.0, 1.0, "of clips", "share with a square of the disc's area instead; 0 is off")
    dropped_frames: int = parameter(0, 0, 64, "frames", "observed frames replaced by the one before; 0 is off")
    varied: bool = parameter(False, text="each clip draws one of the nuisances that are on, such as blur, or none")


class DataParams(BaseModel):
    """How many clips, and which."""

    clips: int = parameter(400, 40, 10_000_000, "clips", "clips: 70 % train, 15 % validation, the rest unused")
    test_clips: int = parameter(400, 40, 10_000_000, "clips", "further clips of another seed range, for test_* numbers")
    data_seed: int = parameter(0, 0, LARGEST_SEED, "", "seed of the recipes")
    split: Literal["recipe", "class_order"] = parameter(
        "recipe",
        text="by a hash of each clip's recipe; class_order is an old mistake: in order, the first 80 % to train",
    )
    target: Literal["future", "last_seen"] = parameter(
        "future", text="the positions to predict; last_seen is an old mistake: the last position shown, again"
    )


class ModelParams(BaseModel):
    """Which network."""

    model: Extractor | Own = parameter("transformer", text="the extractor that 02_train trains; a run has models")
    preset: Preset = parameter("nano", text="its size: nano (two cores), base (one GPU), paper (the publication's)")


class TrainParams(BaseModel):
    """How it is trained."""

    epochs: int = parameter(2, 1, 10_000, "epochs", "passes over the training clips")
    batch_size: int = parameter(32, 1, 4096, "clips", "clips a step; all training clips where there are fewer")
    lr: float = parameter(1.0e-2, 1.0e-7, 1.0, "", "highest learning rate, after the warm-up")
    warmup_share: float = parameter(0.06, 0.0, 0.9, "of the steps", "share of the steps in which lr rises from near 0")
    weight_decay: float = parameter(0.02, 0.0, 10.0, "", "AdamW's decoupled weight decay")
    grad_clip: float = parameter(1.0, 0.001, 1.0e6, "", "largest norm of the gradient")
    position_weight: float = parameter(1.0, 0.0, 1000.0, "", "weight of the future positions' loss")
    observed_weight: float = parameter(1.5, 0.0, 1000.0, "", "weight of the observed positions' loss")
    beta_nll: float = parameter(0.5, 0.0, 1.0, "", "power of the variance that weighs the Gaussian loss")
    aux_weight: float = parameter(1.0, 0.0, 1000.0, "", "weight of the extractor's own loss")
    mirror: bool = parameter(True, text="mirror half of the training clips left to right")
    contrast: float = parameter(0.2, 0.0, 0.9, "of the contrast", "largest random change of contrast")
    shift_px: int = parameter(4, 0, 64, "px", "largest random shift of clip and target")
    checkpoint_seconds: float = parameter(60.0, 0.0, 1.0e6, "s", "most seconds between checkpoints within an epoch")
    seed: int = parameter(0, 0, LARGEST_SEED, "", "seed of initialisation, order and augmentation")
    device: Device = parameter("auto", text="auto takes cuda, then mps (Apple; not tested by us), then cpu")
    precision: Precision = parameter("float32", text="in training; auto is bfloat16 on a CPU made for it, else float32")
    threads: int = parameter(0, 0, 1024, "threads", "CPU threads; 0 is all cores")
    control: Literal["none", "shuffled", "permuted"] = parameter(
        "none", text="a training run that should fail: on frames in shuffled order, or on permuted labels"
    )


class RunParams(BaseModel):
    """What belongs to one run."""

    run_name: Folder = parameter("smoke", text="folder under outputs/")
    models: list[Extractor | Own] = parameter([*get_args(Extractor)], text="what to compare; yours is FILE.py:CLASS")
    seeds: int = parameter(1, 1, 100, "", "training runs of each extractor, from `seed` upward")
    controls: list[Literal["shuffled", "permuted"]] = parameter([], text="further runs of each that should fail")
    robustness_clips: int = parameter(8, 4, 1_000_000, "clips", "clips for each corruption and severity")
    attention_clips: int = parameter(8, 4, 1_000_000, "clips", "test clips whose attention maps are scored")
    study: Literal["comparison", "postmortem"] = parameter("comparison", text="what a run is: its notebooks")
    cell_limit_s: int = parameter(0, 0, 10_000_000, "s", "longest time for one notebook cell; 0 is no limit")


WORLD, DATA, MODEL, TRAIN = (set(group.model_fields) for group in (WorldParams, DataParams, ModelParams, TrainParams))
HELD = 0.4  # share of the free memory that rendered clips may take
EXECUTION = {"device", "threads", "checkpoint_seconds"}  # where and how a step runs: no reason to run it again
NETWORKS = {"models", "preset", "seed", "seeds", "controls"}
# {step: the parameters that affect it}: what makes a step run again, and what its notebook is given.
AFFECTS = {
    "data": WORLD | DATA,
    "train": WORLD | DATA - {"test_clips"} | MODEL | TRAIN - EXECUTION | {"seeds"},
    **dict.fromkeys(("evaluate", "predict", "explain"), WORLD | DATA | NETWORKS),
    "robustness": WORLD | DATA | NETWORKS | {"robustness_clips"},
    "attention": WORLD | DATA | NETWORKS | {"attention_clips"},
    "report": WORLD | DATA | NETWORKS | {"epochs"},
    "postmortem": WORLD | DATA | MODEL | TRAIN - EXECUTION | {"models"},
}


class Config(WorldParams, TrainParams, ModelParams, DataParams, RunParams):
    """All parameters of a run, checked. Frozen; `replace` makes a changed copy. Raises ParameterError."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    def __init__(self, /, **values):
        try:
            super().__init__(**values)
        except ValidationError as errors:
            error = errors.errors()[0]
            name, value = error["loc"][0], repr(error["input"]).strip("'\"")
            if name not in type(self).model_fields:
                close = difflib.get_close_matches(name, type(self).model_fields, 1)
                hint = f"did you mean {close[0]}?" if close else "`trajnb params` lists them all."
                raise ParameterError(f"{name[:60]} is not a parameter; {hint}") from None
            value = value if len(value) < 70 else f"{value[:66]} ..."
            raise ParameterError(f"{name}: {value} does not fit: write {bounds(name)}.") from None
        for problem in contradictions(self):
            raise ParameterError(problem)

    @field_validator("*", mode="before")
    @classmethod
    def no_number_from_a_switch(cls, value, info):
        """YAML 1.1 reads yes, no, on and off as true and false, and pydantic takes these for 1 and 0."""
        if isinstance(value, bool) != (cls.model_fields[info.field_name].annotation is bool):
            raise ValueError
        return value

    @classmethod
    def from_files(cls, paths=(), overrides=None):
        """The defaults, then each YAML file, then `overrides` (name: value); later wins."""
        values = {}
        for path in paths:
            values |= read_parameters(path)
        return cls(**{str(name): value for name, value in (values | (overrides or {})).items()})

    @classmethod
    def from_notebook(cls, namespace):
        """The plain variables of a notebook's `globals()`, as its parameters cell and papermill have set them.

        A name that these set and that is no parameter is refused: papermill sets `name = value` before the cell that
        calls this, and only a parameters cell has lines `name: type = value`. Of what other cells have set, parameters
        are taken and results ignored, so that the calling cell can be run again; what no cell sets is ignored, too.
        """
        kinds = (bool, int, float, str, list, tuple, dict, type(None))
        names = [name for name in namespace if not name.startswith("_") and name not in ("In", "Out")]
        plain = {name: namespace[name] for name in names if isinstance(namespace[name], kinds)}
        if "In" not in namespace:
            return cls(**plain)
        cells, first = "\n".join(namespace["In"]), takewhile(lambda cell: "from_notebook" not in cell, namespace["In"])
        taken = set(cls.model_fields) & set(re.findall(r"\w+", cells))
        taken |= {*re.findall(r"^(\w+) *=", "\n".join(first), re.M), *re.findall(r"^(\w+):.*=", cells, re.M)}
        return cls(**{name: value for name, value in plain.items() if name in taken})

    def replace(self, **changes):
        """A copy with other values, checked like any other."""
        return type(self)(**(self.model_dump() | changes))

    def world(self):
        """The parameters of what is filmed, as a dict: what a data set's hash covers."""
        return self.model_dump(include=WORLD)

    @property
    def run_dir(self):
        return outputs() / self.run_name

    @property
    def train_stage(self):
        """The folder of `model`, `control` and `seed`: train-i3d, train-i3d-s1 of several, train-i3d-shuffled."""
        control = "" if self.control == "none" else f"-{self.control}"
        return f"train-{short(self.model)}{control}" + (f"-s{self.seed}" if self.seeds > 1 else "")

    def stage_dir(self, stage):
        return self.run_dir / stage


def short(model):
    """A model's name in paths and figures: of FILE.py:CLASS the class."""
    return model.rpartition(":")[2]


def code_hash(rooms, model):
    """A hash of the source in these folders of the package; `model`: of extractors' files only this one's."""
    others = {f"{name}.py" for name in get_args(Extractor) if model in get_args(Extractor) and name != model}
    own = [ROOT / model.rpartition(":")[0]] if model and ":" in model and "models" in rooms else []
    source = (p for room in rooms for p in (PACKAGE / room).glob("*.py") if p.name not in others)
    return files.hash_of([*source, *(path for path in own if path.is_file())])


def contradictions(cfg):
    """Sentences about parameters that are fine alone and impossible together."""
    for low in (name for name in type(cfg).model_fields if re.search(r"_min(_|$)", name)):
        high = re.sub(r"_min(_|$)", r"_max\1", low)
        if getattr(cfg, low) > getattr(cfg, high):
            yield f"{low}: {getattr(cfg, low)} is above {high}, {getattr(cfg, high)}: write at most that."
    room = cfg.size - 2 * cfg.frame_margin_px
    if cfg.extent_max_px > room:
        yield f"extent_max_px: {cfg.extent_max_px} does not fit between the frame margins: write at most {room:g}."
    if cfg.dropped_frames > cfg.frames // 2:
        yield f"dropped_frames: {cfg.dropped_frames} is over half of the frames: write at most {cfg.frames // 2}."
    if cfg.shift_px > cfg.size // 4:
        yield f"shift_px: {cfg.shift_px} is over a quarter of the size: write at most {cfg.size // 4}."
    for name, least in {"motions": 2, "models": 1, "controls": 0}.items():
        value = getattr(cfg, name)
        if len(value) < least:
            yield f"{name}: {len(value)} given, at least {least} needed: write more names in the list."
        value = [short(word) for word in value]
        if len(set(value)) < len(value):
            yield f"{name}: {max(value, key=value.count)} is given twice: write each name once."


def bounds(name):
    """What may be written for a parameter, in words."""
    about = Config.model_json_schema()["properties"][name]
    kind, step = about.get("type"), about.get("multipleOf")
    if kind == "boolean":
        return "true or false"
    if kind in ("integer", "number"):
        number = f"a {'whole ' if kind == 'integer' else ''}number from {about['minimum']} to {about['maximum']}"
        return f"{number}, a multiple of {step}" if step else number
    one = about.get("items", about)
    names = [name for text in one.get("anyOf", [one]) for name in text.get("enum") or text["examples"]]
    return f"a list such as [{names[0]}], of {', '.join(names)}" if kind == "array" else " or ".join(names)


class UniqueKeyLoader(yaml.SafeLoader):
    """Plain YAML that refuses a key given twice, where PyYAML takes the last. Dates and numbers stay text.

    YAML 1.1 reads 0100 as 64 and 1:30 as 90, and 1e-3 as text: Config reads all numbers as they are written.
    """

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
        return super().construct_mapping(node, deep)


for tag in ("timestamp", "int", "float"):
    UniqueKeyLoader.add_constructor(f"tag:yaml.org,2002:{tag}", yaml.SafeLoader.construct_yaml_str)


def read_parameters(path):
    """{name: value} of a YAML file; raises ParameterError where it is missing, no text or not flat."""
    try:
        values = yaml.load(Path(path).read_text("utf-8"), Loader=UniqueKeyLoader)  # noqa: S506  (a SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "it is not UTF-8 text")
        raise ParameterError(f"{path} cannot be read ({reason}): write the path of a parameter file.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", "not plain YAML")
        line = f", line {mark.line + 1}" if mark else ""
        raise ParameterError(f"{path}{line}: {problem}: write lines of `name: value`.") from None
    if not isinstance(values, dict | None):
        raise ParameterError(f"{path} holds no names and values: write lines of `name: value`.")
    return values or {}


if __name__ == "__main__":  # python -m trajnb.config FILE...: whether parameter files can be used, before a run starts
    try:
        Config.from_files(sys.argv[1:])
    except ParameterError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
