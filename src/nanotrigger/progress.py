"""Progress of long work: a bar with an estimate in the job's log, and a line a minute in the terminal.

Jobs run side by side, so that their bars would write over each other: the terminal gets lines, one for each job and minute.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

INTERVAL_S = 60.0
"""Seconds between two lines in the terminal; a job that ends sooner is silent."""

_doing: list[Any] = []
"""What the job does now, the innermost last: bars, and what has no bar."""


class Progress(tqdm):
    """A bar of tqdm; the terminal's line of its job shows its share and estimate."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # into a log a line every few seconds, not ten a second
        super().__init__(*arguments, **{"mininterval": 5, **options})
        _doing.append(self)

    def close(self) -> None:
        if self in _doing:
            _doing.remove(self)
        super().close()

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = tqdm.__hash__

    def __str__(self) -> str:
        state = self.format_dict
        done, total, since = state["n"], state["total"], state["initial"]
        what = (self.desc or "").rstrip(": ")
        if not total:
            return f"{what}: {done} {self.unit}"
        left = ""
        if done > since:
            seconds = state["elapsed"] * (total - done) / (done - since)
            left = f", about {duration(seconds)} left"
        return f"{what}: {done / total:.0%} ({done} of {total}){left}"


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Name what has no bar, as a program that runs."""
    entry = _Named(what)
    _doing.append(entry)
    try:
        yield
    finally:
        _doing.remove(entry)


class _Named:
    def __init__(self, what: str) -> None:
        self.what, self.started = what, time.monotonic()

    def __str__(self) -> str:
        return f"{self.what}, for {duration(time.monotonic() - self.started)}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def told(name: str, log: str, terminal: int, interval_s: float = INTERVAL_S) -> Iterator[None]:
    """For the length of a block, tell a terminal (a file descriptor) every `interval_s` seconds how far a job is."""
    started, ended = time.monotonic(), threading.Event()

    def tell() -> None:
        while not ended.wait(interval_s):
            now = list(_doing)
            # of a search the search itself, and what it trains
            shown = dict.fromkeys(map(str, [*now[:1], *now[-1:]]))
            line = "; ".join([f"{name}: {duration(time.monotonic() - started)} so far", *shown])
            line = f"{line} (log: {log})\n"
            try:
                os.write(terminal, line.encode())  # one call: lines of jobs side by side stay whole
            except OSError:
                return  # nobody listens any more

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
