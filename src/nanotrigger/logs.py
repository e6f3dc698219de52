"""Logs of jobs: their last words, those of jobs that were killed and could say none, and several in one file.

The last job of a model's exports and of a design takes the logs of the jobs before it in front of its own, as it does with
their records (see `job_records`). Each begins with a heading.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nanotrigger.leash import KILLED, ORPHANED
from nanotrigger.redaction import redact_file
from nanotrigger.results.records import replace_when_whole

MARK = "nanotrigger: "
"""Begins the message of an error that is meant for the user."""

TRACEBACK = "Traceback (most recent call last)"
ENDED = "ended well after "
"""Begins the last line of the log of a job that did."""

LONGEST = 60
"""Lines that are shown of a message of many."""

HEADING = re.compile(rb"^##### job (\w+) #####\n", re.M)
"""First line of a job's log, with its rule."""


def _lines(log: Path) -> list[str]:
    """The lines of a log, without its heading and what stands before that; of a bar, which is written over itself, the last
    state."""
    # as bytes: reading text would take the returns of a bar for ends of lines
    text = HEADING.split(log.read_bytes())[-1].decode(errors="replace").rstrip()
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


def ended_well(text: str) -> bool:
    """Whether the text of a log is that of a job that did."""
    return text.rstrip().rpartition("\n")[2].startswith(ENDED)


def killed(logs: Path, since: float) -> Iterator[Path]:
    """Logs begun after `since` (seconds since the epoch) of jobs that neither ended well nor said why not.

    An empty one is Snakemake's own, for a job of a group that left none: a job begins its log with a heading.
    """
    for log in sorted(logs.rglob("*.log")):
        try:
            if log.stat().st_mtime < since or not log.stat().st_size:
                continue
            text = log.read_text(errors="replace")
        except OSError:
            continue
        last = text.rstrip().rpartition("\n")[2]
        if last in (KILLED, ORPHANED) or (MARK not in text and TRACEBACK not in text and not ended_well(text)):
            yield log


def heading(rule: str) -> bytes:
    """First line of the log of a rule's job."""
    return f"##### job {rule} #####\n".encode()


def gather(log: Path, others: Mapping[str, Path]) -> None:
    """Put the logs of other jobs, by their rules, in front of a job's own, and delete their files.

    Raises OSError where that cannot be written; all then stand as they were.
    """
    found = {rule: path for rule, path in others.items() if path.exists()}
    parts = [_headed(rule, content) for rule, path in found.items() if (content := path.read_bytes())]
    if parts:
        with replace_when_whole(log) as temporary:
            temporary.write_bytes(b"".join([*parts, _headed(log.parent.name, log.read_bytes())]))
            redact_file(temporary)
    for path in found.values():
        path.unlink()


def _headed(rule: str, content: bytes) -> bytes:
    """A log with a heading, which one of an earlier version has not, and with an end of its last line."""
    begin = b"" if HEADING.match(content) else heading(rule)
    return begin + content + (b"" if content.endswith(b"\n") else b"\n")


def separate(log: Path, others: Mapping[str, Path]) -> None:
    """Give the jobs that a log gathered theirs again, but those that have a newer one: before the log's own job runs again."""
    if not others or not log.exists():
        return
    _, *found = HEADING.split(log.read_bytes())
    for rule, content in zip(found[::2], found[1::2], strict=True):
        path = others.get(rule.decode())
        if path and not (path.exists() and path.stat().st_size):
            with replace_when_whole(path) as temporary:
                temporary.write_bytes(heading(rule.decode()) + content)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the empty logs in folders, which Snakemake makes for jobs of a group whose logs were gathered meanwhile."""
    for folder in folders:
        for log in folder.glob("*.log"):
            if not log.stat().st_size:
                log.unlink(missing_ok=True)
