"""Large studies: how long it takes to plan one, and to make the tables and figures of a finished one.

A study of so many models, each a stanza of its own, in the flows rtl, xls and hls4ml with three seeds: 1,000 models are 9,000
designs. *Planning* is `snakemake -n` in a new process, Python's start and imports included: *fresh*, where nothing is done, and
*finished*, where all is, so that every file and what Snakemake recorded of it is compared. *Tables and figures* is `snakemake
tables figures` on all cores over a finished study whose jobs' files were written by a program, 4,000 test jets each; its own
planning is part of it. CPU time is that of Snakemake and of all its jobs. Memory is the largest resident set of one process.
Wall times hold what else the machine does: see the load of the run.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import _study
from bench._workflow import Cost, checkout, run, snakemake
from bench.base import Measurement, Options
from nanotrigger.errors import ToolError

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


def measure(options: Options) -> Iterator[Measurement]:
    for size in SIZES:
        subject = f"{size:,} models"
        if options.chosen(str(size)) or options.chosen(subject):
            with tempfile.TemporaryDirectory(prefix="nanotrigger_scale_") as folder:
                yield from _study_of(Path(folder), size, subject)


def _study_of(folder: Path, size: int, subject: str) -> Iterator[Measurement]:
    checkout(folder)
    content = _study.config(size)
    plan = _study.write_config(folder, content)
    asked = (PLANNED_S, PLANNED_MIB, AGGREGATED_S) if size == LARGEST else (None, None, None)
    fresh = _snakemake(folder, "-n")
    yield from _rows(subject, "planning, fresh", fresh, *asked[:2])
    yield Measurement(subject, "jobs of the DAG, fresh", "", (_jobs(fresh.output),))
    _study.write_study(folder, plan)
    _study.write_lists(folder, plan)
    # many at once: the scheduler looks at all jobs that are ready whenever one ends
    run(
        folder,
        [sys.executable, "-c", TOUCH, "--nocolor", *_arguments("--cores", "4096", "--touch", "models", "hardware")],
    )
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
    return [*arguments, "--configfile", "study.yaml"]


def _snakemake(folder: Path, *arguments: str) -> Cost:
    return snakemake(folder, *_arguments(*arguments))


def _jobs(output: str) -> int:
    (line,) = {line for line in output.splitlines() if line.startswith("total ")}
    return int(line.split()[1])
