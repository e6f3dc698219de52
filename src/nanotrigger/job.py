"""A job of the DAG: its log, its errors and its plan. Scripts stay glue."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nanotrigger.config import load_config
from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import Plan, make_plan


@contextmanager
def job(snakemake: Any) -> Iterator[Plan]:
    """Run a script's body with its output in the rule's log; gives the plan of the run.

    An error meant for the user ends the job with its message alone; any other keeps its traceback.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    console = os.dup(2)
    # the descriptors, so that what libraries and programs print is kept as well
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    message = None
    try:
        yield make_plan(load_config(snakemake.config))
    except NanotriggerError as error:
        message = f"nanotrigger: {error}"
    except Exception:
        message = traceback.format_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if message:
            os.write(descriptor, (message + "\n").encode())
        os.dup2(console, 2)
    if message:
        print(f"{message}\n(log: {log})", file=sys.stderr, flush=True)
        raise SystemExit(1)
