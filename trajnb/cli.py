"""`trajnb`: parse, call, print. What takes long to import is imported where it is used."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from trajnb import __version__, outputs
from trajnb.config import Config, ParameterError, describe, read_yaml
from trajnb.runs import processes, record, runner, stages

BAD_INPUT, FAILED, STOPPED = 2, 1, 130

app = typer.Typer(
    help="Which video network best understands how an object moves? One parameter file makes one run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False):
    if show:
        print(f"trajnb {__version__}")
        raise typer.Exit


FORCE = "Run also what has not changed, and on data that the audit finds severe; their products are marked."
EXAMPLES = """\b
Examples:
  trajnb run params/quick.yaml
  trajnb run params/quick.yaml -p epochs 2 -p run_name short
  trajnb run params/full.yaml params/stream.yaml --dry-run
  trajnb run params/quick.yaml --only train-i3d     one stage, or all of a kind: --only train
  trajnb run params/quick.yaml --from evaluate      this stage and all that need it, once more
  trajnb run params/quick.yaml -p stage_limit_s 3600 -p cell_limit_s 1800
A later file wins over an earlier one, -p over all of them. A stage whose notebook,
parameters, package and inputs are unchanged is skipped. `trajnb params` lists all names.
Nothing is trained on data that the audit finds severe (see `trajnb audit`), unless forced.
Exit codes: 0 done, 1 a stage did not finish, 2 bad input, 130 stopped (Ctrl-C, kill).
Started again, the same command goes on where it was: `trajnb status` says where that is."""


@app.command(epilog=EXAMPLES)
def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Parameter files.")],
    p: Annotated[list[str], typer.Option("-p", metavar="NAME VALUE", help="Set a parameter, over all files.")] = (),
    force: Annotated[bool, typer.Option("--force", help=FORCE)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and why, and run nothing.")] = False,
    only: Annotated[list[str], typer.Option("--only", metavar="STAGE", help="Consider only this stage or kind.")] = (),
    start: Annotated[str, typer.Option("--from", metavar="STAGE", help="Run this stage and all that need it.")] = "",
):
    """Make data, train, evaluate and report one run.

    Each stage is a notebook; the result is outputs/RUN_NAME/index.html.
    """
    overrides = dict(override(pair) for pair in p) | ({"force": True} if force else {})
    cfg = Config.from_files(files, overrides)
    planned = stages.plan(cfg, overrides)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends the kernels too
    with processes.outlived(), pushing(cfg, dry_run):
        code = 0
        try:
            runner.run(cfg, planned, force=force, dry_run=dry_run, only=only, start=start or None)
        except KeyboardInterrupt:
            code = say("Stopped: nothing of it runs on. The same command goes on from here.", STOPPED)
        except runner.StageFailed as error:
            code = say(error, FAILED)
        if not dry_run:
            publish(cfg.run_dir)
    raise typer.Exit(code)


def pushing(cfg, dry_run):
    """While it is open, the run is pushed to where `sync` says."""
    if dry_run or not cfg.sync:
        return contextlib.nullcontext()
    from trajnb.runs import sync

    return sync.pushing(cfg.sync, cfg.run_dir)


def override(pair):
    """(name, value) of `name=value`, the value read like one in a parameter file."""
    name, equals, value = pair.partition("=")
    if not equals:
        raise ParameterError(f"-p {name} has no value: write -p NAME VALUE.")
    return name, read_yaml(value, f"-p {name}")


def joined(arguments):
    """The arguments with each `-p NAME VALUE` as `-p NAME=VALUE`, because typer knows no repeated pairs."""
    words = list(arguments)
    for i in reversed(range(len(words) - 2)):
        if words[i] == "-p" and "=" not in words[i + 1]:
            words[i + 1 : i + 3] = [f"{words[i + 1]}={words[i + 2]}"]
    return words


STATUS_EXAMPLES = """\b
Examples:
  trajnb status                 the run that was started last
  trajnb status quick --watch   look again every two seconds until it ends
  trajnb status s3://BUCKET/FOLDER/quick   what the copy there says"""


