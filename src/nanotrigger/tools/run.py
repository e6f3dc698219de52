"""Run a program, and say plainly what went wrong when it fails."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.leash import kill_marked
from nanotrigger.progress import doing, duration
from nanotrigger.redaction import redact_file, secrets

BESIDE_PYTHON = str(Path(sys.executable).parent)
"""Programs of the locked environment are found without activating it."""


def search_path() -> str:
    """PATH with the environment's own programs first."""
    return os.pathsep.join([BESIDE_PYTHON, os.environ.get("PATH", os.defpath)])


def find(program: str) -> str | None:
    """Full path of a program, or None."""
    return shutil.which(program, path=search_path())


def missing(programs: Sequence[str]) -> list[str]:
    """Those programs that are not installed."""
    return [program for program in programs if not find(program)]


def run_tool(
    command: Sequence[str],
    folder: Path,
    log: str,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    name: str | None = None,
) -> str:
    """Run a program in `folder`, its output in the file `log` there, and return that output.

    name: what messages call the program, where another starts it.
    No secret of the environment stays in the log. Raises ToolError with the last lines if it is absent, fails or runs longer
    than `timeout_s` seconds.
    """
    name, folder = name or command[0], Path(folder)
    path = find(command[0])
    if path is None:
        raise ToolError(f"{command[0]} not on PATH")
    env = {**os.environ, "PATH": search_path(), **(environment or {})}
    log_path = folder / log
    limit = f"{name} (stopped after {duration(timeout_s)})"
    with open(log_path, "w") as output, doing(limit):
        # a session of its own, so that a time limit ends the compilers it started too
        process = subprocess.Popen(
            [path, *command[1:]],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except BaseException as error:
            os.killpg(process.pid, 9)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise ToolError(f"{name} ran longer than its limit of {timeout_s:g} s; see {log_path}") from None
            raise
    # a variable that is given to this program alone may be a secret as well, as where licences are served
    redact_file(log_path, secrets(environment or {}))
    text = log_path.read_text(errors="replace")
    if code:
        tail = "\n".join(text.splitlines()[-15:])
        raise ToolError(f"{name} failed with exit code {code}; the end of {log_path}:\n{tail}")
    return text


@contextmanager
def limited(timeout_s: float | None, what: str) -> Iterator[None]:
    """Stop all programs that a library starts in the block after `timeout_s` seconds; with None there is no limit.

    what: names them in messages. Raises ToolError, whatever the library makes of their end.
    """
    value, late = f"{os.getpid()}.{time.time_ns()}", threading.Event()

    def stop() -> None:
        late.set()
        kill_marked(value, LIMITED)

    timer = threading.Timer(timeout_s or 0, stop)
    timer.daemon = True
    if timeout_s is not None:
        timer.start()
    try:
        with environment({LIMITED: value}):
            yield
    except Exception:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise ToolError(f"{what} took longer than its limit of {timeout_s:g} s and was stopped") from None


LIMITED = "NANOTRIGGER_LIMITED"
"""Variable by which programs are known that stand under a time limit."""


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for the length of a block, for libraries that start programs themselves."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
