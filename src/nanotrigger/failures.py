"""Why a job failed, in words for its user: storage that cannot be written, and inputs that are not what was made.

An error of the program itself is not explained here: it keeps its traceback.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nanotrigger.batches import lists_with
from nanotrigger.errors import NanotriggerError
from nanotrigger.results.job_records import damaged_inputs

STORAGE = {
    errno.ENOSPC: "Make room there",
    errno.EDQUOT: "Make room there, or ask for a larger quota",
    errno.EFBIG: "Raise the limit of the size of files (ulimit -f)",
    errno.EROFS: "Make it writable, or start the run in another folder (--directory)",
    errno.EACCES: "Make it readable and writable for you, or start the run in another folder (--directory)",
    errno.EPERM: "Make it writable for you, or start the run in another folder (--directory)",
    errno.EIO: "The disk or the network behind it fails: look at the system's own log",
    errno.ESTALE: "The network file system was mounted anew: look at it",
}
"""What can be done where files cannot be written, by the system's error."""

SPOKEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Those that can only be of writing, and are known by their words alone."""

KEPT = "Then run the same command again: what is finished is kept."


def explained(error: Exception, snakemake: Any, results: Path | None) -> str | None:
    """The message of a failed job for its user; None where the program itself is at fault.

    results: folder of the run, with the records of what made the job's inputs; None where there are none.
    """
    if message := storage_message(error, snakemake.output[0]):
        return message
    if message := _memory_message(error):
        return message
    damaged = damaged_inputs(snakemake, results) if results else []
    if not damaged:
        return str(error) if isinstance(error, NanotriggerError) else None
    text = str(error) if isinstance(error, NanotriggerError) else f"{type(error).__name__}: {error}"
    # the file may be one of a folder, which is made as a whole
    text = text.removesuffix("Delete it and run again.").rstrip()
    remove = " ".join(dict.fromkeys(path for _, output in damaged for path in (output, *lists_with(results, output))))
    lines = [line for line, _ in damaged]
    return "\n".join([text, *lines, f"To make that anew: delete {remove} and run the same command again."])


def _memory_message(error: Exception) -> str | None:
    """What to do where the memory did not suffice; None for any other error. Libraries have errors of their own for it."""
    said = str(error).strip().partition("\n")[0]
    if not isinstance(error, MemoryError) and not re.search(
        r"not enough memory|out of memory|can't allocate memory", said
    ):
        return None
    return (
        f"not enough memory: {said or type(error).__name__}. Make the network, its batches or the models that train together "
        "(models_per_job) smaller, or give the job more memory."
    )


def storage_message(error: BaseException, path: str) -> str | None:
    """What to do about an error of the storage, whoever reports it; None for any other.

    path: what was to be written, where the error does not name it: libraries and tools pass on the system's words alone.
    """
    if isinstance(error, OSError) and error.errno in STORAGE:
        code, where, before = error.errno, str(error.filename or path), ""
    else:
        said = [code for code in SPOKEN if os.strerror(code) in str(error)]
        if not said:
            return None
        code, where, before = said[0], path, f"{str(error).strip()}\n"
    return f"{before}{where}: {os.strerror(code)}. {STORAGE[code]} ({_room(Path(where))}). {KEPT}"


@contextmanager
def told_if_not_written(path: str) -> Iterator[None]:
    """Say in one line why the block could not write what it writes below `path`: it describes a failure, and is none itself."""
    try:
        yield
    except (NanotriggerError, OSError) as error:
        print(f"What there is could not be described: {storage_message(error, path) or error}")


def _room(path: Path) -> str:
    """Free space where a file lies, or would lie."""
    folder = next((p for p in (path, *path.absolute().parents) if p.exists()), Path("/"))
    try:
        found = os.statvfs(folder)
    except OSError:
        return str(folder)
    return f"{folder} has {found.f_bavail * found.f_frsize / 2**20:,.0f} MiB free"
