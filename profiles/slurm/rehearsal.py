"""A Slurm of two nodes on this one machine, from Debian's packages; this file keeps one until Ctrl-C.

apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge     # as root
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
# cred_expire: how soon a job of a dead node begins on another one (120 s by default). SlurmdTimeout: how soon a silent
# node counts as dead (300 s). KillWait: between SIGTERM and SIGKILL (30 s). OverTimeLimit and memory: by the minute
# and by polling, because no control groups are needed here.
CONFIG = """
ClusterName=rehearsal
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SlurmdTimeout=5
MessageTimeout=2
TCPTimeout=1
KillWait=10
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=100000
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} RealMemory={memory_mb} Gres=gpu:1
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} RealMemory={memory_mb} Gres=gpu:1
PartitionName=main Nodes=ALL Default=YES DefaultTime=60 MaxTime=INFINITE State=UP
"""


def missing():
    """Why no Slurm can be started here, or None."""
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    return "not root" if os.geteuid() else f"not installed: {', '.join(absent)}" if absent else None


class Cluster:
    """The cluster as a context; `env` holds what its commands need, `start` and `kill` move its parts."""

    def __init__(self, cpus=4, memory_mb=16000):
        self.folder, self.processes = Path(tempfile.mkdtemp(prefix="slurm-")), {}
        # Snakemake's plugin starts srun without SLURM_CONF, where a cluster has /etc/slurm/slurm.conf.
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        self.env = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}
        values = {"folder": self.folder, "host": socket.gethostname(), "ports": free_ports(3)}
        (self.folder / "slurm.conf").write_text(CONFIG.format(**values, cpus=cpus, memory_mb=memory_mb))
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/zero\n")  # a device that every machine has
        for name in ("state", "node1", "node2", "bin"):
            (self.folder / name).mkdir()
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o400)

    def __enter__(self):
        try:
            for name in ("munged", "slurmctld", "node1", "node2"):
                self.start(name)
            self.wait(lambda: self.states() == {"node1": "idle", "node2": "idle"}, "both nodes are idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self("scancel", "--user", "root", check=False)
        for name in ("node1", "node2", "slurmctld", "munged"):
            self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __call__(self, *command, check=True):
        """What one of Slurm's commands prints."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name):
        """Start munged, slurmctld, or the slurmd of node1 or node2."""
        munge = self.folder / "munge"
        munged = ["munged", "-F", "--force", f"--socket={munge}.socket", f"--key-file={munge}.key"]
        munged += [f"--pid-file={munge}.pid", f"--seed-file={munge}.seed"]
        commands = {"munged": munged, "slurmctld": ["slurmctld", "-D"]}
        with open(self.folder / f"{name}.log", "ab") as log:
            command = commands.get(name, ["slurmd", "-D", "-N", name])
            self.processes[name] = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        if name == "munged":
            self.wait((self.folder / "munge.socket").exists, "munge listens")

    def kill(self, name):
        """SIGKILL one of them; a node with all that runs on it, as if its power had failed."""
        processes = [psutil.Process(self.processes[name].pid), *self.jobs(name)] if name in self.processes else []
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: none may report another one's end
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        if processes:
            self.processes.pop(name).wait()

    def jobs(self, node):
        """Processes of jobs on a node, with the slurmstepd that started them."""
        mark, found = {"SLURMD_NODENAME": node, "SLURM_CONF": self.env["SLURM_CONF"]}, set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if mark.items() <= process.environ().items():
                    found |= {process, *(one for one in process.parents() if one.name() == "slurmstepd")}
        return found

    def states(self):
        """{node: state}."""
        return dict(line.split() for line in self("sinfo", "-N", "-h", "-o", "%N %T", check=False).splitlines())

    def wait(self, condition, what, seconds=30):
        """Until condition() holds; AssertionError with the logs' ends after `seconds`."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not in {seconds} s: {what}\n{self.logs()}"
            time.sleep(0.1)

    def logs(self):
        return "\n".join(f"{path.name}: {path.read_text()[-800:]}" for path in self.folder.glob("*.log"))


def free_ports(number):
    """Ports of the loopback interface that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


if __name__ == "__main__":
    if reason := missing():
        sys.exit(f"No Slurm can be started here: {reason}.")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs would ignore SIGINT
        signal.signal(number, lambda *_: sys.exit())
    with Cluster() as cluster:
        print(f"export SLURM_CONF={cluster.env['SLURM_CONF']} PATH={cluster.folder}/bin:$PATH", flush=True)
        while True:
            signal.pause()
