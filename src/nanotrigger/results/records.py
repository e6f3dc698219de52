"""Small files that appear whole or not at all, and the provenance written beside every result."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.redaction import redacted_data

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def replace_when_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block ends well, remove it otherwise."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_halves(path)
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_halves(path: Path) -> None:
    """Remove the temporary files beside `path` of processes that were killed on this machine while they wrote it."""
    prefix = f".{path.name}.{platform.node()}."
    for name in os.listdir(path.parent) if path.parent.is_dir() else ():
        owner = name.removeprefix(prefix)
        if owner != name and owner.isdigit() and not _alive(int(owner)):
            path.with_name(name).unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON with a stable order, whole or not at all."""
    with replace_when_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises NanotriggerError that names the file if it is absent or damaged."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise NanotriggerError(f"{path}: cannot be read ({error}). Delete it and run again.") from None


def read_array(path: Path) -> "np.ndarray":
    """Read a .npy file. Raises NanotriggerError that names the file if it is absent or damaged."""
    import numpy as np

    with readable(path):
        return np.load(path, allow_pickle=False)


def read_arrays(path: Path) -> "dict[str, np.ndarray]":
    """Read all arrays of an .npz file. Raises NanotriggerError that names the file if it is absent or damaged."""
    import numpy as np

    with readable(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@contextmanager
def readable(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """What a damaged file of arrays makes its reader raise, and other `errors`, as one message that names the file."""
    import zipfile
    import zlib

    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, *errors) as error:
        raise NanotriggerError(f"{path}: cannot be read ({error}). Delete it and run again.") from None


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_state() -> dict[str, Any]:
    """Commit of the working folder and whether it has changes; both None outside a git checkout."""
    try:
        commit, status = (
            subprocess.run(["git", *args], capture_output=True, text=True, check=True).stdout.strip()
            for args in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(status)}


def provenance(stanza: dict[str, Any], inputs: list[Path], packages: tuple[str, ...]) -> dict[str, Any]:
    """What a result was made from: its config stanza, the hashes of its inputs, package versions and the commit."""
    return {
        "stanza": redacted_data(stanza),
        "inputs": {str(path): sha256(path) for path in map(Path, inputs) if path.is_file()},
        "packages": {name: version(name) for name in ("nanotrigger", *packages)},
        "python": platform.python_version(),
        "git": git_state(),
    }
