"""The sequential runner: each stage a papermill subprocess, one at a time, and a record that never flatters.

Parameters are checked before anything is written. A stage is done only if papermill ended well, every cell completed
and every product is there; its notebook is called notebook.running.ipynb until then.
"""

import contextlib
import os
import platform
import re
import shutil
import subprocess
import time

import yaml

from trajnb import ROOT, __version__, files
from trajnb.config import Config, ParameterError
from trajnb.runs import guard, processes, provenance, record, sight
from trajnb.runs.stages import chosen, package_hash, plan, source

DEFAULT_CLIPS = (Config().preset, Config().frames, Config().size)
LAST_LINES, LONGEST_LINE = 15, 400  # of a failing cell's error that are shown, and characters of each
RUNNING = "notebook.running.ipynb"
FULL = 1_000_000  # bytes left on a disk that is as good as full
ENDINGS = {"CellTimeoutError": "timed out", "DeadKernelError": "killed"}  # by the error's name; any other is `failed`


class StageFailed(RuntimeError):
    """A stage that did not finish; the message says where and why, `status` how it ended."""

    def __init__(self, message, status="failed"):
        super().__init__(message)
        self.status = status


def run(cfg, stages=None, *, force=False, dry_run=False, only=(), start=None):
    """Run the stages of a run that are new or changed, in order.

    `only`: names or kinds of the stages to consider; `start`: run this stage and all that need it, whatever stands
    there. Prints a line at the start and the end of each, and what its notebook prints. Raises ParameterError before
    anything is written, StageFailed at the first failure, KeyboardInterrupt.
    """
    stages = plan(cfg) if stages is None else stages
    check_fits(cfg)
    names, forced = chosen(stages, only, start)
    found = record.settle(cfg.run_dir)
    done, package = found.get("stages", {}), package_hash()
    reasons = decide(stages, names, set(names) if force else forced, done, package)
    if dry_run:
        for name, reason in reasons.items():
            print(f"{name}: {'would run, ' + reason if reason else 'would be skipped, unchanged'}")
        return
    guard.preflight(cfg, [stage for stage in stages if reasons.get(stage.name)])
    with record.lock(cfg.run_dir):
        cfg.run_dir.joinpath(record.PULLED).unlink(missing_ok=True)
        processes.end_processes(processes.RUN, str(cfg.run_dir))  # what a killed runner may have left
        run_all(cfg, [stage for stage in stages if stage.name in reasons], reasons, done, package)


def decide(stages, names, forced, done, package):
    """{stage: why it has to run, or None}; raises ParameterError where what it needs is neither there nor to be run."""
    reasons, known = {}, {stage.name: stage for stage in stages}
    for stage in (stage for stage in stages if stage.name in names):
        again = [need for need in stage.needs if reasons.get(need)]
        reason = record.why(stage, source(stage, package, done), done, stage.name in forced)
        reasons[stage.name] = reason or (f"{again[0]} runs again" if again else None)
        absent = [need for need in stage.needs if need not in names and need in known and not known[need].complete()]
        if reasons[stage.name] and absent:
            words = f"{stage.name} needs {', '.join(absent)}, which has no result"
            raise ParameterError(f"{words}: run that first, or leave out --only.")
    return reasons


def run_all(cfg, stages, reasons, done, package):
    """Run or skip each stage; run.json always holds the state of all of them."""
    state = {s.name: {"status": "not run"} if reasons[s.name] else done[s.name] for s in stages}
    found = {"run": cfg.run_name, "status": "running", "trajnb": __version__, "python": platform.python_version()}
    found |= {"started": record.now(), "parameters": cfg.model_dump(exclude={"sync"}), "stages": done | state}
    for name in (provenance.SUMS, provenance.CRATE):
        (cfg.run_dir / name).unlink(missing_ok=True)
    for stage in stages:  # from here on nothing old passes for new
        if reasons[stage.name]:
            cut, now = done.get(stage.name, {}), source(stage, package, done)
            forget(stage, cut.get("status", "done") != "done" and not record.difference(cut.get("made_from", {}), now))
    try:
        for number, stage in enumerate(stages, 1):
            head = f"[{number}/{len(stages)}] {stage.name}"
            if reasons[stage.name] is None:
                print(f"{head}: skipped, nothing has changed since it ran", flush=True)
                continue
            if stage.kind != "data" and not cfg.force and (why := refusal(cfg)):
                raise StageFailed(f"{stage.name} was not started: {why}")
            print(f"{head}: running, {reasons[stage.name]}", flush=True)
            seconds = run_one(cfg, stage, package, found)
            print(f"{head}: done in {seconds:.1f} s", flush=True)
        found["status"] = "done"
    except BaseException as error:
        found |= {"status": ending(error), "error": str(error)}
        raise
    finally:
        found |= {"ended": record.now()} | record.mark(cfg.run_dir)
        record.save(cfg.run_dir, found)
        sight.write(cfg.run_dir)


