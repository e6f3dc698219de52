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
from typing import Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.redaction import redacted_data


@contextmanager
def replace_when_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block ends well, remove it otherwise."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
