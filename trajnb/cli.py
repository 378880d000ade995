"""`trajnb`: what is not a step of a run. What takes long to import is imported where it is used."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trajnb import ParameterError, __version__
from trajnb.config import Config, bounds

BAD_INPUT, FAILED = 2, 1

app = typer.Typer(
    help="Which video network best understands how an object moves? A run is `make run PARAMS=params/quick.yaml`.",
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


@app.command(
    epilog="""\b
Examples:
  trajnb audit my_clips                   <class>/<name>.npy or videos
  trajnb audit my_clips --json results    writes results/audit.json, too
Clips need 16 frames or more; the first 16 frames are examined. Beside the clips may lie splits.csv
(path,label,split) and positions.parquet (path,frame,u,v,target); what is missing is listed as not
checked. Exit code 1: there is an error."""
)
def audit(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder of clips.")],
    json: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also write audit.json into this folder.")] = None,
):
    """Check clips for 14 flaws that make results meaningless: clips in two splits, a stamp that predicts the label."""
    from trajnb import audit as auditing

    report = auditing.audit(path)
    print(report.table())
    if json is not None:
        print(f"\nwritten: {report.save(json)}")
    raise typer.Exit(FAILED if report.errors else 0)


@app.command(
    epilog="""\b
Examples:
  trajnb predict throw.mp4                     the best network of outputs/quick
  trajnb predict clips --model ensemble --out results
  trajnb predict --demo --out demo             no file needed
One steady camera and one moving object: a video, a folder of pictures, a .npy array, or a folder of these.
Written: a table as .csv and .json, and a video (.mp4). Exit code 1: a file was refused; its line has the reason."""
)
def predict(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help="Footage.")] = None,
    run: Annotated[str, typer.Option(help="The run whose networks are used.")] = "quick",
    model: Annotated[str, typer.Option(help="A model's name, best (on validation clips) or ensemble.")] = "best",
    rate: Annotated[float, typer.Option(min=1, max=10_000, help="Frames a second where the file does not say.")] = 30.0,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where results are written.")] = Path("predictions"),
    demo: Annotated[bool, typer.Option("--demo", help="Clips of the run's world, and of another one.")] = False,
    onnx: Annotated[Path | None, typer.Option(metavar="FOLDER", help="An exported network instead of a run's.")] = None,
):
    """Predict how the object in a video moves and where it goes next, with the networks of a run."""
    if not paths and not demo:
        raise ParameterError("PATH: none given: write the path of a video, or --demo.")
    from trajnb.predict import annotate, exported, load

    network = exported(onnx) if onnx else load(run, model)
    raise typer.Exit(FAILED if annotate.predict_all(network, paths or [], rate, out, demo) else 0)


@app.command(
    epilog="""\b
Examples:
  trajnb ask throw.mp4 "where will it be in 0.1 s?"
  trajnb ask throw.mp4 "why is it called so?" --model ensemble --writer gpt-4o-mini
Answers come from the last window's prediction alone. A --writer is any model that llm knows (pip install
'trajnb[explain]'); what does not follow from the prediction is left out of its answer. Exit code 1: no answer."""
)
def ask(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Footage, as for predict.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In English.")],
    run: Annotated[str, typer.Option(help="The run whose networks are used.")] = "quick",
    model: Annotated[str, typer.Option(help="A model's name, best (on validation clips) or ensemble.")] = "best",
    rate: Annotated[float, typer.Option(min=1, max=10_000, help="Frames a second where the file does not say.")] = 30.0,
    writer: Annotated[str, typer.Option(help="A language model instead of rules.")] = "",
):
    """Answer a question about how the object in a video moves, from what a network computed for it."""
    from trajnb.explain import evidence, language_model, verify, words
    from trajnb.predict import cut, trained

    network = evidence.Explainer(trained.config_of(run), model)
    try:
        block = [block for block in cut(network.cfg, path, rate) if block.windows][-1]
    except ValueError as reason:
        raise ValueError(f"{path}: {reason}.") from None
    window = block.windows[-1]
    place = window.step, window.corner / block.share, 1 / window.scale / block.share
    (record,) = evidence.of_clips(network, window.video_FSS[None], [place])
    answered, sentences = words.answer(question, record)
    if writer and answered:
        checked, why = language_model.write(record, writer, f"Answer this in a few sentences: {question}", sentences)
        kept = [one.sentence for one in checked if one.status == verify.SUPPORTED]
        note = f"Written by {writer}; {len(checked) - len(kept)} unsupported sentences were left out."
        sentences = [*(kept or sentences), f"Written by rules; {writer} was left out: {why}." if why else note]
    print("\n".join(sentences))
    raise typer.Exit(0 if answered else FAILED)


@app.command(
    epilog="""\b
