"""A job of the DAG: its log, its errors, its plan and its record. Scripts stay glue."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nanotrigger.batches import expanded
from nanotrigger.config import load_config
from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import Plan, make_plan
from nanotrigger.results.job_records import JobRecord


@contextmanager
def job(snakemake: Any, recorded: bool = True, gathers: Iterable[str] = ()) -> Iterator[Plan]:
    """Run a script's body with its output in the rule's log; gives the plan of the run.

    Libraries use as many threads as the rule has: jobs that share cores slow each other down many times over, and sums
    of another number of threads are other numbers. An error meant for the user ends the job with its message alone; any
    other keeps its traceback. What the job read and wrote is recorded when it ends well, unless it only runs others that
    are (`recorded`); gathers: see JobRecord.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(snakemake.threads)
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    # the descriptors, so that what libraries and programs print is kept as well
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        # a member of a batch is given the batch's
        plan = getattr(snakemake, "plan", None) or make_plan(load_config(snakemake.config))
        if plan.config.run.device != "auto":
            os.environ["NANOTRIGGER_DEVICE"] = plan.config.run.device
        snakemake.input = expanded(snakemake.input, plan)
        recorded = recorded and not hasattr(snakemake, "replayed")
        record = JobRecord(snakemake, Path("results", plan.config.run.name), gathers) if recorded else None
        yield plan
        if record:
            record.write()
    except NanotriggerError as error:
        print(f"nanotrigger: {error}", file=sys.stderr)
        raise SystemExit(1) from None
