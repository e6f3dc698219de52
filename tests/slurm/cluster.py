"""A Slurm cluster of one node in a folder: munge, slurmctld and slurmd of Debian's packages, run by any user.

Nothing outside the folder is read or written, so it stands beside a real cluster's configuration, and it is stopped with the
process that started it, however that ends.
"""

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "setpriv")
PACKAGES = "munge slurmctld slurmd slurm-client"
PARTITION = "trigger-short"

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,defer=0
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed.log
# without cgroups, which take root, memory is looked at every second, and who has more than asked for is killed
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
ReturnToService=2
MinJobAge=86400
KillWait=5
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/slurmd
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory_mb} State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class ClusterError(RuntimeError):
    """What the cluster was waited for, and the ends of its logs."""


@dataclass(frozen=True)
class Submission:
    """A job as the controller knows it: what it asked for, and what became of it."""

    number: int
    comment: str
    state: str
    memory_mb: int
    cores: int
    minutes: int

    @property
    def name(self) -> str:
        """Rule, or group with its rules."""
        return self.comment.partition("_wildcards_")[0]


def missing() -> list[str]:
    """Programs that are not installed."""
    return [program for program in PROGRAMS if not find(program)]


def find(program: str) -> str | None:
    """Debian puts the daemons where not every PATH looks."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def free_ports(number: int) -> list[int]:
    """Ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def tail(path: Path, characters: int = 2500) -> str:
    return f"--- the end of {path}\n{path.read_text(errors='replace')[-characters:]}" if path.exists() else ""


class Cluster:
    """A running cluster, to be used as a context manager; `environment` lets any program of Slurm find it.

    memory_mb: what the node has to give away, whether the machine has it or not.
    """

    def __init__(self, folder: Path, cores: int = 2, memory_mb: int = 64000):
        self.folder, self.started = folder, {}
        for name in ("slurmd", "state", "bin"):
            (folder / name).mkdir(parents=True)
        self.environment = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{os.environ['PATH']}"}
        # Snakemake's jobs forget every variable of Slurm's, and then look for a configuration in /etc
        step = folder / "bin/srun"
        step.write_text(f'#!/bin/sh\nSLURM_CONF="{folder}/slurm.conf" exec {find("srun")} "$@"\n')
        step.chmod(0o755)
        # munge refuses a socket in a folder that others may write to
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        text = CONFIGURATION.format(
            folder=folder, host=socket.gethostname().partition(".")[0], user=getpass.getuser(), ports=free_ports(2),
            cores=cores, memory_mb=memory_mb, partition=PARTITION,
        )  # fmt: skip
        (folder / "slurm.conf").write_text(text)

    def __enter__(self):
        try:
            files = [
                f"--{what}={self.folder}/munge.{what.partition('-')[0]}"
                for what in ("key-file", "pid-file", "log-file", "seed-file")
            ]
            # --force: the folders above belong to others, as temporary ones do
            self.start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *files)
            self.wait_for("the socket of munged", (self.folder / "munge.socket").exists)
            self.start("slurmctld", "-D", "-c")
            self.start("slurmd", "-D")
            idle = {"idle"}  # and not idle*, which does not answer
            self.wait_for(
                "the node to be idle", lambda: set(self.run("sinfo", "--noheader", "--format=%T").split()) == idle
            )
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        try:  # jobs outlive the daemon that started them
            self.run("scancel", f"--user={getpass.getuser()}", "--full")
            self.wait_for("the last jobs to end", lambda: not self.run("squeue", "--noheader").strip())
        finally:
            self.stop()

    def stop(self):
        """End the daemons that were started here, and no others."""
        for process in reversed(self.started.values()):
            process.terminate()
        for process in reversed(self.started.values()):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, program: str, *arguments: str):
        # a test that is killed takes its daemons along
        command = [find("setpriv"), "--pdeathsig", "TERM", find(program), *arguments]
        with open(self.folder / f"{program}.out", "wb") as log:
            environment = {**os.environ, **self.environment}
            self.started[program] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)

    def run(self, *command: str) -> str:
        """Output of one of Slurm's programs; empty where it fails, as it does while the controller is busy."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60, env={**os.environ, **self.environment}
            )
        except subprocess.TimeoutExpired:
            raise self.error(f"{' '.join(command)} does not answer within 60 s") from None
        return done.stdout

    def submissions(self) -> list[Submission]:
        """Every job so far, ended ones too, in order of submission."""
        jobs = []
        for line in self.run("scontrol", "show", "job", "--oneliner").splitlines():
            values = dict(re.findall(r"(\w+)=(\S*)", line))
            if "JobId" not in values:
                continue
            amount, unit = re.fullmatch(r"([\d.]+)([MG])", values["MinMemoryNode"]).groups()
            days, hours, minutes = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):\d+", values["TimeLimit"]).groups()
            jobs.append(
                Submission(
                    int(values["JobId"]), values.get("Comment", ""), values["JobState"],
                    round(float(amount) * {"M": 1, "G": 1024}[unit]), int(values["NumCPUs"]),
                    (int(days or 0) * 24 + int(hours)) * 60 + int(minutes),
                )
            )  # fmt: skip
        return sorted(jobs, key=lambda job: job.number)

    def kill(self, number: int):
        """kill -9 of every process of a job."""
        self.run("scancel", f"--signal={signal.SIGKILL.name.removeprefix('SIG')}", "--full", str(number))

    def completed(self) -> dict[int, str]:
        """State in which each job ended, as the controller's own log of completed jobs has it."""
        path = self.folder / "completed.log"
        text = path.read_text() if path.exists() else ""
        return {int(number): state for number, state in re.findall(r"^JobId=(\d+) .*? JobState=(\w+)", text, re.M)}

    def error(self, what: str) -> ClusterError:
        ended = [
            f"{name} has ended with exit code {process.returncode}"
            for name, process in self.started.items()
            if process.poll() is not None
        ]
        logs = [tail(self.folder / name) for name in ("munged.out", "slurmctld.log", "slurmd.log", "slurmd.out")]
        return ClusterError("\n".join([what, *ended, *logs]))

    def wait_for(self, what: str, true: Callable[[], bool], seconds: float = 120):
        """Wait until something is true. Raises ClusterError that names it, and quotes the daemons' logs."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end or any(process.poll() is not None for process in self.started.values()):
                raise self.error(f"waited for {what} in vain")
            time.sleep(0.2)