@app.command(epilog=STATUS_EXAMPLES)
def status(
    name: Annotated[str, typer.Argument(metavar="[RUN]", help="Name or URL of a run; the latest if left out.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Look again until the run ends.")] = False,
):
    """Say where a run is: its stages, how each ended, how far the running one is, the time left."""
    from trajnb.runs import status as look

    if "://" in name:
        from trajnb.runs import remote

        print("\n".join(remote.lines(name)))
        return
    run_dir = known(name) if name else look.latest(outputs())
    if run_dir is None:
        raise ParameterError(f"No run was ever started in {outputs()}: `trajnb run params/smoke.yaml` starts one.")
    look.watch(run_dir, redraw) if watch else print("\n".join(look.lines(run_dir)))


def redraw(lines):
    """Show lines in place of the last ones on a terminal, below them elsewhere."""
    print(("\x1b[2J\x1b[H" if sys.stdout.isatty() else "") + "\n".join(lines), flush=True)


PULL_EXAMPLES = """\b
Examples:
  trajnb pull s3://BUCKET/FOLDER/quick   into outputs/quick; while the run still runs, too
  trajnb pull file:///mnt/results/quick"""


@app.command(epilog=PULL_EXAMPLES)
def pull(url: Annotated[str, typer.Argument(metavar="URL", help="What `sync` was, a slash and the run's name.")]):
    """Bring a run from where it pushes itself. Every file is checked; what is here and equal is not fetched again."""
    from trajnb.runs import remote

    run_dir, fetched, there = remote.pull(url)
    print(f"{run_dir.name}: {fetched} files fetched and checked, {there} were here and equal")


@app.command(epilog="Example:  trajnb verify quick")
def verify(name: Annotated[str, typer.Argument(metavar="RUN", help="Name of a run.")]):
    """Read every file of a run again and compare it with what was left. Exit code 1: something is not as it was."""
    from trajnb.runs import provenance

    checked, wrong = provenance.verify(known(name))
    print("\n".join([*wrong, f"{name}: {checked} files read, {len(wrong) or 'nothing'} wrong"]))
    raise typer.Exit(FAILED if wrong else 0)


@app.command(epilog="Example:  trajnb rerun quick")
def rerun(name: Annotated[str, typer.Argument(metavar="RUN", help="Name of a run that is done.")]):
    """Repeat a run from its manifests as RUN-rerun, and say what came out different. Exit code 1: something did.

    Times, and what is computed from them, are left out; the same bits need the same processor and number of threads.
    """
    from trajnb.runs import rerun as repeat

    run_dir = known(name)
    changed = list(repeat.otherwise(run_dir))
    with processes.outlived():
        print("\n".join(f"not as it was: {line}" for line in changed))
        try:
            again, lines, compared, left = repeat.run(run_dir)
        except runner.StageFailed as error:
            raise typer.Exit(say(error, FAILED)) from None
        publish(again)
        words = f"{len(compared)} files of results compared, {len(lines) or 'nothing'} different"
        print("\n".join([*lines, f"{name}: {words}; {len(left)} others not (logs, pictures, checkpoints)"]))
    raise typer.Exit(FAILED if lines else 0)


@app.command(epilog="Example:  trajnb runs")
def runs():
    """Set all past runs side by side: how they ended, where their parameters differ, what their networks reached."""
    from trajnb.report import overview

    settle_all()
    print(overview.table(overview.past(outputs())))


SITE_EXAMPLES = """\b
Examples:
  trajnb site quick          outputs/quick/index.html and a page for each notebook
  trajnb site quick --zip    the same in one file, to send
  trajnb site outputs        outputs/index.html, which gathers all runs"""


