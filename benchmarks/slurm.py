"""Training runs on a real Slurm of two nodes that are disturbed in every way: do they end in the same weights?

PYTHONPATH=. python benchmarks/slurm.py FOLDER [FAULT...]     all of FAULTS: half an hour; as root, see docs/cluster.md

First a run without Slurm trains all four networks; then the whole lab of the same parameters ("none, the whole lab")
goes to the cluster, where its training runs are spread over the nodes; then I3D alone is trained once for each fault.
Writes slurm.csv into FOLDER. `jobs` counts what Slurm started for I3D, a requeued job again; `repeated_s` is the time
between the last checkpoint and the end of a process that was disturbed: the most that was computed twice.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from profiles.slurm.rehearsal import Cluster, missing
from trajnb import ROOT, files
from trajnb.training import checkpoints

PARAMS = "run_name: {name}\nmodels: [{models}]\nclips: 1000\nepochs: {epochs}\nthreads: 1\ncheckpoint_seconds: 5\n"
LOCAL = ["--profile", "profiles/local"]
SLURM = ["--profile", "profiles/slurm", "--cores", "1", "--latency-wait", "5", "--seconds-between-status-checks", "1"]
SLURM += ["--slurm-init-seconds-before-status-checks", "1"]
MINUTE = ["--set-resources", "train:runtime=1"]
LITTLE = ["--set-resources", "train:mem_mb=attempt*700"]  # less than a training run of I3D takes, then enough


class Run:
    """One run of some networks: on the cluster, where one is given."""

    def __init__(self, folder, name, models, cluster=None, options=("trained",), epochs=8):
        self.folder, self.name, self.cluster = folder, name, cluster
        self.options = [*options, *(SLURM if cluster else LOCAL)]
        self.params = folder / f"{name}.yaml"
        self.params.write_text(PARAMS.format(name=name, models=", ".join(models), epochs=epochs))
        self.jobs, self.ended, self.process = {}, [], self.start()

    def start(self):
        command = [sys.executable, "-m", "snakemake", *self.options, "--configfile", str(self.params)]
        log = open(self.folder / f"{self.name}.log", "a")
        environment = os.environ | {"TRAJNB_OUTPUTS": str(self.folder)}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def stage(self, model="i3d"):
        return self.folder / self.name / f"train-{model}"

    def look(self):
        """Note which jobs of I3D run where, and how old its last checkpoint is when one ends."""
        lines = self.cluster("squeue", "-h", "-t", "RUNNING", "-o", "%i %N %S %k", check=False).splitlines()
        now = {tuple(line.split()[:3]) for line in lines if line.endswith("train-i3d")}
        for job in self.jobs.keys() - now - {job for job, _ in self.ended}:
            saved = [path.stat().st_mtime for path in checkpoints.written(self.stage())]
            self.ended.append((job, time.time() - max(saved, default=self.jobs[job])))
        self.jobs |= {job: time.time() for job in now - self.jobs.keys()}

    def until(self, condition):
        """Look on until a condition holds, or the run has ended."""
        while self.process.poll() is None and not condition():
            self.look()
            time.sleep(0.2)

    def disturb(self, fault):
        """Wait for a second checkpoint of I3D, let `fault` happen, and wait for the run's end."""
        self.until(lambda: len(checkpoints.written(self.stage())) > 1)
        if fault:
            fault(self)
        self.until(lambda: False)

    @property
    def job(self):
        return [*self.jobs][-1]

    def weights(self, model="i3d"):
        path = self.stage(model) / "final.safetensors"
        return path.read_bytes() if path.is_file() else b""


def node_fails(run):
    run.cluster.kill(run.job[1])


def controller_restarts(run):
    run.cluster.kill("slurmctld")
    time.sleep(5)
    run.cluster.start("slurmctld")


def runner_killed(run):
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()
    run.process = run.start()


WHOLE = "none, the whole lab"
# What is done to a run, and the options with which it is started.
FAULTS = {
    "a node fails": (node_fails, []),
    "the controller is killed and started again": (controller_restarts, []),
    "scancel": (lambda run: run.cluster("scancel", run.job[0]), []),
    "over its time": (None, MINUTE),
    "over its memory": (None, LITTLE),
    "Snakemake is killed and started again": (runner_killed, []),
}


def main(folder, *faults):
    if reason := missing():
        sys.exit(f"No Slurm can be started here: {reason}.")
    folder, rows, faults = Path(folder).absolute(), [], faults or (WHOLE, *FAULTS)
    folder.mkdir(parents=True)
    models = ("transformer", "i3d", "slowfast", "magvit") if WHOLE in faults else ("i3d",)
    alone = Run(folder, "alone", models)
    assert alone.process.wait() == 0, (folder / "alone.log").read_text()
    with Cluster(cpus=1) as cluster:
        os.environ |= cluster.env
        for number, fault in enumerate(faults):
            happens, options = FAULTS.get(fault, (None, []))
            trained, targets = (models, []) if fault == WHOLE else (["i3d"], ["trained"])
            run, start = Run(folder, f"fault-{number}", trained, cluster, [*targets, *options]), time.monotonic()
            run.disturb(happens)
            same = [run.weights(model) == alone.weights(model) for model in trained]
            row = {"fault": fault, "exit": run.process.returncode, "jobs": len(run.jobs)}
            row |= {"nodes": " ".join(job[1] for job in run.jobs), "seconds": time.monotonic() - start}
            row |= {"repeated_s": sum(age for job, age in run.ended if job != run.job), "weights_equal": all(same)}
            rows.append(row)
            files.write_csv(folder / "slurm.csv", pd.DataFrame(rows))
            for node in cluster.states().keys() - cluster.processes.keys():
                cluster.start(node)
            cluster.wait(lambda: set(cluster.states().values()) == {"idle"}, "both nodes are idle", 60)
    print(pd.DataFrame(rows).round(1).to_markdown(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
