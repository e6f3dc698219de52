"""Large studies: how long it takes to plan one, and to make the tables and figures of a finished one.

A study of so many models, each a stanza of its own, in the flows rtl, xls and hls4ml with three seeds: 1,000 models are 9,000
designs. *Planning* is `snakemake -n` in a new process, Python's start and imports included: *fresh*, where nothing is done, and
*finished*, where all is, so that every file and what Snakemake recorded of it is compared. *Tables and figures* is `snakemake
tables figures` on all cores over a finished study whose jobs' files were written by a program, 4,000 test jets each; its own
planning is part of it. CPU time is that of Snakemake and of all its jobs. Memory is the largest resident set of one process.
Wall times hold what else the machine does: see the load of the run.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import _study
from bench.base import Measurement, Options
from nanotrigger.errors import ToolError

ROOT = Path(__file__).parents[1]
SIZES = (100, 300, 1000)
LARGEST = SIZES[-1]
PLANNED_S, PLANNED_MIB, AGGREGATED_S = 30.0, 2048.0, 60.0
"""Asked of the largest study."""

TOUCH = """
import sys
from snakemake import cli
from snakemake.executors import touch
touch.Executor.SLEEPING_TIME = 0  # it waits that long before each of thousands of jobs
cli.main(sys.argv[1:])
"""


class Cost(NamedTuple):
    """Seconds of wall time and of CPU time, and the largest resident set in MiB, of a command with all that it starts."""

    wall: float
    cpu: float
    memory: float
    output: str


def measure(options: Options) -> Iterator[Measurement]:
    for size in SIZES:
        subject = f"{size:,} models"
        if options.chosen(str(size)) or options.chosen(subject):
            with tempfile.TemporaryDirectory(prefix="nanotrigger_scale_") as folder:
                yield from _study_of(Path(folder), size, subject)


def _study_of(folder: Path, size: int, subject: str) -> Iterator[Measurement]:
    for name in ("Snakefile", "workflow", "config", "profiles", "resources"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "src").symlink_to(ROOT / "src")
    content = _study.config(size)
    plan = _study.write_config(folder, content)
    asked = (PLANNED_S, PLANNED_MIB, AGGREGATED_S) if size == LARGEST else (None, None, None)
    fresh = _snakemake(folder, "-n")
    yield from _rows(subject, "planning, fresh", fresh, *asked[:2])
    yield Measurement(subject, "jobs of the DAG, fresh", "", (_jobs(fresh.output),))
    _study.write_study(folder, plan)
    _study.write_lists(folder, plan)
    # many at once: the scheduler looks at all jobs that are ready whenever one ends
    _run(folder, [sys.executable, "-c", TOUCH, *_arguments("--cores", "4096", "--touch", "models", "hardware")])
    made = _snakemake(folder, "--cores", "all", "tables", "figures")
    yield from _rows(subject, "tables and figures", made, asked[2])
    finished = _snakemake(folder, "-n", "tables", "figures")
    if "Nothing to be done" not in finished.output:
        raise ToolError(f"{subject}: the finished study is not finished:\n{finished.output[-2000:]}")
    yield from _rows(subject, "planning, finished", finished, *asked[:2])


def _rows(
    subject: str, what: str, cost: Cost, seconds: float | None, memory: float | None = None
) -> Iterator[Measurement]:
    yield Measurement(subject, what, "s", (cost.wall,), at_most=seconds)
    yield Measurement(subject, f"{what}, CPU time", "s", (cost.cpu,))
    yield Measurement(subject, f"{what}, memory", "MiB", (cost.memory,), at_most=memory)


def _arguments(*arguments: str) -> list[str]:
    return ["--nocolor", *arguments, "--configfile", "study.yaml"]


def _snakemake(folder: Path, *arguments: str) -> Cost:
    return _run(folder, [sys.executable, "-m", "snakemake", *_arguments(*arguments)])


def _run(folder: Path, command: list[str]) -> Cost:
    """Run a command to its end. Raises ToolError with the end of its output where it fails."""
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
    if process.returncode:
        raise ToolError(f"{' '.join(command[2:])} failed:\n{text[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, used.ru_maxrss / 1024, text)


def _jobs(output: str) -> int:
    (line,) = {line for line in output.splitlines() if line.startswith("total ")}
    return int(line.split()[1])
