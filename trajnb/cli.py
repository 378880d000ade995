"""`trajnb`: parse, call, print. What takes long to import is imported where it is used."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from trajnb import __version__, outputs
from trajnb.config import Config, ParameterError, describe, read_yaml
from trajnb.runs import runner, stages

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130

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


EXAMPLES = """\b
Examples:
  trajnb run params/quick.yaml
  trajnb run params/quick.yaml -p epochs 2 -p run_name short
  trajnb run params/full.yaml params/stream.yaml --dry-run
A later file wins over an earlier one, -p over all of them. A stage whose notebook,
parameters, package and inputs are unchanged is skipped. `trajnb params` lists all names."""


@app.command(epilog=EXAMPLES)
def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Parameter files.")],
    p: Annotated[list[str], typer.Option("-p", metavar="NAME VALUE", help="Set a parameter, over all files.")] = (),
    force: Annotated[bool, typer.Option("--force", help="Run also what has not changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and why, and run nothing.")] = False,
):
    """Make data, train, evaluate and report one run.

    Each stage is a notebook; the result is outputs/RUN_NAME/index.html.
    """
    overrides = dict(override(pair) for pair in p)
    cfg = Config.from_files(files, overrides)
    planned = stages.plan(cfg, overrides)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends the kernels too
    ended = None
    try:
        runner.run(cfg, planned, force=force, dry_run=dry_run)
    except (runner.StageFailed, KeyboardInterrupt) as error:
        ended = error
    if not dry_run:
        publish(cfg.run_dir)
    if isinstance(ended, KeyboardInterrupt):
        fail("Interrupted: nothing of it runs on, and the run's record says so.", INTERRUPTED)
    if ended is not None:
        fail(ended, FAILED)


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


@app.command(epilog="Example:  trajnb site quick")
def site(name: Annotated[str, typer.Argument(metavar="RUN", help="Name of a run, a folder of outputs/.")]):
    """Write a run's REPORT.md and its pages anew from its files."""
    run_dir = Config(run_name=name).run_dir
    if not (run_dir / "run.json").is_file():
        raise ParameterError(f"run_name: {name} was never started in {outputs()}: write the name of a run.")
    publish(run_dir)


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
    from trajnb.report import report, site

    report.write(run_dir)
    print(f"page: {site.build(run_dir)}")


def main():
    """The console command: 0 done, 1 a stage failed, 2 bad input, 130 interrupted."""
    try:
        app(joined(sys.argv[1:]))
    except ParameterError as error:
        fail(error, BAD_INPUT)


def fail(message, code):
    """Say why and leave."""
    print(message, file=sys.stderr)
    sys.exit(code)
