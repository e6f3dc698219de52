"""Where every result of a run comes from: gathered from the records of its jobs into one file, with the hash of every file.

The jobs are found by walking back from the outputs of the run to what each was made from. A file must still be what its job
left: for a file that is an output, what the job wrote; for one in a folder, what the last job left that worked in it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pandas as pd

from nanotrigger.errors import NanotriggerError
from nanotrigger.plan import Plan
from nanotrigger.redaction import redacted_data
from nanotrigger.results.job_records import FOLDER, files_below, fingerprint, read_records, record_digest
from nanotrigger.results.records import git_state, read_json, write_json

AFTERWARDS = frozenset({"provenance.json", "report.html", "report.zip", "ro-crate-metadata.json"})
"""Files of a run's folder that are made from finished results, after their provenance."""

Records = Mapping[str, dict[str, Any]]


def run_files(results: Path) -> list[Path]:
    """All files of a run but the records and what is made afterwards."""
    return [
        file
        for file in files_below(results)
        if not (file.parent == results and file.name in AFTERWARDS) and file.relative_to(results).parts[0] != FOLDER
    ]


class Makers:
    """Which job made a file: its output, or in a folder that is its output."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.by_output = {output: id for id, record in records.items() for output in record["output"]["values"]}
        self._known: dict[str, str | None] = {}

    def of(self, path: str | Path) -> str | None:
        name = str(path)
        if name not in self._known:
            places = (Path(name), *Path(name).parents)
            self._known[name] = next((self.by_output[str(p)] for p in places if str(p) in self.by_output), None)
        return self._known[name]

    def chain(self, paths: Iterable[str | Path]) -> list[str]:
        """Jobs without which these files would not be, the farthest first."""
        makers: dict[str, list[str]] = {}
        todo = [job for path in paths if (job := self.of(path))]
        while todo:
            job = todo.pop()
            if job not in makers:
                inputs = map(self.of, self.records[job]["input"]["values"])
                makers[job] = [maker for maker in dict.fromkeys(inputs) if maker not in (None, job)]
                todo += makers[job]
        return list(TopologicalSorter(makers).static_order())


def expected_files(records: Records) -> dict[str, tuple[dict[str, Any], str]]:
    """What the jobs left: for each file its hash and size, and the job that left it so.

    In a folder in which several jobs worked, the last to end knows what all of them left.
    """
    expected: dict[str, tuple[dict[str, Any], str]] = {}
    for id, record in sorted(records.items(), key=lambda item: item[1]["ended"]):
        folders = [
            path
            for path in record["input"]["values"]
            if any(Path(file).is_relative_to(path) for file in record["left"])
        ]
        for folder in folders:
            for file in [file for file in expected if Path(file).is_relative_to(folder)]:
                del expected[file]
        for files in (record["wrote"], record["left"]):
            expected |= {file: (print_, id) for file, print_ in files.items()}
    return expected


def altered_files(found: Mapping[str, dict[str, Any]], expected: Mapping[str, tuple[dict[str, Any], str]]) -> list[str]:
    """A line for each file that is not what its job left; files without a record have nothing to be compared with."""
    return [
        f"{file}: {difference(expected[file][0], print_)} since {expected[file][1]} made it"
        for file, print_ in found.items()
        if file in expected and expected[file][0] != print_
    ]


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What happened to a file, in a word or two."""
    if now["bytes"] < before["bytes"]:
        return f"cut to {now['bytes']} of {before['bytes']} bytes"
    return (
        "altered" if now["bytes"] == before["bytes"] else f"altered, {now['bytes']} instead of {before['bytes']} bytes,"
    )


def _origin(makers: Makers, files: Iterable[str]) -> dict[str, Any]:
    """Jobs, commits and environments that a result comes from."""
    jobs = makers.chain(files)
    states = {(r["git"]["commit"], r["git"]["dirty"]) for r in map(makers.records.__getitem__, jobs)}
    return {
        "files": sorted(files),
        "jobs": jobs,
        "commits": [{"commit": c, "dirty": d} for c, d in sorted(states, key=str)],
        "environments": sorted({makers.records[job]["environment"] for job in jobs}),
    }


