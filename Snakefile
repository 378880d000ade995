"""The graph of a run: which notebook runs when, from what, with what. `make run` calls it."""

import atexit
import json
import os
import shlex
import signal
import sys

from trajnb import PACKAGE, ParameterError, config, files, runs

try:
    cfg, training = runs.read(workflow.configfiles, dict(workflow.config_settings.config))
    runs.check(cfg, training)
except ParameterError as error:
    print(error, file=sys.stderr)
    sys.exit(2)

OUT = cfg.run_dir
# exec: the notebook's process is a child of Snakemake, and ends with it.
SETTINGS = shlex.quote(cfg.model_dump_json(include=config.EXECUTION | {"cell_limit_s"}))
EXECUTE = "exec {sys.executable} -m trajnb.runs {SETTINGS}"
VALUES = shlex.quote(json.dumps(cfg.model_dump()))
GPUS = runs.gpus(cfg)
THREADS = cfg.threads or int(os.environ.get("OMP_NUM_THREADS") or workflow.cores)
# The longest first, by its time on two cores: the last one would otherwise run alone.
PRIORITY = {"transformer": 4, "slowfast": 3, "magvit": 2, "i3d": 1}
PRIORITY |= {"evaluate": 4, "robustness": 3, "attention": 2, "predict": 1}
FRONT = OUT / ("postmortem/postmortem.csv" if cfg.study == "postmortem" else "index.html")
TRAINED = [OUT / name / "final.safetensors" for name in training]


def memory(step):
    """A step's memory: more, where a cluster has ended it for its memory and it is tried again."""
    return lambda wildcards, attempt: attempt * runs.memory_mb(step, cfg)


localrules: run, trained, pages


rule run:
    input: FRONT


rule data:
    """Draw recipes, split them, and look at the clips."""
    output: [OUT / "data" / name for name in ("recipes.parquet", "test.parquet", "manifest.json")]
    params: **runs.job("data", cfg)
    threads: THREADS
    resources: mem_mb=memory("data")
    message: "data"
    shell: EXECUTE + " data {OUT}/data {params:q}"


rule train:
    """Train one extractor from one seed, or one control."""
    input: rules.data.output
    output: [OUT / "{training}" / n for n in ("final.safetensors", "history.csv", "metrics.json")]
    wildcard_constraints: training="train-.+"
    params: **runs.jobs("train", training)
    priority: lambda wildcards: PRIORITY.get(training[wildcards.training].model, 5)
    threads: THREADS
    resources:
        mem_mb=lambda wildcards, attempt: attempt * runs.memory_mb("train", training[wildcards.training]),
        gpu=GPUS,
    message: "{wildcards.training}"
    shell: EXECUTE + " train {OUT}/{wildcards.training} {params:q}"


rule trained:
    """All training runs."""
    input: TRAINED


rule evaluate:
    """Compare all networks with baselines, controls and oracles on test clips."""
    input: rules.data.output, TRAINED
    output: [OUT / "evaluate" / name for name in ("leaderboard.csv", "comparisons.csv")]
    params: **runs.job("evaluate", cfg)
    priority: PRIORITY["evaluate"]
    threads: THREADS
    resources: mem_mb=memory("evaluate"), gpu=GPUS
    message: "evaluate"
    shell: EXECUTE + " evaluate {OUT}/evaluate {params:q}"


rule robustness:
    """Accuracy and position error under corruptions."""
    input: rules.data.output, TRAINED
    output: [OUT / "robustness" / name for name in ("curves.csv", "mean_accuracy.csv")]
    params: **runs.job("robustness", cfg)
    priority: PRIORITY["robustness"]
    threads: THREADS
    resources: mem_mb=memory("robustness"), gpu=GPUS
    message: "robustness"
    shell: EXECUTE + " robustness {OUT}/robustness {params:q}"


rule attention:
    """What the networks attend to, scored."""
    input: rules.data.output, TRAINED
    output: OUT / "attention" / "scores.csv"
    params: **runs.job("attention", cfg)
    priority: PRIORITY["attention"]
    threads: THREADS
    resources: mem_mb=memory("attention"), gpu=GPUS
    message: "attention"
    shell: EXECUTE + " attention {OUT}/attention {params:q}"


rule predict:
    """The best network on video: what finding the object costs, and when nothing is said."""
    input: rules.data.output, TRAINED
    output: OUT / "predict" / "footage.csv"
    params: **runs.job("predict", cfg)
    priority: PRIORITY["predict"]
    threads: THREADS
    resources: mem_mb=memory("predict"), gpu=GPUS
    message: "predict"
    shell: EXECUTE + " predict {OUT}/predict {params:q}"


rule explain:
    """The best network's predictions in words, each sentence checked."""
    input: rules.data.output, TRAINED, rules.attention.output[0]
    output: OUT / "explain" / "faithfulness.csv"
    params: **runs.job("explain", cfg)
    threads: THREADS
    resources: mem_mb=memory("explain"), gpu=GPUS
    message: "explain"
    shell: EXECUTE + " explain {OUT}/explain {params:q}"


rule export:
    """The best network as ONNX, and the page to draw on."""
    input: rules.data.output, TRAINED, rules.evaluate.output[0]
    output: OUT / "export" / "README.md"
    params:
        code=runs.export_code(),
    threads: THREADS
    resources: mem_mb=memory("predict"), gpu=GPUS
    message: "export"
    shell: "exec {sys.executable} -m trajnb.predict.export {VALUES} {OUT}/export"


rule report:
    """The front page: answer, chart, table, clips."""
    input:
        rules.evaluate.output[:2],
        rules.robustness.output[:2],
        rules.attention.output[0],
        rules.predict.output,
        rules.explain.output,
    output: OUT / "report" / "notebook.ipynb"
    params: **runs.job("report", cfg)
    threads: THREADS
    resources: mem_mb=memory("report")
    message: "report"
    shell: EXECUTE + " report {OUT}/report {params:q}"


rule pages:
    """Every executed notebook as a page, the manifest, and SHA256SUMS of all files."""
    input:
        [step.output for step in (rules.data, rules.evaluate, rules.robustness, rules.attention, rules.predict)],
        TRAINED,
        rules.explain.output,
        rules.export.output,
        rules.report.output,
    output: OUT / "index.html", OUT / "manifest.json", OUT / "SHA256SUMS"
    params:
        code=files.hash_of([*(PACKAGE / "template").rglob("*.*"), PACKAGE / "pages.py", PACKAGE / "provenance.py"]),
    message: "pages: outputs/{cfg.run_name}/index.html"
    shell:
        "{sys.executable} -m trajnb.pages {cfg.run_name} && "
        "{sys.executable} -m trajnb.provenance {OUT} {VALUES}"


rule postmortem:
    """The predecessor's two mistakes, made once more."""
    output: OUT / "postmortem" / "postmortem.csv"
    params: **runs.job("postmortem", cfg)
    threads: THREADS
    resources: mem_mb=memory("postmortem"), gpu=GPUS
    message: "postmortem"
    shell: EXECUTE + " postmortem {OUT}/postmortem {params:q}"


onerror:
    atexit.register(runs.print_errors, cfg)  # the last thing printed


onsuccess:
    print(f"\nOpen {runs.relative(FRONT)}", file=sys.stderr)


onstart:
    try:
        runs.lock(cfg)
    except ParameterError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes ends no run
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, runs.stop)
