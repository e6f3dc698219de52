"""A record of each job of the DAG, written when it ends: what it read, what it ran with, and the hashes of what it wrote.

Records lie in `provenance/jobs/<rule>/<wildcards>.json` below the results of a run. They are no outputs of the DAG and no
inputs: a commit changes them only where a job runs again. The last job of a model's exports and of a design gathers those of
the jobs before it in its own file, and their logs in its own: a large study would else have more of these files than results.
One that has a file of its own again ran again since, and counts.
"""

import glob
import hashlib
import itertools
import json
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
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

OF_MODEL = ("export", "check_export")
OF_DESIGN = ("create_project", "emulate", "synthesize", "simulate_netlist", "read_report")
"""Rules of a model and of a design, which large runs do in batches. The last of each gathers what the others leave beside their
results: records and logs."""
GATHERED = (*OF_MODEL[:-1], *OF_DESIGN[:-1])


def files_below(path: Path) -> list[Path]:
    """The file itself, or all files of a folder, in order."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name not in IGNORED)


def fingerprint(path: Path) -> dict[str, Any]:
    """Hash and size in bytes of a file."""
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


@lru_cache(maxsize=4096)
def _known_sha256(path: str, changed_ns: int, size: int) -> str:
    return sha256(Path(path))


def _same(path: str, stated: Mapping[str, Any]) -> bool:
    """Whether a file still has the hash that is stated; one that did not change meanwhile is read once by a process."""
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return False
    known = (path, status.st_mtime_ns, status.st_size)
    return status.st_size == stated["bytes"] and _known_sha256(*known) == stated["sha256"]


def digest(path: Path) -> str:
    """One hash of a file, or of the names and hashes of all files of a folder."""
    if path.is_file():
        return sha256(path)
    listed = [(str(file.relative_to(path)), sha256(file)) for file in files_below(path)]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


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


def job_id(job: Any) -> str:
    """Name of a job: its rule and the values of its wildcards."""
    return "/".join([job.rule, *map(str, job.wildcards)])


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


def folders_read(job: Any) -> dict[str, str]:
    """Hash of each folder among the inputs; of one that holds several models, of the job's own model and seed."""
    wildcards = dict(job.wildcards.items())
    found = {}
    for folder in (path for path in map(Path, job.input) if path.is_dir()):
        own = folder / str(wildcards.get("model")) / f"seed{wildcards.get('seed')}"
        found[str(folder)] = digest(own if own.is_dir() else folder)
    return found


def record_path(results: Path, job: str) -> Path:
    """Where a job, by its id `<rule>/<wildcards>`, writes its record."""
    rule, _, wildcards = job.partition("/")
    return results / FOLDER / "jobs" / (f"{rule}/{wildcards.replace('/', ',')}.json" if wildcards else f"{rule}.json")


def find_record(results: Path, job: str) -> tuple[Path, dict[str, Any]] | None:
    """The file that holds the record of a job, and that record; None where there is none.

    Raises NanotriggerError naming a file that is damaged.
    """
    own = record_path(results, job)
    if own.exists() and "id" in (content := _content(own, results)):
        return own, content
    for path in sorted((results / FOLDER / "jobs").glob(f"*/{glob.escape(own.name)}")) if "/" in job else ():
        if job in (gathered := _content(path, results).get("gathered", {})):
            return path, gathered[job]
    return None


def record_digest(record: Mapping[str, Any]) -> str:
    """Hash of a record without those that it gathers, which have hashes of their own."""
    own = {key: value for key, value in record.items() if key != "gathered"}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def gathered_by(job: str) -> tuple[str, ...]:
    """Ids of the jobs whose records are taken into that of a job: those before it, of a model's or a design's last one."""
    rule, slash, wildcards = job.partition("/")
    for *before, last in (OF_MODEL, OF_DESIGN):
        if rule.endswith(last):
            # as a module of another workflow all rules have a prefix
            return tuple(f"{rule.removesuffix(last)}{step}{slash}{wildcards}" for step in before)
    return ()


def logs_gathered_by(rule: str, log: Path) -> dict[str, Path]:
    """Logs that are taken into that of a rule's job, by their rules: the same jobs as those of `gathered_by`."""
    prefix = rule.removesuffix(log.parent.name)
    if prefix == rule:  # a rule of somebody's own, which only has such a name
        return {}
    folder = log.parent.parent
    return {other: folder / other.removeprefix(prefix) / log.name for other in gathered_by(rule)}


