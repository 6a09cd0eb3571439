"""A Slurm of two nodes on this machine, for as long as the tests run: two slurmd, one slurmctld, one munged, no root."""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel", "srun")
# Requeued jobs wait until their first credentials have expired.
CONF = """\
ClusterName=r1test
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MessageTimeout=60
KillWait=20
SchedulerParameters=sched_interval=5,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=n[1-2] NodeHostname={host} Port=[{ports[1]}-{ports[2]}] CPUs=2 SocketsPerBoard=1 CoresPerSocket=2 RealMemory=4000 Gres=gpu:2
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> list[str]:
    """The programs that a cluster needs and this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


class Cluster:
    """A running cluster. `environment` is what Slurm's commands need to find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}

    def ask(self, *command: str) -> str:
        done = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def jobs(self) -> list[str]:
        """The jobs that wait or run, as ID STATE RESTARTS NODES."""
        return self.ask("squeue", "--noheader", "--format=%i %T %N").splitlines()

    def mend(self) -> None:
        """No jobs, and both nodes up."""
        self.ask("scancel", "--user", getpass.getuser())
        for _ in range(120):
            states = self.ask("sinfo", "--noheader", "--Node", "--format=%t", "--partition=low").split()
            if states == ["idle", "idle"] and not self.jobs():
                return
            if any(state.startswith("down") for state in states):
                self.ask("scontrol", "update", "nodename=n[1-2]", "state=resume")
            time.sleep(0.5)
        raise AssertionError(f"the cluster does not come to rest: {states} {self.jobs()}")


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """Start a cluster in a folder, and end its processes afterwards."""
    for name in ("state", "spool-n1", "spool-n2", "gpus"):
        (folder / name).mkdir()
    for number in range(2):
        (folder / "gpus" / f"gpu{number}").touch()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = socket.gethostname()
    (folder / "slurm.conf").write_text(
        CONF.format(folder=folder, host=host, user=getpass.getuser(), ports=_free_ports())
    )
    (folder / "gres.conf").write_text(f"NodeName=n[1-2] Name=gpu File={folder}/gpus/gpu[0-1]\n")
    cluster = Cluster(folder)
    names = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid", "seed-file": "munge.seed"}
    munged = ["munged", "--foreground", "--force", "--log-file", str(folder / "munged.log")]
    munged += [f"--{option}={folder / name}" for option, name in names.items()]
    running = []
    try:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
            running.append(_start(command, cluster))
            time.sleep(1)
        for _ in range(60):
            up = subprocess.run(
                ["sinfo", "--noheader", "--Node", "--format=%t", "--partition=low"],
                env={**os.environ, **cluster.environment},
                capture_output=True,
                text=True,
            )
            if up.stdout.split() == ["idle", "idle"]:
                break
            time.sleep(1)
        else:
            raise AssertionError(f"Slurm did not start: {up.stdout}{up.stderr}; logs in {folder}")
        yield cluster
        cluster.mend()
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _start(command: Sequence[str], cluster: Cluster) -> "subprocess.Popen[bytes]":
    log = (cluster.folder / f"{command[0]}-{command[-1]}.out".replace("/", "_")).open("wb")
    return subprocess.Popen(
        command,
        env={**os.environ, **cluster.environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _free_ports() -> list[int]:
    """One port, and two that follow each other, as slurm.conf wants those of its nodes."""
    while True:
        with socket.socket() as first:
            first.bind(("", 0))
            port = first.getsockname()[1]
        try:
            with socket.socket() as second, socket.socket() as third:
                second.bind(("", port + 1))
                third.bind(("", port + 2))
                return [port, port + 1, port + 2]
        except (OSError, OverflowError):
            continue
