"""The contract of a topic, and the few ways in which topics measure.

A topic is a module whose docstring says what it measures, its first line as a title, with `measure(options)`, which yields
Measurements. Each topic runs in a process of its own, so that threads and memory of one are not another's. It raises a
NanotriggerError where what it needs is not there.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError

PATIENCE_S = 60.0
"""Seconds after which nothing is repeated once more."""


@dataclass(frozen=True)
class Options:
    """results: the folder of a finished run; only: subjects, or patterns of them as `hgq_*`; every subject where empty."""

    results: Path
    only: tuple[str, ...] = ()

    def chosen(self, subject: str) -> bool:
        return not self.only or any(fnmatchcase(subject, pattern) for pattern in self.only)


@dataclass(frozen=True)
class Measurement:
    """One row: a quantity of a subject, measured once or several times; at_most, at_least: what the project asks for."""

    subject: str
    quantity: str
    unit: str
    values: tuple[float, ...]
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self):
        if not self.values:
            raise ValueError(f"{self.subject}: {self.quantity} has no value")

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median is what is asked for; None where nothing is."""
        if self.at_most is None and self.at_least is None:
            return None
        above = self.at_least is None or self.median >= self.at_least
        return above and (self.at_most is None or self.median <= self.at_most)


def dataset(options: Options) -> Path:
    """The dataset of the run. Raises ToolError where it has none, or several."""
    found = sorted((options.results / "data").glob("*.h5"))
    if len(found) != 1:
        raise ToolError(
            f"{options.results}/data: holds {len(found)} datasets, not one. Run 'make quickstart' first, or give --results."
        )
    return found[0]


def side_by_side(
    functions: Sequence[Callable[[], Any]], repeats: int = 3, patience_s: float = PATIENCE_S
) -> list[tuple[float, ...]]:
    """Seconds of each function, (functions, repeats): called in turn, so that a slow moment of the machine falls on all.

    Ends after a round once `patience_s` seconds were spent.
    """
    rounds = []
    start = time.perf_counter()
    while len(rounds) < repeats and (not rounds or time.perf_counter() - start < patience_s):
        rounds.append([_seconds(function) for function in functions])
    return list(zip(*rounds, strict=True))


def repeated(function: Callable[[], Any], repeats: int = 3, patience_s: float = PATIENCE_S) -> tuple[float, ...]:
    """Seconds of each call of one function; see `side_by_side`."""
    return side_by_side([function], repeats, patience_s)[0]


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, ...]:
    """Ratio within each round of what was measured side by side. Raises ValueError where the rounds do not match."""
    return tuple(a / b for a, b in zip(numerators, denominators, strict=True))


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and the threads and programs that it starts, on one core for the length of a block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a module in a fresh Python process: its imports are part of the time that it takes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