class JobRecord:
    """The record of one job: made when it begins, which removes that of an earlier one, and written when it ends well."""

    def __init__(self, snakemake: Any, results: Path) -> None:
        self.job, self.results = snakemake, results
        self.id = job_id(snakemake)
        self.path = record_path(results, self.id)
        # what it gathered stands, though it itself does not any more
        self.gathered = self._gathered()
        if self.gathered:
            write_json(self.path, {"gathered": self.gathered})
        else:
            self.path.unlink(missing_ok=True)
        self.started = datetime.now(UTC)

    def _gathered(self) -> dict[str, Any]:
        """The records of other jobs in this one's file. A file that is damaged is no loss if all of these have others."""
        if not self.path.exists():
            return {}
        if all(record_path(self.results, other).exists() for other in gathered_by(self.id)):
            with suppress(NanotriggerError):
                return read_json(self.path).get("gathered", {})
            return {}
        return _content(self.path, self.results).get("gathered", {})

    @staticmethod
    def stands(job: Any, results: Path) -> bool:
        """Whether a job of that rule for these wildcards has ended well, read and ran with the same, and left what is there."""
        try:
            found = find_record(results, job_id(job))
        except NanotriggerError:
            return False
        if found is None:
            return False
        record = found[1]
        return (
            record["input"]["values"] == named_list(job.input)["values"]
            and record["output"]["values"] == named_list(job.output)["values"]
            and record["params"]["values"] == redacted_data(named_list(job.params))["values"]
            and all(_same(file, stated) for file, stated in record["read"].items())
            and all(_same(file, stated) for file, stated in record["wrote"].items())
            and {str(file) for output in map(Path, job.output) for file in files_below(output)} == set(record["wrote"])
            and record["folders"] == folders_read(job)
            and record.get("script_sha256") == sha256(Path(job.script_path))
        )

    def write(self) -> None:
        job = self.job
        singles = []
        for other in gathered_by(self.id):
            if (path := record_path(self.results, other)).exists():
                self.gathered[other] = _content(path, self.results)
                singles.append(path)
        script = getattr(job, "script_path", None) or _script()
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        write_json(
            self.path,
            {
                **({"gathered": self.gathered} if self.gathered else {}),
                "id": self.id,
                "rule": job.rule,
                "wildcards": dict(job.wildcards.items()),
                "script": script,
                "script_sha256": sha256(Path(script)) if script else None,
                "threads": job.threads,
                "input": named_list(job.input),
                "output": named_list(job.output),
                "params": redacted_data(named_list(job.params)),
                "read": fingerprints(path for path in map(str, job.input) if Path(path).is_file()),
                "folders": folders_read(job),
                "wrote": fingerprints(map(str, job.output)),
                "left": self._worked_in(),
                "git": git_state(),
                "environment": self._environment(),
                "started": self.started.isoformat(timespec="seconds"),
                "ended": datetime.now(UTC).isoformat(),
                "cpu_s": round(sum(u.ru_utime + u.ru_stime for u in used), 2),
                "memory_mb": max(u.ru_maxrss for u in used) // 1024,
            },
        )
        for path in singles:
            path.unlink()

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

    results: folder of the run. In folders only files that were cut or are missing count: jobs may go on to work in them.
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
    """Records that may be of the jobs that made a job's inputs: the values of their wildcards are in a path of these.

    Those that count more come later: one of a file of its own is newer than one that another gathered.
    """
    inputs, folder = [str(path) for path in job.input], results / FOLDER / "jobs"
    # of thousands of designs only those of the record's own model are looked at
    named: dict[str, list[str]] = {}
    for name in inputs:
        for part in Path(name).parts:
            named.setdefault(part, []).append(name)
    own, gathered = [], []
    for path in folder.rglob("*.json"):
        values = path.stem.split(",") if path.parent != folder else ("",)
        if any(all(value in name for value in values) for name in named.get(values[0], inputs)):
            with suppress(NanotriggerError):
                content = read_json(path)
                gathered += content.pop("gathered", {}).values()
                own += [content] if content else []
    return [*gathered, *own]


def _content(path: Path, results: Path) -> dict[str, Any]:
    """What a file of records holds. Raises NanotriggerError that says how to have it again: it is no file of the DAG."""
    try:
        return read_json(path)
    except NanotriggerError:
        folder = results / FOLDER / "jobs"
        job = path.relative_to(folder).with_suffix("").as_posix().replace(",", "/")
        rule = (*gathered_by(job), job)[0].partition("/")[0]
        again = f"--forcerun {rule}"
        if rule.endswith((*OF_MODEL, *OF_DESIGN)) and (results / FOLDER / "batches").is_dir():
            again = f"{again}_batch (or {again}, where it has a job of its own)"
        raise NanotriggerError(
            f"{path}: cannot be read. It is the record of the job {job}, which leaves it again when it is repeated: "
            f"give your snakemake command {again}"
        ) from None


def read_records(results: Path) -> dict[str, dict[str, Any]]:
    """All records of a run, by their id. Raises NanotriggerError naming one that is damaged."""
    found: dict[str, dict[str, Any]] = {}
    gathered: dict[str, dict[str, Any]] = {}
    for path in sorted((results / FOLDER / "jobs").rglob("*.json")):
        content = _content(path, results)
        gathered |= content.pop("gathered", {})
        # of two, as where an earlier version named files otherwise, the later one
        if content and content["ended"] >= found.get(content["id"], content)["ended"]:
            found[content["id"]] = content
    return {**gathered, **found}
