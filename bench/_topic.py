"""One topic from its start to its end, for a process of its own."""

import importlib
import traceback

from bench._table import number
from bench.base import Measurement, Options
from nanotrigger.errors import NanotriggerError


def measure(topic: str, options: Options) -> tuple[list[Measurement], str | None]:
    """What a topic gave before its end, and why it ended early, None where it did not."""
    measured: list[Measurement] = []
    try:
        for row in importlib.import_module(f"bench.{topic}").measure(options):
            print(f"  {row.subject}: {row.quantity}: {number(row.median)} {row.unit}", flush=True)
            measured.append(row)
    except NanotriggerError as error:
        return measured, str(error)
    except Exception:  # an error in one topic must not lose what the others measured: the report prints it
        return measured, traceback.format_exc()
    return measured, None