def run_one(cfg, stage, package, found):
    """Run one stage, record how it ended and return its seconds; raises StageFailed or what interrupted it."""
    start = time.monotonic()
    own = {name: value for name, value in stage.parameters.items() if value != found["parameters"].get(name)}
    made_from = source(stage, package, found["stages"])  # from the start: what was cut goes on only as the very same
    entry = {"status": "running", "started": record.now(), "notebook": stage.notebook.name, "own": own}
    found["stages"][stage.name] = entry | {"made_from": made_from}
    entry = found["stages"][stage.name]
    record.save(cfg.run_dir, found)
    try:
        execute(cfg, stage)
        entry |= {"status": "done", "products": record.products(stage)}
    except BaseException as error:
        entry |= {"status": ending(error), "error": str(error)}
        raise
    finally:
        entry["seconds"] = round(time.monotonic() - start, 2)
        with contextlib.suppress(OSError):  # a full disk: the record says more than no record
            given = inputs(stage, found)
            entry["manifest"] = provenance.write(cfg, stage, entry, made_from, command(cfg, stage), given)
        record.save(cfg.run_dir, found)
    return entry["seconds"]


def inputs(stage, found):
    """{path: SHA-256} of what the stages that it needs have left for a stage."""
    left = {need: found["stages"].get(need, {}).get("products", {}) for need in stage.needs}
    return {f"{need}/{name}": digest for need, products in left.items() for name, digest in products.items()}


def refusal(cfg):
    """Why a run's data are refused, as the data stage's audit has it; None where nothing is severe."""
    try:
        if not files.read_json(cfg.stage_dir("data") / "audit.json")["severe"]:
            return None
    except (OSError, ValueError, KeyError, TypeError):  # then the notebook audits them itself
        return None
    from trajnb.audit import admission  # its imports take seconds, and data are seldom severe

    wrong = admission.severe(admission.saved(cfg.stage_dir("data")))
    return admission.refusal(wrong) if wrong else None


def ending(error):
    """How a stage ended that raised `error`."""
    return "stopped" if isinstance(error, KeyboardInterrupt) else getattr(error, "status", "failed")


def execute(cfg, stage):
    """Run a stage's notebook with papermill; the executed notebook's name tells how it ended."""
    running = stage.folder / RUNNING
    files.write_text(stage.folder / "params.yaml", yaml.safe_dump(stage.parameters, sort_keys=False))
    try:
        look = sight.Sight(cfg, stage).look
        code = processes.run(
            command(cfg, stage), cfg.run_dir, stage.folder / "log.txt", cfg.stage_limit_s or None, look
        )
        check(stage, running, code)
        running.rename(stage.result)
    except guard.OverLimit as error:
        raise StageFailed(f"{stage.name} was stopped before the machine froze: it {error}.", "stopped") from None
    except subprocess.TimeoutExpired:
        words = f"ran longer than stage_limit_s, {cfg.stage_limit_s} s"
        raise StageFailed(f"{stage.name} {words}: raise it; a training goes on from here.", "timed out") from None
    finally:
        put_aside(running)


def command(cfg, stage):
    """The command that executes a stage's notebook."""
    paths = (stage.notebook, stage.folder / RUNNING, stage.folder / "params.yaml")
    return processes.papermill(*map(relative, paths), cfg.cell_limit_s)


def put_aside(running):
    """Keep the notebook of a stage that did not finish, under a name that says so.

    One cut in half (the disk was full) is worth nothing, and its space is what the record needs: it goes.
    """
    if running.is_file():
        running.rename(running.with_name("notebook.failed.ipynb")) if record.cells(running) else running.unlink()


