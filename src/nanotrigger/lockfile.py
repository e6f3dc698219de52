"""The lock files: every package at one version, and a hash for each that is one file on every platform.

`python -m nanotrigger.lockfile report.json` prints `requirements-hashed.lock` from pip's report (`pip install
--dry-run --report`); `--check requirements.lock` names what is installed and not locked. A wheel of pure Python
(`...-none-any.whl`) serves every platform and Python, so its hash holds for all; compiled wheels differ, torch even from one
index to the next, and what pip builds from a source archive differs from machine to machine: these have a version alone.
"""

import argparse
import json
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HEAD = """\
# Made by 'make lock' from requirements.lock: do not edit.
# The packages of it that are one file on every platform, each with its hash; `make` installs them first, with --require-hashes.
"""

LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!]+)((?: --hash=sha256:[0-9a-f]{64})*)")
"""A line that leaves pip no choice."""


def normalised(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Version and sha256 hashes by normalised name. Raises ValueError naming a line that is not exact, or comes twice."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match:
            raise ValueError(f"line {number}: {line!r} is not of the form name==version, with or without hashes")
        if normalised(match[1]) in found:
            raise ValueError(f"line {number}: {match[1]} comes twice")
        found[normalised(match[1])] = (match[2], tuple(re.findall(r"sha256:([0-9a-f]{64})", match[3])))
    return found


def hashed(report: Mapping[str, Any]) -> list[str]:
    """A line with its hash for each package of pip's report that came as a wheel of pure Python, by name."""
    lines = []
    for item in report["install"]:
        file = unquote(urlsplit(item["download_info"]["url"]).path).rpartition("/")[2]
        digest = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if file.endswith("-none-any.whl") and digest:
            about = item["metadata"]
            lines.append(f"{normalised(about['name'])}=={about['version']} --hash=sha256:{digest}")
    return sorted(lines)


def unlocked(lock: Iterable[str], installed: Mapping[str, str]) -> list[str]:
    """What is installed beside the locked packages, pip and this one, as name==version."""
    known = {normalised(name) for name in (*lock, "pip", "nanotrigger")}
    return sorted(f"{name}=={version}" for name, version in installed.items() if normalised(name) not in known)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m nanotrigger.lockfile", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="pip's report, or with --check the lock file")
    parser.add_argument("--check", action="store_true", help="name what is installed and not locked")
    given = parser.parse_args(arguments)
    if not given.check:
        print(HEAD + "\n".join(hashed(json.loads(given.file.read_text()))))
        return 0
    here = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    installed = {distribution.name: distribution.version for distribution in distributions(path=here)}
    if extra := unlocked(read_lock(given.file.read_text()), installed):
        print(f"Installed, but not in {given.file}: {', '.join(extra)}. This Python or system needs more than it pins.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
