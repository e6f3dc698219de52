"""A record of each job of the DAG, written when it ends: what it read, what it ran with, and the hashes of what it wrote.

Records lie in `provenance/jobs/<rule>/<wildcards>.json` below the results of a run. They are no outputs of the DAG and no
inputs: a commit changes them only where a job runs again.
"""

import hashlib
import itertools
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.redaction import redacted_data
from nanotrigger.results.records import git_state, read_json, sha256, write_json

FOLDER = "provenance"
IGNORED = frozenset({".snakemake_timestamp"})
"""Files that Snakemake leaves in folders that are outputs."""

SHARED = "download_jets"
"""Folder of logs that belong to no single run."""


def files_below(path: Path) -> list[Path]:
    """The file itself, or all files of a folder, in order."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name not in IGNORED)


def fingerprint(path: Path) -> dict[str, Any]:
    """Hash and size in bytes of a file."""
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


def fingerprints(paths: Iterable[str | Path]) -> dict[str, dict[str, Any]]:
    """Hash and size of each file, and of each file of each folder. Files that vanish meanwhile are left out."""
    found = {}
    for path in paths:
        for file in files_below(Path(path)):
            try:
                found[str(file)] = fingerprint(file)
            except FileNotFoundError:
                continue
    return found


def environment() -> dict[str, Any]:
    """Interpreter, compiler, system and the version of every installed package."""
    # names of the metadata folders hold the versions: reading the metadata itself would take as long as some jobs
    folders = {path.stem for entry in sys.path if entry for path in Path(entry).glob("*.dist-info")}
    packages = dict(sorted(name.rpartition("-")[::2] for name in folders))
    compiler = None
    if shutil.which("g++"):
        done = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True)
        compiler = done.stdout.strip() or None
    return {
        "python": platform.python_version(),
        "g++": compiler,
        "system": platform.platform(terse=True),
        "packages": packages,
    }


def named_list(values: Any) -> dict[str, Any]:
    """A list of Snakemake's with its names, as plain data."""
    return {"values": json.loads(json.dumps(list(values), default=str)), "names": dict(getattr(values, "_names", {}))}


def run_folder(log: Path, run: str) -> Path:
    """Results of a run, from the path of a job's log: as a module of another workflow it may lie under a prefix."""
    parts = Path(log).parts
    pairs = enumerate(itertools.pairwise(parts))
    # a job that is made again elsewhere has a log elsewhere too
    at = next((i for i, pair in pairs if pair[0] == "logs" and pair[1] in (run, SHARED)), 0)
    return Path(*parts[:at], "results", run)


class JobRecord:
    """The record of one job: made when it begins, which removes that of an earlier one, and written when it ends well."""

    def __init__(self, snakemake: Any, results: Path) -> None:
        self.job, self.results = snakemake, results
        self.id = "/".join([snakemake.rule, *map(str, snakemake.wildcards)])
        self.path = results / FOLDER / "jobs" / f"{self.id}.json"
        self.path.unlink(missing_ok=True)
        self.started = datetime.now(UTC)

    def write(self) -> None:
        job = self.job
        write_json(
            self.path,
            {
                "id": self.id,
                "rule": job.rule,
                "wildcards": dict(job.wildcards.items()),
                "script": _script(),
                "threads": job.threads,
                "input": named_list(job.input),
                "output": named_list(job.output),
                "params": redacted_data(named_list(job.params)),
                "read": fingerprints(path for path in map(str, job.input) if Path(path).is_file()),
                "wrote": fingerprints(map(str, job.output)),
                "left": self._worked_in(),
                "git": git_state(),
                "environment": self._environment(),
                "started": self.started.isoformat(timespec="seconds"),
                "ended": datetime.now(UTC).isoformat(),
            },
        )

    def _worked_in(self) -> dict[str, dict[str, Any]]:
        """Hashes of all files of the folders among the inputs in which a file changed while the job ran."""
        start = self.started.timestamp()
        folders = [folder for folder in map(Path, self.job.input) if folder.is_dir()]
        changed = [folder for folder in folders if any(_changed(file, start) for file in files_below(folder))]
        return fingerprints(changed)

    def _environment(self) -> str:
        """Write the environment once per run; returns its name."""
        content = environment()
        name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        path = self.results / FOLDER / "environments" / f"{name}.json"
        if not path.exists():
            write_json(path, content)
        return name


def _changed(file: Path, since: float) -> bool:
    try:
        return file.stat().st_mtime >= since - 1  # some file systems keep whole seconds
    except FileNotFoundError:
        return True


def _script() -> str | None:
    """Path of the script that runs, from the working folder where it lies below it; None where it came from no file."""
    name = getattr(sys.modules["__main__"], "__file__", None)
    if name is None:
        return None
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def damaged_inputs(job: Any, results: Path) -> list[tuple[str, str]]:
    """What a job's inputs have lost or changed since they were made, a line each, and the output to delete for it.

    results: folder of the run. In folders only files that were cut or are missing count: those of a project change as the
    jobs go that work in it.
    """
    makers = {Path(output): record for record in _makers(job, results) for output in record["output"]["values"]}
    found = []
    for path in map(Path, job.input):
        record = makers.get(path)
        for name, made in record["wrote"].items() if record else ():
            file = Path(name)
            if file != path and not file.is_relative_to(path):
                continue
            size = file.stat().st_size if file.is_file() else None
            if size is None:
                line = f"{name}: is missing"
            elif size < made["bytes"]:
                line = f"{name}: has {size} of the {made['bytes']} bytes with which it was made"
            elif file == path and sha256(file) != made["sha256"]:
                line = f"{name}: is not what was made"
            else:
                continue
            found.append((f"{line} ({record['id']}, {record['ended'][:19]} UTC).", str(path)))
    return found


def _makers(job: Any, results: Path) -> list[dict[str, Any]]:
    """Records that may be of the jobs that made a job's inputs: the values of their wildcards are in a path of these."""
    inputs, folder, found = [str(path) for path in job.input], results / FOLDER / "jobs", []
    for path in folder.rglob("*.json"):
        values = path.relative_to(folder).with_suffix("").parts[1:]
        if any(all(value in name for value in values) for name in inputs):
            with suppress(NanotriggerError):
                found.append(read_json(path))
    return found


def read_records(results: Path) -> dict[str, dict[str, Any]]:
    """All records of a run, by their id. Raises NanotriggerError naming one that is damaged."""
    folder, found = results / FOLDER / "jobs", {}
    for path in sorted(folder.rglob("*.json")):
        try:
            record = read_json(path)
        except NanotriggerError:
            id = path.relative_to(folder).with_suffix("").as_posix()
            raise NanotriggerError(
                f"{path}: cannot be read. It is the record of the job {id}, which leaves it again when it is repeated: "
                f"give your snakemake command --forcerun {id.partition('/')[0]}"
            ) from None
        found[record["id"]] = record
    return found
