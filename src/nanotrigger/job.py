"""A job of the DAG: its log, its errors, its plan and its record. Scripts stay glue."""

import hashlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nanotrigger.batches import expanded
from nanotrigger.config import load_config
from nanotrigger.failures import explained
from nanotrigger.leash import leashed
from nanotrigger.logs import ENDED, MARK, end_of, gather, heading, separate
from nanotrigger.plan import Plan, make_plan
from nanotrigger.progress import duration, told
from nanotrigger.redaction import redact_file, redacted
from nanotrigger.results.job_records import JobRecord, logs_gathered_by, run_folder
from nanotrigger.running import FOLDER, exclusive, run_file

LINES = 15
"""Of a failed job's log, shown in the terminal."""


@contextmanager
def job(snakemake: Any, recorded: bool = True) -> Iterator[Plan]:
    """Run a script's body with its output in the rule's log; gives the plan of the run.

    Libraries use as many threads as the rule has: jobs that share cores slow each other down many times over, and sums
    of another number of threads are other numbers. An error meant for the user ends the job with its message alone; any
    other keeps its traceback. The terminal hears every minute how far a long job is, and the end of the log of one that
    fails; no secret of the environment stays in the log. What the job read and wrote is recorded when it ends well, unless it
    only runs others that are (`recorded`); the last job of a model's exports and of a design then takes the logs before it into
    its own. A job ends with its run, what it starts ends with it, and no other process does the same job meanwhile. Of a member
    of a batch the terminal is the batch's log, and its plan the batch's.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(snakemake.threads)
    log = Path(snakemake.log[0])
    # a job that is replayed works in a folder of its own and leaves no record; a batch leaves it to its members to say more
    recorded = recorded and not hasattr(snakemake, "replayed")
    results = run_folder(log, snakemake.config["run"]["name"]) if recorded else None
    before = logs_gathered_by(snakemake.rule, log) if recorded else {}
    name = " ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    started, terminal = time.monotonic(), os.dup(2)
    message: str | None = None
    try:
        separate(log, before)
        log.parent.mkdir(parents=True, exist_ok=True)
        _log_to(log, os.O_CREAT | os.O_TRUNC)
        with suppress(OSError):  # a full disk is told of where a result cannot be written
            os.write(2, heading(snakemake.rule))
        with leashed(run_file()), _alone(snakemake), told(name, str(log), terminal):
            plan = getattr(snakemake, "plan", None) or make_plan(load_config(snakemake.config))
            if plan.config.run.device != "auto":
                os.environ["NANOTRIGGER_DEVICE"] = plan.config.run.device
            if recorded:
                snakemake.input = expanded(snakemake.input, plan)
            record = results and JobRecord(snakemake, results)
            yield plan
            if record:
                record.write()
        print(f"{ENDED}{duration(time.monotonic() - started)}", file=sys.stderr)
    except Exception as error:
        explanation = explained(error, snakemake, results)
        message = traceback.format_exc() if explanation is None else f"{MARK}{explanation}\n"
    finally:
        _end_log(log, message)
    if message is None and before:
        with suppress(OSError):  # they stay apart
            gather(log, before)
            _log_to(log)
    if message is not None:
        said = end_of(log, LINES)
        if message.rstrip().rpartition("\n")[2] not in said:  # the log could not be written
            said = f"{said}\n{redacted(message.rstrip())}"
        os.write(terminal, f"{name} failed; the end of its log:\n{said}\n(log: {log})\n".encode())
        raise SystemExit(1)


def _log_to(log: Path, flags: int = 0) -> None:
    # the descriptors, so that what libraries and programs print is kept as well
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | flags)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _end_log(log: Path, message: str | None) -> None:
    """Write the last message of a job and take secrets out of its log, as far as a full disk lets one."""
    for write in (
        sys.stdout.flush,
        lambda: sys.stderr.write(message or ""),
        sys.stderr.flush,
        lambda: redact_file(log),
    ):
        with suppress(OSError):
            write()


@contextmanager
def _alone(snakemake: Any) -> Iterator[None]:
    """Keep others off the same job: one that a killed run left behind on another machine would write the same files."""
    if hasattr(snakemake, "replayed"):
        yield  # it works in a folder of its own
        return
    name = hashlib.sha256("\0".join(map(str, snakemake.output)).encode()).hexdigest()[:24]
    with exclusive(FOLDER / "jobs" / name, snakemake.output[0], "makes this"):
        yield