Examples:
  trajnb export quick                         the best network of outputs/quick, into export/
  trajnb export quick --model magvit --out magvit
Written: network.onnx, the weights as safetensors, network.json (what goes in and comes out), README.md (model card)."""
)
def export(
    run: Annotated[str, typer.Argument(help="The run whose network is exported.")] = "quick",
    model: Annotated[str, typer.Option(help="A model's name, or best (on validation clips).")] = "best",
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder.")] = Path("export"),
):
    """Export a trained network for use elsewhere, compared with torch on 1,000 test clips."""
    from trajnb.predict import export as exporting
    from trajnb.predict import trained

    difference = exporting.export(trained.config_of(run), out, model)
    print(f"written: {out}; ONNX and torch differ by {difference:.1e} at most")


@app.command(
    epilog="""\b
Examples:
  trajnb check mine.py:MyNet
  make run ARGS="--config models=[i3d,mine.py:MyNet] run_name=mine"
MyNet() is a torch module with num_features and forward(clip (B, 1, T, H, W) in [0, 1]) -> grid (B, T, H, W,
num_features). Exit code 1: it breaks the contract. The file's code is run; a run is repeated when the file
changes, not when what it imports does."""
)
def check(
    network: Annotated[str, typer.Argument(metavar="FILE.py:CLASS", help="Your own network.")],
    params: Annotated[Path | None, typer.Option(metavar="YAML", help="A run's parameter file, for its clips.")] = None,
):
    """Check that a network of your own can be trained and compared like the lab's four, and what it costs."""
    import torch

    from trajnb import models
    from trajnb.evaluation.cost import cost
    from trajnb.models import own

    cfg = Config.from_files([params] if params else [], {"model": network, "precision": "auto"})
    try:
        net, shape = models.build(cfg), (1, cfg.frames, cfg.size, cfg.size)
        found = list(own.problems(net, torch.rand(3, *shape)))
        of = {} if found else cost(net, shape)
    except Exception as error:  # whatever somebody's code raises
        found = [(str(error).strip() or type(error).__name__).splitlines()[0]]
    if not found:
        print(f"{network}: ok; {of['parameters'] / 1e6:.2f} M parameters, {of['macs'] / 1e6:.0f} M multiply-adds")
    for line in found:
        print(f"{network}: {line}")
    raise typer.Exit(FAILED if found else 0)


@app.command(epilog="Example:  trajnb params epochs")
def params(name: Annotated[str, typer.Argument(help="Only those with this in their name or meaning.")] = ""):
    """List the parameters: default, unit, what may be written, meaning."""
    found = {n: field for n, field in Config.model_fields.items() if name in n + field.description}
    if not found:
        raise ParameterError(f"{name} is in no parameter's name or meaning: `trajnb params` lists them all.")
    print("Defaults are those of the smoke run; a run's own are in its file in params/.")
    for n, field in found.items():
        unit = field.json_schema_extra["unit"]
        print(f"{n} = {field.default}{' ' + unit if unit else ''}  ({bounds(n)})\n    {field.description}")


def main():
    """The console command: 0 done, 1 an error was found, 2 bad input."""
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # closed: `>&-`
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a terminal that has not every letter
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except (ValueError, ModuleNotFoundError) as error:  # a ParameterError, or a network of other code
        missing = isinstance(error, ModuleNotFoundError)
        print(f"{error.name} is not installed: pip install 'trajnb[lab]'." if missing else error, file=sys.stderr)
        sys.exit(BAD_INPUT)
    except OSError as error:  # a full disk, no permission
        if not isinstance(error, BrokenPipeError):  # whoever read has enough: `| head`
            reason = error.strerror or error
            print(f"{reason}: make room or write elsewhere, then run it again.", file=sys.stderr)
        os._exit(FAILED)  # without writing what standard output still holds: its file may be what is full or closed


if __name__ == "__main__":
    main()
