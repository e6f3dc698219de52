"""A job of the DAG: its log, its errors, its plan and its record. Scripts stay glue."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nanotrigger.config import load_config
from nanotrigger.errors import NanotriggerError
from nanotrigger.logs import ENDED, MARK, end_of
from nanotrigger.plan import Plan, make_plan
from nanotrigger.progress import duration, told
from nanotrigger.redaction import redact_file
from nanotrigger.results.job_records import JobRecord, run_folder

LINES = 15
"""Of a failed job's log, shown in the terminal."""


@contextmanager
def job(snakemake: Any) -> Iterator[Plan]:
    """Run a script's body with its output in the rule's log; gives the plan of the run.

    Libraries use as many threads as the rule has: jobs that share cores slow each other down many times over, and sums
    of another number of threads are other numbers. An error meant for the user ends the job with its message alone; any
    other keeps its traceback. The terminal hears every minute how far a long job is, and the end of the log of one that
    fails; no secret of the environment stays in the log. What the job read and wrote is recorded when it ends well.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(snakemake.threads)
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    name = " ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    started, terminal = time.monotonic(), os.dup(2)
    # the descriptors, so that what libraries and programs print is kept as well
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        with told(name, str(log), terminal):
            plan = make_plan(load_config(snakemake.config))
            if plan.config.run.device != "auto":
                os.environ["NANOTRIGGER_DEVICE"] = plan.config.run.device
            replayed = hasattr(snakemake, "replayed")
            record = None if replayed else JobRecord(snakemake, run_folder(log, plan.config.run.name))
            yield plan
            if record:
                record.write()
    except NanotriggerError as error:
        print(f"{MARK}{error}", file=sys.stderr)
        failed = True
    except Exception:
        traceback.print_exc()
        failed = True
    else:
        failed = False
        print(f"{ENDED}{duration(time.monotonic() - started)}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        redact_file(log)
    if failed:
        os.write(terminal, f"{name} failed; the end of its log:\n{end_of(log, LINES)}\n(log: {log})\n".encode())
        raise SystemExit(1)