def check(stage, running, code):
    """Raise StageFailed unless papermill ended well, every code cell completed and every product is there."""
    found = record.cells(running)
    ends = [cell["metadata"].get("papermill", {}).get("status") for cell in found]
    if "failed" in ends:
        number = ends.index("failed")
        name, error = last_error(found[number])
        status = ENDINGS.get(name, "failed")
        cell = f"code cell {number + 1} of {stage.result.parent.name}/notebook.failed.ipynb"
        where = f"{stage.name} {record.ended(status)} in {cell}"
        raise StageFailed(f"{where}:\n{error}", status)
    if code != 0 or set(ends) != {"completed"}:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        room = shutil.disk_usage(stage.folder).free
        how += f", its disk is full ({room:,} bytes left)" if room < FULL else ""
        log = (stage.folder / "log.txt").read_text(errors="replace")
        raise StageFailed(f"{stage.name} {how}:\n{tail(log)}", "killed" if code < 0 else "failed")
    missing = [product for product in stage.products if not (stage.folder.parent / product).is_file()]
    if missing:
        raise StageFailed(f"{stage.name} ended without writing {', '.join(missing)}.")


def last_error(cell):
    """(name, last lines without colours) of a cell's error."""
    errors = [out for out in cell["outputs"] if out["output_type"] == "error"]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join("\n".join(out["traceback"]) for out in errors))
    return errors[-1]["ename"] if errors else "", tail(plain)


def tail(text):
    """The last lines of a text that hold something, each cut where nobody reads on."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(line[:LONGEST_LINE] for line in lines[-LAST_LINES:])


def forget(stage, resumes):
    """Remove a stage's executed notebooks and products; its checkpoint stays only where the very same stage was cut."""
    old = [stage.folder / f"notebook{kind}.ipynb" for kind in ("", ".running", ".failed")]
    old += [] if resumes else [*stage.folder.rglob("checkpoints/*"), *stage.folder.rglob("precision.json")]
    old += [stage.folder / provenance.NAME, stage.folder / "progress.json", *stage.product_paths()]
    for path in old:
        path.unlink(missing_ok=True)


def ensure(cfg, *kinds):
    """Make the stages of the given kinds ("data", "train") that lack a result, for a notebook that is opened alone.

    What the runner has made is made again where its source has changed; what a person has made by hand is left alone.
    """
    if processes.STAGE in os.environ:  # the runner has seen to it
        return
    stages, package, done = plan(cfg), package_hash(), record.read(cfg.run_dir).get("stages", {})
    wanted = [stage for stage in stages if stage.kind in kinds]
    made_from = {name: entry.get("made_from", {}) for name, entry in done.items()}
    old = {s.name for s in wanted if s.name in done and record.difference(made_from[s.name], source(s, package, done))}
    missing = [stage.name for stage in wanted if stage.name in old or not stage.complete()]
    if missing:
        run(cfg, stages, only=missing)


def check_fits(cfg):
    """Raise ParameterError for what a notebook would refuse later: no GPU, a network for other clips, no such world.

    Imports what takes long only where world, device, preset or clips are not the default.
    """
    if cfg.world() != Config().world():
        from trajnb.world import recipes

        try:
            recipes.draw(cfg, cfg.data_seed, range(64))
        except recipes.ImpossibleWorld as error:
            raise ParameterError(f"this world is impossible: {error}") from None
    if cfg.device == "cuda" or (cfg.preset, cfg.frames, cfg.size) != DEFAULT_CLIPS:
        import torch

        from trajnb import models

        if cfg.device == "cuda" and not torch.cuda.is_available():
            raise ParameterError("device: 'cuda' is not there, torch finds no GPU: write auto or cpu.")
        try:
            for model in cfg.models:
                with torch.device("meta"):
                    models.build(cfg.replace(model=model))
        except ValueError as error:
            raise ParameterError(
                f"preset {cfg.preset} does not fit: {error}: write preset: nano or base, or other clips."
            ) from None


def relative(path):
    """A path as seen from the repository root, so that no executed notebook tells where that lies."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
