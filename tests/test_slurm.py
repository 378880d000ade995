"""On a real Slurm of two nodes: a job, a node, the controller or Snakemake fails, and the run ends as it should.

`make rehearsal` runs it, five minutes; skipped where not root or without slurmctld, slurmd, slurm-client and munge.
"""

import os
import re
import signal
import time
from unittest import mock

import pytest

from profiles.slurm import rehearsal
from tests.runs import Lab

MISSING = rehearsal.missing()
pytestmark = [pytest.mark.rehearsal, pytest.mark.skipif(MISSING is not None, reason=f"no Slurm: {MISSING}")]
ON_SLURM = ["--profile", "profiles/slurm", "--cores", "1", "--slurm-init-seconds-before-status-checks", "1"]
ON_SLURM += ["--seconds-between-status-checks", "1", "--latency-wait", "5"]
# A training of eight steps that counts them on the disk, as a checkpoint does, and says when and where it began. After
# the fourth it waits until the test lets it go on: however slow the machine, a fault comes before the end.
TRAINING = """import os, pathlib, time
from trajnb.config import Config
cfg = Config.from_notebook(globals())
folder = cfg.stage_dir(cfg.train_stage)
done = folder / "done.txt"
with open(folder / "begun.txt", "a") as begun:
    print(os.environ["SLURMD_NODENAME"], done.stat().st_size if done.exists() else 0, file=begun, flush=True)
while not done.exists() or done.stat().st_size < 8:
    time.sleep({seconds})
    with open(done, "a") as file:
        file.write("x")
    while done.stat().st_size == 4 and not (folder.parent / "go").exists():
        time.sleep(0.1)
{more}
for name in ("final.safetensors", "history.csv", "metrics.json"):
    (folder / name).write_text(done.read_text())"""


@pytest.fixture(scope="module")
def cluster():
    with rehearsal.Cluster(cpus=1) as cluster, mock.patch.dict(os.environ, cluster.env):
        yield cluster


@pytest.fixture
def lab(cluster, tmp_path):
    cluster.wait(lambda: set(cluster.states().values()) == {"idle"}, "both nodes are idle", 60)
    lab = Lab(tmp_path)
    lab.write("02_train", TRAINING.format(seconds=1, more=""))
    yield lab
    for process in lab.processes():
        process.kill()
    cluster("scancel", "--user", "root")


def begun(lab, model="i3d"):
    """[(node, steps done before)] of each begin of a training."""
    path = lab.run_dir / f"train-{model}" / "begun.txt"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def steps(lab, model="i3d"):
    path = lab.run_dir / f"train-{model}" / "done.txt"
    return path.stat().st_size if path.exists() else 0


def start(lab, *more, models="i3d"):
    """The runner on the cluster, once the training runs have begun and saved something."""
    arguments = [*ON_SLURM, "trained", *more, "--config", f"models=[{models}]"]
    process, end = lab.start(*arguments, stdout=open(lab.folder / "out", "w")), time.monotonic() + 90
    while not all(steps(lab, model) > 2 for model in models.split(",")):
        assert time.monotonic() < end and process.poll() is None, (lab.folder / "out").read_text()
        time.sleep(0.1)
    return process


def ends_well(process, lab):
    """The run is let go on and ends, with eight steps of which none was made twice."""
    (lab.run_dir / "go").touch()
    assert process.wait(120) == 0, (lab.folder / "out").read_text()
    assert (lab.run_dir / "train-i3d" / "final.safetensors").read_text() == "x" * 8


def test_training_runs_are_spread_with_a_gpu_each_and_a_killed_node_moves_its_own(cluster, lab):
    lab.write("02_train", TRAINING.format(seconds=1, more="print('GPU', os.environ.get('CUDA_VISIBLE_DEVICES'))"))
    process = start(lab, "--set-resources", "train:gpu=1", models="i3d,slowfast")
    where = {model: begun(lab, model)[0][0] for model in ("i3d", "slowfast")}
    assert set(where.values()) == {"node1", "node2"}
    cluster.kill(where["i3d"])
    try:
        ends_well(process, lab)
    finally:
        cluster.start(where["i3d"])
    again = begun(lab)
    assert len(again) == 2 and again[1][0] == where["slowfast"] and again[1][1] > 2
    assert len(begun(lab, "slowfast")) == 1
    assert all("GPU 0\n" in path.read_text() for path in lab.run_dir.glob("train-*/log.txt"))


TOO_MUCH = """count = len((folder / "begun.txt").read_text().splitlines())
held = bytearray(b"x") * (4 * 10**9 if count < 2 else 1)
time.sleep(6 if count < 2 else 0)"""


@pytest.mark.parametrize("fault", ["cancelled job", "job over its memory", "restarted controller", "killed runner"])
def test_after_a_fault_the_run_goes_on_and_no_two_jobs_share_a_folder(cluster, lab, fault):
    """A job that was lost is sent again, with more memory where it had too little, and resumes."""
    if fault == "job over its memory":
        lab.write("02_train", TRAINING.format(seconds=0.2, more=TOO_MUCH))
    process = start(lab)
    if fault == "cancelled job":
        (job,) = re.findall(r"(\d+) rule_train_wildcards_train-i3d$", cluster("squeue", "-h", "-o", "%i %k"), re.M)
        cluster("scancel", job)
    if fault == "restarted controller":
        cluster.kill("slurmctld")
        time.sleep(2)
        cluster.start("slurmctld")
    if fault == "killed runner":
        process.kill()
        process.wait()
        process = start(lab)
    ends_well(process, lab)
    resumed = [] if fault == "restarted controller" else [True]  # there the job went on all the while
    assert [before > 2 for _, before in begun(lab)] == [False, *resumed]
    assert steps(lab) == 8


def test_ctrl_c_cancels_the_jobs(cluster, lab):
    process = start(lab)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1
    cluster.wait(lambda: not cluster("squeue", "-h"), "no job is left", 60)
