"""A Slurm cluster of one node in a folder: munge, slurmctld and slurmd of Debian's packages, run by any user.

Nothing outside the folder is read or written, so it stands beside a real cluster's configuration.
"""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
PACKAGES = "munge slurmctld slurmd slurm-client"

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
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MinJobAge=3600
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/slurmd
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory_mb} State=UNKNOWN
PartitionName=small Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Programs that are not installed; Debian puts the daemons where not every PATH looks."""
    return [program for program in PROGRAMS if not find(program)]


def find(program):
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def free_ports(number):
    """Ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """A running cluster; `environment` lets any program of Slurm find it. To be used as a context manager."""

    def __init__(self, folder: Path, cores: int = 2, memory_mb: int = 8000):
        self.folder, self.started = folder, []
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
        host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(
            folder=folder, host=host, user=getpass.getuser(), ports=free_ports(2), cores=cores, memory_mb=memory_mb
        )
        (folder / "slurm.conf").write_text(text)

    def __enter__(self):
        try:
            files = [
                f"--{what}={self.folder}/munge.{what.partition('-')[0]}"
                for what in ("key-file", "pid-file", "log-file", "seed-file")
            ]
            # --force: the folders above belong to others, as temporary ones do
            self.start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *files)
            self.wait_for(lambda: (self.folder / "munge.socket").exists())
            self.start("slurmctld", "-D", "-c")
            self.start("slurmd", "-D")
            self.wait_for(lambda: "idle" in self.run("sinfo", "--noheader", "--format=%T"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.started:  # jobs outlive the daemon that started them
            self.run("scancel", f"--user={getpass.getuser()}", "--full")
            self.wait_for(lambda: not self.run("squeue", "--noheader").strip())
        for process in reversed(self.started):
            process.terminate()
        for process in reversed(self.started):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, program, *arguments):
        command, environment = [find(program), *arguments], {**os.environ, **self.environment}
        with open(self.folder / f"{program}.out", "wb") as log:
            self.started.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment))

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **self.environment})
        return done.stdout + done.stderr

    def jobs(self):
        """Running jobs, each its number and the comment that it was given."""
        lines = self.run("squeue", "--noheader", "--states=RUNNING", "--format=%i|%k").splitlines()
        return [tuple(line.split("|", 1)) for line in lines if "|" in line]

    def wait_for(self, true, seconds=60):
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end or any(process.poll() is not None for process in self.started):
                logs = {path.name: path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.out")}
                raise RuntimeError(f"the cluster does not start: {logs}")
            time.sleep(0.2)
