"""The sequential runner: each stage a papermill subprocess, one at a time, and a record that never flatters.

Parameters are checked before anything is written. A stage is done only if papermill ended well, every cell completed
and every product is there; its notebook is called notebook.running.ipynb until then.
"""

import contextlib
import json
import os
import platform
import re
import secrets
import signal
import subprocess
import sys
import threading
import time

import psutil
import yaml

from trajnb import ROOT, __version__, files
from trajnb.config import ParameterError
from trajnb.runs.stages import fingerprints, plan

GRACE_S = 12.0  # seconds an interrupted notebook has to save itself: papermill first gives its kernel 5 of them
LAST_LINES = 15  # lines of a failing cell's error that are shown


class StageFailed(RuntimeError):
    """A stage that did not finish; the message says where and why."""


def run(cfg, stages=None, *, force=False, dry_run=False, only=None):
    """Run the stages of a run that are new or changed, in order.

    `only`: names of the stages to consider. Prints a line at the start and the end of each, and what its notebook
    prints. Raises ParameterError before anything is written, StageFailed at the first failure, KeyboardInterrupt.
    """
    stages = plan(cfg) if stages is None else stages
    check_device(cfg)
    prints, done = fingerprints(stages), recorded(cfg)
    reasons = {s.name: why(s, prints, done, force) for s in stages if only is None or s.name in only}
    for stage in stages:  # what needs a stage that runs, runs after it
        if reasons.get(stage.name, "") is None and (again := [n for n in stage.needs if reasons.get(n)]):
            reasons[stage.name] = f"{again[0]} runs again"
    if dry_run:
        for name, reason in reasons.items():
            print(f"{name}: {'would run, ' + reason if reason else 'would be skipped, unchanged'}")
        return
    with lock(cfg):
        run_all(cfg, [stage for stage in stages if stage.name in reasons], prints, reasons, done)


def run_all(cfg, stages, prints, reasons, done):
    """Run or skip each stage; run.json always holds the state of all of them."""
    state = {stage.name: {"status": "pending"} if reasons[stage.name] else done[stage.name] for stage in stages}
    record = {"run": cfg.run_name, "status": "running", "trajnb": __version__, "python": platform.python_version()}
    record |= {"parameters": cfg.model_dump(), "stages": done | state}
    for stage in stages:  # from here on nothing old passes for new
        if reasons[stage.name]:
            cut = done.get(stage.name, {})
            forget(stage, cut.get("fingerprint") == prints[stage.name] and cut["status"] != "done")
    try:
        for number, stage in enumerate(stages, 1):
            head = f"[{number}/{len(stages)}] {stage.name}"
            if reasons[stage.name] is None:
                print(f"{head}: skipped, nothing has changed since it ran", flush=True)
                continue
            print(f"{head}: running, {reasons[stage.name]}", flush=True)
            seconds = run_one(cfg, stage, prints[stage.name], record)
            print(f"{head}: done in {seconds:.1f} s", flush=True)
        record["status"] = "done"
    except BaseException as error:
        record["status"] = ending(error)
        raise
    finally:
        save(cfg, record)


def run_one(cfg, stage, fingerprint, record):
    """Run one stage, record how it ended and return its seconds; raises StageFailed or what interrupted it."""
    start = time.monotonic()
    own = {name: value for name, value in stage.parameters.items() if value != record["parameters"].get(name)}
    record["stages"][stage.name] = entry = {"status": "running", "notebook": stage.notebook.name, "own": own}
    entry["fingerprint"] = fingerprint  # from the start: what was cut goes on only as the very same stage
    save(cfg, record)
    try:
        execute(stage)
        entry["status"] = "done"
    except BaseException as error:
        entry |= {"status": ending(error), "error": str(error)}
        raise
    finally:
        entry["seconds"] = round(time.monotonic() - start, 2)
        save(cfg, record)
    return entry["seconds"]


def ending(error):
    """How a stage ended that raised `error`."""
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def save(cfg, record):
    """Write the run's record."""
    files.write_json(cfg.run_dir / "run.json", record)


def execute(stage):
    """Run a stage's notebook with papermill; the executed notebook's name tells how it ended."""
    files.write_text(stage.folder / "params.yaml", yaml.safe_dump(stage.parameters, sort_keys=False))
    running = stage.folder / "notebook.running.ipynb"
    try:
        papermill(stage, running)
        running.rename(stage.result)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            running.rename(stage.folder / "notebook.failed.ipynb")
        raise