@app.command(epilog=SITE_EXAMPLES)
def site(
    name: Annotated[str, typer.Argument(metavar="RUN", help="Name of a run, or `outputs` for all of them.")],
    pack: Annotated[bool, typer.Option("--zip", help="Also write the run's pages into one zip file.")] = False,
):
    """Write a run's REPORT.md and its pages anew from its files; they open without a network."""
    from trajnb.report import site as pages

    if name == "outputs":
        settle_all()
        print(f"page: {pages.gather(outputs())}")
        return
    run_dir = known(name)
    publish(run_dir)
    if pack:
        print(f"zip: {pages.zipped(run_dir)}")


def known(name):
    """The folder of a run that was started; raises ParameterError."""
    run_dir = Config(run_name=name).run_dir
    if not (run_dir / "run.json").is_file():
        raise ParameterError(f"run_name: {name} was never started in {outputs()}: write the name of a run.")
    record.settle(run_dir)
    return run_dir


def settle_all():
    """Put right what the records of killed runs say."""
    for path in outputs().glob("*/run.json"):
        record.settle(path.parent)


AUDIT_EXAMPLES = """\b
Examples:
  trajnb audit outputs/quick              the clips of a run
  trajnb audit my_clips --json results    <class>/<name>.npy or videos; writes results/audit.json
Clips need 16 frames or more; of clips that differ in length the first 16 frames are examined.
Beside your own clips may lie splits.csv (path,label,split), positions.parquet, stats.json and
predictions.parquet; what is missing is listed as not checked. Exit code 1: something is severe."""


@app.command(epilog=AUDIT_EXAMPLES)
def audit(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A run's folder, its data, or a folder of clips.")],
    json: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also write audit.json into this folder.")] = None,
):
    """Check data for 17 flaws that make results meaningless: clips in two splits, a stamp that predicts the label."""
    from trajnb import audit as auditing

    try:
        report = auditing.audit(path)
    except auditing.AuditError as error:
        raise ParameterError(str(error)) from None
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no such letters
    print(report.table())
    if json is not None:
        print(f"\nwritten: {report.save(json)}")
    raise typer.Exit(FAILED if report.severe else 0)


@app.command(epilog="Example:  trajnb params epochs")
def params(name: Annotated[str, typer.Argument(help="Only this parameter, or those with this in their name.")] = ""):
    """List the parameters: default, unit, what may be written, meaning."""
    rows = [(n, str(default), unit, allowed, text) for n, default, unit, allowed, text in describe() if name in n]
    if not rows:
        raise ParameterError(f"{name} is in no parameter's name: `trajnb params` lists them all.")
    for n, default, unit, allowed, text in rows:
        print(f"{n} = {default}{' ' + unit if unit else ''}  ({allowed})\n    {text}")


def publish(run_dir):
    """Write the report and the pages, and say where they are."""
    from trajnb.report import site
    from trajnb.runs import crate, provenance

    print(f"page: {site.build(run_dir)}")
    crate.write(run_dir)
    provenance.seal(run_dir)


def main():
    """The console command: 0 done, 1 a stage did not finish, 2 bad input, 130 stopped."""
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # closed: `>&-`
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a terminal that has not every letter
    try:
        try:
            app(joined(sys.argv[1:]))
        finally:
            sys.stdout.flush()
    except ParameterError as error:
        sys.exit(say(error, BAD_INPUT))
    except BrokenPipeError:  # whoever read has enough: `| head`
        processes.to_nowhere(sys.stdout)
        sys.exit(FAILED)
    except OSError as error:  # a full disk, no permission: what was whole before is whole still
        if not error.filename:
            processes.to_nowhere(sys.stdout)  # it may be what is full
        where = f" ({error.filename})" if error.filename else ""
        sys.exit(say(f"{error.strerror or error}{where}: make room or write elsewhere, then run it again.", FAILED))


def say(message, code):
    """Print what went wrong; returns `code`."""
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
