"""Which runs work in a folder: what is left of one that was killed neither locks its successor out nor works on beside it.

A run holds a lock of the system (flock) on a file of its own for as long as it lives, and the system frees it however the
run ends. So its jobs on the same machine know when it is gone, and stop (see `leash`); and the next run can tell
Snakemake's own locks, plain files that outlive a process that was killed, from those of a run that is alive. Jobs that a run
gave to a queue do not end with it: its locks stay until `snakemake --unlock`.
"""

import atexit
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nanotrigger.errors import NanotriggerError

FOLDER = Path(".snakemake/nanotrigger")
SNAKEMAKES_LOCKS = Path(".snakemake/locks")
QUEUED = "jobs in a queue"
"""First line in the file of a run whose jobs outlive it."""
VARIABLE = "NANOTRIGGER_RUN"
"""Tells the jobs of a run its machine and its file."""


def begin() -> None:
    """Hold this run's file until the process ends, and remove Snakemake's locks of runs that were killed.

    A lock is known to be left over if the run that noted it is dead (see `note_locks`), or, where a run was killed before
    it noted any, if no other run is alive. Runs of other machines count as alive: file systems differ in whether one
    machine sees the locks of another. Raises NanotriggerError where the working folder cannot be written.
    """
    from nanotrigger.failures import storage_message

    if _ours(os.environ.get(VARIABLE)):
        return  # this workflow is a module of another one that has begun
    try:
        _begin()
    except OSError as error:
        raise NanotriggerError(storage_message(error, str(FOLDER)) or str(error)) from None


def _begin() -> None:
    runs = (FOLDER / "runs").absolute()
    runs.mkdir(parents=True, exist_ok=True)
    # the locks of a second run that has just begun are not left over
    with one_at_a_time(runs):
        dead = [run for run in runs.iterdir() if _is_dead(run) and not _locked_for_queue(run)]
        left = {SNAKEMAKES_LOCKS / name for run in dead for name in run.read_text().split("\n") if name}
        if dead and len(dead) == len(list(runs.iterdir())):
            left.update(SNAKEMAKES_LOCKS.glob("*.lock"))
        for path in (*left, *dead):
            path.unlink(missing_ok=True)
        own = runs / f"{os.uname().nodename}_{os.getpid()}"
        # never closed: the system does when the process ends
        descriptor = os.open(own, os.O_RDWR | os.O_CREAT, 0o644)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.environ[VARIABLE] = f"{os.getpid()} {os.uname().nodename} {own}"
    atexit.register(own.unlink, missing_ok=True)


def note_locks(paths: Iterable[str], queued: bool = False) -> None:
    """Keep the names of Snakemake's locks of this run in its file. queued: whether its jobs are a queue's, and outlive it."""
    if _ours(entry := os.environ.get(VARIABLE, "")):
        names = [QUEUED] * queued + [Path(path).name for path in paths]
        Path(entry.split(" ", 2)[2]).write_text("\n".join(names))


def _locked_for_queue(run: Path) -> bool:
    """Whether a run gave its jobs to a queue, and nobody has removed its locks since."""
    first, *locks = run.read_text().split("\n")
    return first == QUEUED and any((SNAKEMAKES_LOCKS / name).exists() for name in locks)


def run_file() -> Path | None:
    """File of the run that started this process; None where it was started otherwise, or on another machine."""
    entry = os.environ.get(VARIABLE, "").split(" ", 2)
    return Path(entry[2]) if len(entry) == 3 and entry[1] == os.uname().nodename else None


@contextmanager
def exclusive(path: Path, subject: object, does: str) -> Iterator[None]:
    """Hold a lock on a file, which is made, for the length of a block. The system frees it of a process that was killed.

    subject, does: of what the process is that holds it, and what it does, for the message. Raises NanotriggerError with
    both and that process where there is one.
    """
    descriptor = None
    while descriptor is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 100).decode() or "another process"
            os.close(descriptor)
            raise NanotriggerError(f"{subject}: {owner} {does} now. Wait for its end, or stop it.") from None
        except OSError:
            pass  # a file system without locks
        if not (path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())):
            # its owner ended and deleted it between the opening and the locking
            os.close(descriptor)
            descriptor = None
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {os.uname().nodename}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _ours(entry: str | None) -> bool:
    return bool(entry) and entry.startswith(f"{os.getpid()} {os.uname().nodename} ")


def _is_dead(run: Path) -> bool:
    """Whether a file is that of a run of this machine that ended without removing it."""
    if not run.name.startswith(f"{os.uname().nodename}_"):
        return False
    descriptor = os.open(run, os.O_RDWR)
    try:
        # shared, as jobs that outlived their run may hold it for the moment in which they stop
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Have other processes that come here with the same folder wait, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
