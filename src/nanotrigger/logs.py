"""Logs of jobs: their last words, and those of jobs that were killed and could say none."""

from collections.abc import Iterator
from pathlib import Path

from nanotrigger.leash import KILLED, ORPHANED

MARK = "nanotrigger: "
"""Begins the message of an error that is meant for the user."""

TRACEBACK = "Traceback (most recent call last)"
ENDED = "ended well after "
"""Begins the last line of the log of a job that did."""

LONGEST = 60
"""Lines that are shown of a message of many."""


def _lines(log: Path) -> list[str]:
    """The lines of a log; of a bar, which is written over itself, the last state."""
    # as bytes: reading text would take the returns of a bar for ends of lines
    text = log.read_bytes().decode(errors="replace").rstrip()
    return [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")] if text else []


def last_error(log: Path) -> str:
    """The message at the end of a job's log, on one line."""
    lines = _lines(log)
    text = "\n".join(lines)
    if MARK in text:
        return " ".join(text.rpartition(MARK)[2].split())
    return lines[-1] if lines else "ended without a message"


def end_of(log: Path, count: int) -> str:
    """The last `count` lines of a log, indented, and more where its message is longer."""
    try:
        lines = _lines(log)
    except OSError as error:
        return f"    cannot be read ({error})"
    starts = [i for i, line in enumerate(lines) if line.startswith(MARK)]
    first = min([len(lines) - count, *starts[-1:]])
    shown = lines[max(first, len(lines) - LONGEST, 0) :]
    return "\n".join(f"    {line}" for line in shown) or "    (empty)"


def killed(logs: Path, since: float) -> Iterator[Path]:
    """Logs begun after `since` (seconds since the epoch) of jobs that neither ended well nor said why not."""
    for log in sorted(logs.rglob("*.log")):
        try:
            if log.stat().st_mtime < since:
                continue
            text = log.read_text(errors="replace")
        except OSError:
            continue
        last = text.rstrip().rpartition("\n")[2]
        if last in (KILLED, ORPHANED) or (MARK not in text and TRACEBACK not in text and not last.startswith(ENDED)):
            yield log