def papermill(stage, running):
    """Run papermill in a process group of its own; ends every process that it leaves behind."""
    token, log = secrets.token_hex(8), stage.folder / "log.txt"
    command = [sys.executable, "-m", "papermill", relative(stage.notebook), relative(running)]
    command += ["-f", relative(stage.folder / "params.yaml"), "-k", "python3", "-l", "python"]
    command += ["--engine", "trajnb", "--no-progress-bar", "--stdout-file", "-"]
    log.unlink(missing_ok=True)
    with open(log, "ab") as copy:  # both append: what the notebook prints, and what papermill and its kernel say
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": copy}
        process = subprocess.Popen(command, cwd=ROOT, env=environment(token), start_new_session=True, **pipes)
        reader = threading.Thread(target=show, args=(process.stdout, copy), daemon=True)
        reader.start()
        try:
            code = process.wait()
        except BaseException:
            interrupt(process)
            raise
        finally:
            end_processes(token)
            reader.join(GRACE_S)
    check(stage, running, code)


def environment(token):
    """A stage's environment; every process that inherits it can be found by `token`."""
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return inherited | {"TRAJNB_STAGE": token, "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1", "PYTHONUNBUFFERED": "1"}


def show(pipe, log):
    """Print a notebook's lines as they come, and keep them in its log."""
    for line in pipe:
        log.write(line)
        log.flush()
        print("    " + line.decode(errors="replace").rstrip(), flush=True)


def interrupt(process):
    """Let papermill save the notebook and shut its kernel down."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGINT)
        process.wait(GRACE_S)


def end_processes(token):
    """Kill what is left of a stage: a kernel has a process group of its own, so only its environment tells."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("TRAJNB_STAGE") == token:
                process.kill()
                process.wait(GRACE_S)


def check(stage, running, code):
    """Raise StageFailed unless papermill ended well, every code cell completed and every product is there."""
    cells = json.loads(running.read_bytes())["cells"] if running.is_file() else []
    code_cells = [cell for cell in cells if cell["cell_type"] == "code"]
    ends = [cell["metadata"].get("papermill", {}).get("status") for cell in code_cells]
    if "failed" in ends:
        number = ends.index("failed")
        where = f"{stage.name} failed in code cell {number + 1} of {stage.result.parent.name}/notebook.failed.ipynb"
        raise StageFailed(f"{where}:\n{last_error(code_cells[number])}")
    if code != 0 or set(ends) != {"completed"}:
        tail = (stage.folder / "log.txt").read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise StageFailed("\n".join([f"{stage.name} ended with exit code {code}:", *tail]))
    missing = [product for product in stage.products if not (stage.folder.parent / product).is_file()]
    if missing:
        raise StageFailed(f"{stage.name} ended without writing {', '.join(missing)}.")


def last_error(cell):
    """The last lines of a cell's error, without colours."""
    traces = ["\n".join(out["traceback"]) for out in cell["outputs"] if out["output_type"] == "error"]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(traces))
    return "\n".join([line for line in plain.splitlines() if line.strip()][-LAST_LINES:])


def why(stage, prints, done, force):
    """Why a stage has to run, or None if its last result still holds."""
    entry = done.get(stage.name, {})
    if force:
        return "forced"
    if entry.get("status") != "done":
        return "no earlier result" if not entry else f"it was left {entry.get('status')}"
    if entry.get("fingerprint") != prints[stage.name]:
        return "its notebook, parameters, package or inputs have changed"
    if not stage.complete() or not stage.result.is_file():
        return "a file of its result is missing"
    return None


def recorded(cfg):
    """{stage: entry} of the run's record, empty if there is none that can be read."""
    try:
        return dict(files.read_json(cfg.run_dir / "run.json")["stages"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def forget(stage, resumes):
    """Remove a stage's executed notebooks and products; its checkpoint stays only where the very same stage was cut."""
    old = [stage.folder / f"notebook{kind}.ipynb" for kind in ("", ".running", ".failed")]
    old += [] if resumes else [stage.folder / "last.pt"]
    for path in [*old, *(stage.folder.parent / product for product in stage.products)]:
        path.unlink(missing_ok=True)


def ensure(cfg, *kinds):
    """Make the stages of the given kinds ("data", "train") that lack a result, for a notebook that is opened alone."""
    if "TRAJNB_STAGE" in os.environ:  # the runner has seen to it
        return
    stages = plan(cfg)
    missing = [stage.name for stage in stages if stage.kind in kinds and not stage.complete()]
    if missing:
        run(cfg, stages, only=missing)


@contextlib.contextmanager
def lock(cfg):
    """Hold the run's folder, so that two runners never write the same files; raises ParameterError if it is held."""
    cfg.run_dir.mkdir(parents=True, exist_ok=True)
    with open(cfg.run_dir / ".lock", "wb") as file:
        if os.name == "posix":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ParameterError(f"run_name: {cfg.run_name} is running now: wait, or write another name.") from None
        yield


def check_device(cfg):
    """Raise ParameterError when a GPU is asked for and none is there; imports torch only then."""
    if cfg.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ParameterError("device: 'cuda' is not there, torch finds no GPU: write auto or cpu.")


def relative(path):
    """A path as seen from the repository root, so that no executed notebook tells where that lies."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
