"""Snakemake in a checkout of its own, and what it takes."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from nanotrigger.errors import ToolError

ROOT = Path(__file__).parents[1]


class Cost(NamedTuple):
    """Seconds of wall time and of CPU time, and the largest resident set in MiB, of a command with all that it starts."""

    wall: float
    cpu: float
    memory: float
    output: str


def checkout(folder: Path) -> None:
    """Lay the workflow out in `folder`, on the sources of this checkout."""
    for name in ("Snakefile", "workflow", "config", "profiles", "resources"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "src").symlink_to(ROOT / "src")


def snakemake(folder: Path, *arguments: str, refuses: bool = False) -> Cost:
    """Run Snakemake there; see `run`."""
    return run(folder, [sys.executable, "-m", "snakemake", "--nocolor", *arguments], refuses)


def run(folder: Path, command: list[str], refuses: bool = False) -> Cost:
    """Run a command to its end. Raises ToolError with the end of its output where it fails, or does not where it should."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    log = folder / "output.txt"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with open(log, "w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    if bool(process.returncode) is not refuses:
        raise ToolError(f"{' '.join(command[2:])} {'did not refuse' if refuses else 'failed'}:\n{text[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, used.ru_maxrss / 1024, text)
