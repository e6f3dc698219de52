"""No program outlives the job that started it, and no job its run: what a process beside each job sees to.

A job that is killed (`kill -9`, the system for want of memory, a queue at its time limit) can clean up nothing. Compilers and
synthesis would go on, in a folder in which the same job, begun again, works as well. So each job starts this file as a
process of its own, which needs nothing but the standard library. It ends the job when the run's lock comes free (see
`running`), and, when the job is gone without a word, says so in the job's log and ends all that the job had started: it knows
these processes, theirs and so on, by a variable of their environment, which they inherit (Linux; elsewhere they end
by themselves).
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

VARIABLE = "NANOTRIGGER_JOB"

KILLED = (
    "nanotrigger: the job ended without a word: it was killed (kill -9, by the system for want of memory, by a queue at its "
    "limit), or crashed. Run the same command again; if it happens again, give the job more memory or time."
)
ORPHANED = "nanotrigger: the run that started this job is gone; the job was stopped. Run the same command again."


PATIENCE_S = 30
"""Seconds for which processes are killed that begin others meanwhile, or cannot be killed at once."""


def kill_marked(value: str, variable: str = VARIABLE) -> None:
    """Kill every process that inherited this value of a variable, until there is none."""
    mark, until = f"{variable}={value}".encode(), time.monotonic() + PATIENCE_S
    while marked := [pid for pid in _processes() if pid != os.getpid() and mark in _environment(pid)]:
        if time.monotonic() > until:
            return
        for pid in marked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _environment(pid: int) -> list[bytes]:
    """Variables of a process; none of one that has ended, or belongs to somebody else."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


@contextmanager
def leashed(run_file: str | None) -> Iterator[None]:
    """For the length of a block, see to it that what this process starts ends with it, and itself with its run.

    run_file: the locked file of the run (see `running`), None where there is none. Messages go to the present stderr.
    """
    value = f"{os.uname().nodename}.{os.getpid()}.{time.time_ns()}"
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), value, run_file or ""]
    # of a member of a batch: the leash outlives the batch, whose own leash would else end it before its work
    environment = {name: entry for name, entry in os.environ.items() if name != VARIABLE}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, env=environment)
    os.environ[VARIABLE] = value
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        with suppress(OSError):
            process.stdin.write(b".")
            process.stdin.close()
        process.wait()


def _watch_run(job: int, path: str, orphaned: threading.Event) -> None:
    """Wait until the run is gone, then end the job."""
    import fcntl

    try:
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_SH)
    except FileNotFoundError:
        pass  # gone, and tidied up after
    except OSError:
        return  # a file system without locks
    orphaned.set()
    os.kill(job, signal.SIGKILL)


def main(job: str, value: str, run_file: str) -> None:
    orphaned = threading.Event()
    if run_file:
        threading.Thread(target=_watch_run, args=(int(job), run_file, orphaned), daemon=True).start()
    if not os.read(0, 1):  # the pipe's other end closed with the job
        with suppress(OSError):  # the disk may be full
            # the job's last line may be a bar, without an end
            print(f"\n{ORPHANED if orphaned.is_set() else KILLED}", file=sys.stderr, flush=True)
        kill_marked(value)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
