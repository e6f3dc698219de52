"""`python -m nanotrigger.verify RUN`: what was altered in a finished run, by the hashes that its jobs left.

Ends with 0 where every file is as it was made and every table follows from its records, with 1 and a line for each file where
not, with 2 where there is no finished run. It finds what was changed by mistake; it is no seal against forgery.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.results.job_records import find_record, fingerprint, record_digest, record_path
from nanotrigger.results.provenance import altered_files, difference, expected_files, run_files
from nanotrigger.results.records import git_state, read_json, sha256
from nanotrigger.results.replay import in_new_process


@dataclass
class Verdict:
    """problems: a line per file that is not as it was made; notes: what differs beside the results; files, tables: counts."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    tables: int = 0


def verify(results: Path, tables: bool = True) -> Verdict:
    """Compare a run with its provenance. tables: whether they are made again from their records, which takes seconds.

    Raises NanotriggerError where the run holds no readable provenance.
    """
    path = results / "provenance.json"
    if not path.exists():
        raise NanotriggerError(f"{path}: does not exist. Finish the run first: its last job writes it.")
    stated = read_json(path)
    try:
        verdict = Verdict(files=len(stated["files"]))
        _files(results, stated["files"], verdict)
        records = _records(results, stated, verdict)
        _sources(stated, verdict)
    except (KeyError, TypeError, AttributeError) as error:
        raise NanotriggerError(
            f"{path}: is not the provenance of a run ({error!r}). Delete it and run again."
        ) from None
    if tables:
        _tables(results, records, verdict)
    return verdict


def _files(results: Path, stated: Mapping[str, Any], verdict: Verdict) -> None:
    present = {str(file): file for file in run_files(results)}
    for name, entry in stated.items():
        if name not in present:
            verdict.problems.append(f"missing: {name}")
            continue
        now = fingerprint(present[name])
        if any(now[key] != entry[key] for key in now):
            verdict.problems.append(f"altered: {name}: {difference(entry, now).rstrip(',')}")
    verdict.problems += [
        f"unexpected: {name}: was not there when the run ended" for name in present if name not in stated
    ]


def _records(results: Path, stated: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """The jobs' records, compared with what the provenance says of them and of their files."""
    found = {}
    for job, entry in stated["jobs"].items():
        try:
            held = find_record(results, job)
        except NanotriggerError as error:
            # several jobs may have theirs in one file
            if (line := f"altered: {error}") not in verdict.problems:
                verdict.problems.append(line)
            continue
        if held is None:
            verdict.problems.append(f"missing: {record_path(results, job)}")
        elif record_digest(held[1]) != entry["record_sha256"]:
            verdict.problems.append(f"altered: {held[0]}: the record of a job")
        else:
            found[job] = held[1]
    # a hash that was changed in provenance.json itself does not agree with the records
    entries = {
        name: {key: e[key] for key in ("sha256", "bytes")} for name, e in stated["files"].items() if e["job"] in found
    }
    for line in altered_files(entries, expected_files(found)):
        verdict.problems.append(f"altered: {results / 'provenance.json'}: does not agree with the record: {line}")
    return found


def _sources(stated: Mapping[str, Any], verdict: Verdict) -> None:
    """What was read from outside the run: it may change afterwards, and then the run is one of an earlier version."""
    changed = [n for n, e in stated["read"].items() if not Path(n).is_file() or sha256(Path(n)) != e["sha256"]]
    if changed:
        shown = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
        verdict.notes.append(f"{len(changed)} files that the run read have changed since: {shown}")


def _tables(results: Path, records: Mapping[str, Any], verdict: Verdict) -> None:
    """Make the tables again from what they were made of, and name those that come out otherwise."""
    folder = str(results / "tables")
    for job, record in records.items():
        outputs = record["output"]["values"]
        if not all(Path(output).parent == Path(folder) for output in outputs):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            if failure := in_new_process(results, job, Path(scratch)):
                verdict.problems.append(f"cannot be made again: {', '.join(outputs)}: {failure}")
                continue
            for output in outputs:
                verdict.tables += 1
                if not Path(output).exists():
                    continue  # named as missing
                if place := _first_difference(Path(output), Path(scratch) / output):
                    now = git_state()["commit"]
                    code = (
                        f" (made at commit {record['git']['commit']}, now {now})"
                        if now != record["git"]["commit"]
                        else ""
                    )
                    verdict.problems.append(f"does not follow from its records: {output}: {place}{code}")


def _first_difference(table: Path, again: Path) -> str | None:
    """Where a table differs from the one made again: its first line that does; None where it does not."""
    if table.read_bytes() == again.read_bytes():
        return None
    ours, theirs = (path.read_text(errors="replace").splitlines() for path in (table, again))
    for number, (a, b) in enumerate(zip(ours, theirs), 1):
        if a != b:
            cells = [(x, y) for x, y in zip(a.split(","), b.split(",")) if x != y]
            x, y = cells[0] if cells else (a, b)
            return f"line {number} says {x[:60]!r} where the records give {y[:60]!r}"
    return f"{len(ours)} lines where the records give {len(theirs)}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m nanotrigger.verify", description=__doc__.splitlines()[0])
    parser.add_argument(
        "run", help="name of a finished run, in the folder that holds results/, or the path of its folder"
    )
    parser.add_argument("--files-only", action="store_true", help="do not make the tables again")
    given = parser.parse_args(arguments)
    results = Path(given.run) if "/" in given.run else Path("results") / given.run
    try:
        verdict = verify(results, tables=not given.files_only)
    except NanotriggerError as error:
        print(f"nanotrigger: {error}", file=sys.stderr)
        return 2
    for line in (*verdict.problems, *(f"note: {note}" for note in verdict.notes)):
        print(line)
    if verdict.problems:
        print(f"{results}: {len(verdict.problems)} things are not as they were made.")
        return 1
    again = "" if given.files_only else f", {verdict.tables} tables follow from their records"
    print(f"{results}: {verdict.files} files are as they were made{again}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
