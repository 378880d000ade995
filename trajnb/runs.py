"""What the Snakefile needs: what each step depends on, and how its notebook is executed.

`python -m trajnb.runs SETTINGS STEP FOLDER NAME=VALUE...` executes a step's notebook with papermill and our engine.
What it prints goes to the terminal and FOLDER/log.txt; the result is FOLDER/notebook.ipynb, or notebook.failed.ipynb.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from trajnb import PACKAGE, ROOT, ParameterError, config, files, provenance
from trajnb.config import Config

# Source files of the package on which a step depends. The first steps draw figures, too, but are not repeated for a
# colour: Snakemake would repeat all that follows from them.
CODE = {"train": ("world", "data", "models", "training")}
CODE["data"] = ("world", "data")
CODE["evaluate"] = (*CODE["train"], "evaluation", "figures")
CODE |= {name: (*CODE["evaluate"], name) for name in ("robustness", "attention", "predict")}
CODE["explain"] = (*CODE["predict"], "explain")
CODE |= {"report": CODE["evaluate"], "postmortem": (*CODE["evaluate"], "audit")}
SHAPING = ("preset", "frames", "size")  # with their defaults any network can be built
LOCKS = []
RUNNING = "TRAJNB_STEP"  # set where Snakemake has already made what a notebook needs
DRIVER = "TRAJNB_DRIVER"  # in a run's steps: what the Snakemake that started them has written into the run's lock
WAIT = "TRAJNB_WAIT"  # set where a run waits for the end of another one of its name
MB = 2**20
STEP_MB = {"data": 1500, "train": 1500, "evaluate": 2500, "robustness": 2500}
STEP_MB |= {"attention": 2200, "predict": 2000, "explain": 2000, "report": 1500, "postmortem": 2500}
# That a training step on a CPU keeps per clip (measured; paper guessed).
CLIP_MB = {"nano": 15, "base": 300, "paper": 3000}
DISK_MB = 500  # that a run needs at most, beside its clips' recipes


def read(paths, overrides):
    """(Config of a run, {name: Config of each training run}) of parameter files and Snakemake's --config values.

    A training run takes params/models/<model>.yaml over the run's own files; `overrides` win over both. Raises
    ParameterError.
    """
    cfg, training = Config.from_files(paths, overrides), {}
    for name in {"model", "control"} & set(overrides if cfg.study == "comparison" else ()):
        raise ParameterError(f"{name}: a run has {name}s: write {name}s=[{overrides[name]}].")
    ways = [(cfg.seed + i, "none") for i in range(cfg.seeds)] + [(cfg.seed, control) for control in cfg.controls]
    for model in cfg.models:
        path = ROOT / "params" / "models" / f"{model}.yaml"
        chosen = config.read_parameters(path) if path.is_file() else {}
        for seed, control in ways:
            values = cfg.model_dump() | chosen | overrides | {"model": model, "seed": seed, "control": control}
            training[Config(**values).train_stage] = Config(**values)
    return cfg, training


def job(step, cfg):
    """{name: "name=value"} of all that a step depends on, for Snakemake to compare: parameters, notebook and code."""
    values = {name: value for name, value in cfg.model_dump().items() if name in config.AFFECTS[step]}
    values["run_name"] = cfg.run_name
    cells = json.loads(notebook(step).read_bytes())["cells"]
    source = "\0".join("".join(cell["source"]) for cell in cells)
    values["notebook"] = hashlib.sha256(source.encode()).hexdigest()[:16]
    values["code"] = config.code_hash(CODE[step], cfg.model if step == "train" else None)
    return {name: f"{name}={json.dumps(value)}" for name, value in values.items()}


def jobs(step, configs):
    """As `job`, for several Configs by the name that the rule's wildcard has: functions of the wildcards."""
    lines = {name: job(step, cfg) for name, cfg in configs.items()}

    def line(name):
        return lambda wildcards: lines[wildcards.training][name]

    return {name: line(name) for name in next(iter(lines.values()))}


def notebook(step):
    """The path of a step's notebook, which may have a number before its name."""
    folder = ROOT / "notebooks"
    return next(folder.glob(f"[0-9][0-9]_{step}.ipynb"), folder / f"{step}.ipynb")  # not somebody's my_report.ipynb


def export_code():
    """A hash of what exports a network and writes the page to draw on."""
    page = [PACKAGE / "template" / name for name in ("play.html", "package-lock.json")]
    page += Path(sys.prefix, "web").glob(".ready")  # whether npm has installed what the page embeds
    return config.code_hash(CODE["predict"], None) + files.hash_of(page)


def gpus(cfg):
    """GPUs that a step takes: 1 or 0."""
    automatic = cfg.device == "auto" and (sys.platform == "darwin" or shutil.which("nvidia-smi") is not None)
    return int(automatic or cfg.device in ("cuda", "mps"))