def _results(plan: Plan, results: Path, makers: Makers, files: Mapping[str, Any]) -> dict[str, Any]:
    """Dataset, models and designs of a run, each with its stanza, seed and where it comes from."""

    folders: dict[Path, list[str]] = {}
    for file in files:
        for folder in Path(file).parents:
            folders.setdefault(folder, []).append(file)

    def below(folder: Path) -> list[str]:
        return folders.get(folder, [])

    found: dict[str, Any] = {}
    dataset = None
    if name := plan.config.run.dataset:
        path = results / "data" / f"{name}.h5"
        dataset = {"file": str(path), "sha256": files[str(path)]["sha256"]} if str(path) in files else None
        stanza = plan.config.datasets[name].model_dump(mode="json")
        found[f"data/{name}"] = {"stanza": stanza, **_origin(makers, [str(path)])}
    for model in plan.models.values():
        for seed in plan.seeds:
            folder = results / "models" / model.name / f"seed{seed}"
            stanza = plan.stanzas[model.stanza]
            found[f"models/{model.name}/seed{seed}"] = {
                "stanza_name": model.stanza,
                "stanza": {"method": stanza.module.__name__, **model.params.model_dump(mode="json")},
                "seed": seed,
                "dataset": None if stanza.own_vectors else dataset,
                **_origin(makers, below(folder)),
            }
    for pair in plan.pairs:
        flow = plan.flows[pair.flow]
        for seed in plan.seeds:
            folder = results / "hardware" / pair.model / f"seed{seed}" / pair.flow
            record = folder / "record.json"
            measured = read_json(record) if record.exists() else {}
            found[f"hardware/{pair.model}/seed{seed}/{pair.flow}"] = {
                "stanza": {"flow": flow.module.__name__, **flow.params.model_dump(mode="json")},
                "seed": seed,
                "model": f"models/{pair.model}/seed{seed}",
                **{key: measured.get(key) for key in ("tool", "version", "stage", "status")},
                **_origin(makers, below(folder)),
            }
    return found


def _rows(table: Path, plan: Plan, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each row of a table, the results it was made from; by its columns model, seed and flow."""
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    if "model" not in rows:
        return []
    linked = []
    for number, row in enumerate(rows.to_dict("records")):
        seeds = [row["seed"]] if row.get("seed") else list(map(str, plan.seeds))
        names = [row["model"], *([row["other"]] if row.get("other") else [])]
        sources = [f"models/{name}/seed{seed}" for name in names for seed in seeds]
        if row.get("flow"):
            sources += [f"hardware/{row['model']}/seed{seed}/{row['flow']}" for seed in seeds]
        keys = {key: row[key] for key in ("model", "other", "seed", "flow") if row.get(key)}
        linked.append({"row": number, **keys, "from": [source for source in sources if source in known]})
    return linked


def write_provenance(plan: Plan, outputs: Iterable[str], path: str) -> None:
    """Gather the provenance of a run. Raises NanotriggerError naming every file that is not what its job left.

    outputs: the last files of the run, from which its jobs are found.
    """
    results = Path(path).parent
    records = read_records(results)
    makers = Makers(records)
    chain = makers.chain(outputs)
    expected = expected_files(records)
    files = {str(file): fingerprint(file) for file in run_files(results)}
    part = frozenset(chain)
    if altered := altered_files({f: p for f, p in files.items() if makers.of(f) in part}, expected):
        raise NanotriggerError(
            f"{len(altered)} files of {results} are not what was made:\n"
            + "\n".join(altered)
            + "\nDelete them and run again: they are then made anew."
        )
    known = _results(plan, results, makers, files)
    external = {p: print_ for job in chain for p, print_ in records[job]["read"].items() if p not in files}
    environments = {records[job]["environment"] for job in chain}
    write_json(
        Path(path),
        {
            "run": plan.config.run.name,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "git": git_state(),
            "environments": {
                name: read_json(results / FOLDER / "environments" / f"{name}.json") for name in environments
            },
            "files": {
                file: {**print_, "job": makers.of(file), "part_of_run": makers.of(file) in part}
                for file, print_ in files.items()
            },
            "read": external,
            "jobs": {
                job: {
                    **{key: records[job][key] for key in ("rule", "git", "environment", "started", "ended")},
                    "record_sha256": record_digest(records[job]),
                }
                for job in chain
            },
            "results": redacted_data(known),
            "tables": {
                str(table.relative_to(results)): linked
                for table in sorted((results / "tables").glob("*.csv"))
                if (linked := _rows(table, plan, known))
            },
        },
    )