def memory_mb(step, cfg):
    """About the most memory that a step takes, in MB."""
    if step == "attention":
        return STEP_MB[step] + max(0, cfg.attention_clips - 64) * 7
    pixels = cfg.frames * cfg.size**2
    held = {"train": cfg.clips, "evaluate": cfg.test_clips + cfg.clips // 6}.get(step, 0) * pixels
    most = config.HELD * psutil.virtual_memory().available  # more is rendered batch by batch
    needed = STEP_MB[step] + round(min(held, most) / MB)
    if step != "train" or gpus(cfg):
        return needed
    return needed + round(cfg.batch_size * CLIP_MB[cfg.preset] * pixels / (16 * 64**2))


def check(cfg, training):
    """Raise ParameterError, before anything starts, for what a step would refuse later or what this machine lacks."""
    if DRIVER in os.environ:  # a job on a cluster, where Snakemake reads the Snakefile once more
        return refuse_if_taken_over(cfg.run_dir)
    if cfg.threads > (cores := os.cpu_count() or 1):
        raise ParameterError(
            f"threads: {cfg.threads} is above the {cores} cores of this machine: write at most {cores}."
        )
    folder = next(path for path in (cfg.run_dir, *cfg.run_dir.parents) if path.exists())
    free, needed = shutil.disk_usage(folder).free / MB, DISK_MB + (cfg.clips + cfg.test_clips) / 100
    if free < needed:
        raise ParameterError(f"disk: {free:,.0f} MB are free, the run needs about {needed:,.0f} MB: make room.")
    if cfg.world() != Config().world():
        from trajnb.world import recipes

        try:
            recipes.draw(cfg, cfg.data_seed, range(64))
        except recipes.ImpossibleWorld as error:
            raise ParameterError(f"this world is impossible: {error}") from None
    own = any(":" in model for model in cfg.models)
    if own or cfg.device in ("cuda", "mps") or any(getattr(cfg, n) != getattr(Config(), n) for n in SHAPING):
        check_networks(cfg)
    largest = max(memory_mb("train", one) for one in training.values())
    have = psutil.virtual_memory().available / MB
    if largest > have:
        raise ParameterError(
            f"memory: a training run takes about {largest:,} MB, {have:,.0f} MB are available: "
            "lower batch_size or take a smaller preset."
        )


def check_networks(cfg):
    """Raise ParameterError where there is no GPU, or a network does not fit the clips; imports torch."""
    import torch

    from trajnb import models
    from trajnb.models import own
    from trajnb.models.trained import devices

    if cfg.device not in ("auto", *devices()):
        raise ParameterError(f"device: {cfg.device!r} is not available, torch finds no such GPU: write auto or cpu.")
    try:
        for model in cfg.models:
            with torch.device("cpu" if ":" in model else "meta"):
                net = models.build(cfg.replace(model=model))
            if ":" in model and (found := list(own.problems(net, torch.rand(3, 1, cfg.frames, cfg.size, cfg.size)))):
                raise own.Unusable(found[0])
    except (own.Unusable, RuntimeError) as error:  # somebody's own layers may not compute in bfloat16
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ParameterError(f"models: {model}: {why}; `trajnb check {model}` says more.") from None
    except ValueError as error:
        raise ParameterError(f"preset {cfg.preset} does not fit: {error}: write nano, base, or other clips.") from None


def lock(cfg):
    """Take the run's lock, which ends with this process, however that ends; ParameterError where it is taken."""
    cfg.run_dir.mkdir(parents=True, exist_ok=True)
    file = open(cfg.run_dir / ".lock", "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if WAIT in os.environ else fcntl.LOCK_NB))
    except BlockingIOError:
        raise ParameterError(
            f"run_name: {cfg.run_name} is already running: wait for its end, or give another run_name."
        ) from None
    LOCKS.append(file)  # a file that nobody holds is closed, and its lock gone
    os.environ[DRIVER] = secrets.token_hex(8)
    file.truncate(0)
    file.write(os.environ[DRIVER])
    file.flush()


def taken_over(run_dir):
    """Whether this process belongs to a Snakemake that died, and another has begun: on a cluster, jobs live on."""
    try:
        return os.environ.get(DRIVER, "") not in ("", (run_dir / ".lock").read_text())
    except OSError:
        return False


def refuse_if_taken_over(run_dir):
    """Raise ParameterError where another Snakemake makes this run now."""
    if taken_over(run_dir):
        raise ParameterError(f"run_name: {run_dir.name} was started anew: this job of an earlier start is void.")


def take_gpu():
    """Show this process one GPU alone that no other step holds, until it ends; Slurm does so itself.

    More steps at a time than GPUs share them as CUDA likes. Sets CUDA_VISIBLE_DEVICES, and chooses of those in it.
    """
    if "SLURM_JOB_ID" in os.environ:
        return
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    listed = "\n".join(provenance.gpus("uuid")) if given is None else given
    for device in re.findall(r"[^\s,]+", listed):
        file = open(Path(tempfile.gettempdir()) / f"trajnb-{os.getuid()}-{device}.lock", "w")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.environ["CUDA_VISIBLE_DEVICES"] = device
            return LOCKS.append(file)


def stop(number, frame):
    """Signal handler of the runner: the running notebook saves itself, then Snakemake ends."""
    for child in psutil.Process().children():
        child.send_signal(signal.SIGINT)
    raise KeyboardInterrupt


class Copied:
    """A text stream that also writes to a file; neither a full disk nor a reader that has gone stops the writer."""

    def __init__(self, stream, path):
        self.streams = [stream, open(path, "w", buffering=1)]

    def write(self, text):
        for stream in self.streams:
            with contextlib.suppress(OSError):  # a run goes on without its log or its reader
                stream.write(text)
                stream.flush()

    def flush(self):
        pass


def execute(path, folder, parameters, cell_limit_s):
    """Execute a notebook with papermill; returns the exit code: 0, 1 where a cell failed, 130 where it was stopped."""
    from trajnb import kernel  # before papermill: it makes that import fast
    from papermill import execute_notebook  # isort: skip

    def once(number, frame):  # a second signal must not disturb the saving
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    signal.signal(signal.SIGTERM, once)
    kernel.end_with_parent(signal.SIGINT, or_if=lambda: taken_over(folder.parent))
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    os.environ |= {RUNNING: folder.name, "TQDM_DISABLE": "1"}
    running, start = folder / "notebook.running.ipynb", time.monotonic()
    for name in ("notebook.failed.ipynb", "error.txt"):
        (folder / name).unlink(missing_ok=True)
    out = sys.stdout = Copied(sys.stdout, folder / "log.txt")
    options = {"parameters": parameters, "execution_timeout": cell_limit_s, "stdout_file": out, "stderr_file": out}
    options |= {"engine_name": "trajnb", "kernel_name": "python3", "language": "python", "progress_bar": False}
    out.write(f"{folder.name}: {path.stem} starts\n")  # in one piece: another step may print at the same moment
    try:
        execute_notebook(relative(path), relative(running), **options)
    except BaseException as error:
        if running.is_file():
            running.rename(folder / "notebook.failed.ipynb")
        lines = [line[:400] for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
        why = "\n".join(lines[-15:]) or type(error).__name__
        stopped, kept = isinstance(error, KeyboardInterrupt), relative(folder / "notebook.failed.ipynb")
        text = f"{folder.name} was stopped: the same command goes on from its last checkpoint.\n"
        text = text if stopped else f"{folder.name} did not finish, see {kept}:\n{why}\n"
        (folder / "error.txt").write_text(text)
        return 130 if stopped else 1
    running.rename(folder / "notebook.ipynb")
    out.write(f"{folder.name}: done in {time.monotonic() - start:.0f} s\n")
    return 0


def print_errors(cfg):
    """Print why steps of a run did not finish; a notebook that was killed is kept as one that failed."""
    for path in sorted(cfg.run_dir.glob("*/notebook.running.ipynb")):
        path.rename(path.with_name("notebook.failed.ipynb"))
        text = f"{path.parent.name} was killed, see {relative(path.with_name('log.txt'))}\n"
        (path.parent / "error.txt").write_text(text)
    for path in sorted(cfg.run_dir.glob("*/error.txt")):
        print(path.read_text(), end="", file=sys.stderr)


def relative(path):
    """A path as seen from the repository root, so that no executed notebook tells where that lies."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def ensure(cfg, *steps):
    """Make the results of the given steps that are missing or out of date, for a notebook that is opened alone."""
    if RUNNING in os.environ:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        changed = cfg.model_dump(exclude={"model", "control"}, exclude_defaults=True)
        path.write_text(yaml.safe_dump(changed | {"run_name": cfg.run_name}))
        targets = ["trained" if step == "train" else step for step in steps]
        options = ["--profile", "profiles/local", "--quiet", "all", "--configfile", str(path)]
        command = [sys.executable, "-m", "snakemake", *targets, *options]
        waiting = {"LOGNAME": "user"} | os.environ | {WAIT: "1"}  # another notebook may be making the same
        done = subprocess.run(command, cwd=ROOT, env=waiting, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{', '.join(steps)} could not be made:\n{done.stderr}")


def main(settings, step, folder, *words):
    """Execute a step's notebook for Snakemake; `settings`: JSON of parameters that are no reason to run it again."""
    folder, settings = Path(folder).absolute(), json.loads(settings)
    folder.mkdir(parents=True, exist_ok=True)
    LOCKS.append(open(folder / ".lock", "w"))
    fcntl.flock(LOCKS[-1], fcntl.LOCK_EX)  # waits until no other process works in this folder; ends with this one
    try:
        refuse_if_taken_over(folder.parent)
    except ParameterError as error:
        print(error, file=sys.stderr)
        return 2
    if settings["device"] != "cpu":
        take_gpu()
    job, text = folder / "job.txt", "\n".join(words) + "\n"
    if job.is_file() and job.read_text() != text:  # what another job has begun is not continued
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    files.write_text(job, text)
    values = settings | {name: json.loads(value) for name, _, value in (word.partition("=") for word in words)}
    defaults = Config().model_dump()
    changed = {n: v for n, v in values.items() if n == "run_name" or (n in defaults and v != defaults[n])}
    return execute(notebook(step), folder, changed, settings["cell_limit_s"] or None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
