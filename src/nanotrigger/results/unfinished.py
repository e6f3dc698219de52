"""What a run that failed has so far: the table of designs, with an error in the row of each one that failed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nanotrigger.errors import NanotriggerError
from nanotrigger.logs import MARK, last_error
from nanotrigger.plan import Pair, Plan
from nanotrigger.results.job_records import OF_DESIGN, OF_MODEL
from nanotrigger.results.records import read_json, replace_when_whole
from nanotrigger.results.tables import hardware_table, integers


def failure(
    results: Path, logs: Path, stanza: str, chunk: int, pair: Pair, seed: int, since: float, batch: str | None = None
) -> str:
    """Why a design has no record: the first step towards it that began after `since` and left no result.

    stanza, chunk: where its model trains. batch: in which its exports and designs are made, if in any.
    """
    model, design = (
        results / f"models/{pair.model}/seed{seed}",
        results / f"hardware/{pair.model}/seed{seed}/{pair.flow}",
    )
    place = f"{pair.model},{seed}"
    steps = [
        *((log, results / "training" / stanza / log.stem) for log in sorted(logs.glob(f"prepare/{stanza}/*.log"))),
        (logs / f"train/{stanza}/{chunk}.log", results / f"training/{stanza}/trained/{chunk}"),
        (logs / f"export/{place}.log", model / "model.onnx"),
        (logs / f"check_export/{place}.log", model / "metrics.json"),
        (logs / f"create_project/{place},{pair.flow}.log", design / "project.tar.gz"),
        (logs / f"emulate/{place},{pair.flow}.log", design / "emulation.json"),
        (logs / f"synthesize/{place},{pair.flow}.log", design / "synthesis.json"),
        (logs / f"simulate_netlist/{place},{pair.flow}.log", design / "netlist.json"),
        (logs / f"read_report/{place},{pair.flow}.log", design / "record.json"),
    ]
    for log, result in steps:
        if log.exists() and log.stat().st_mtime >= since and not result.exists():
            return f"failed in {log.relative_to(logs).parts[0]}: {last_error(log)} (log: {log})"
    for step in (*OF_MODEL, *OF_DESIGN) if batch else ():
        log = logs / f"{step}_batch" / (f"{batch}.log" if step in OF_MODEL else f"{batch}/{pair.flow}.log")
        if log.exists() and log.stat().st_mtime >= since and MARK in log.read_text(errors="replace"):
            return f"not reached: {step} failed for others of its batch (log: {log})"
    return "not reached: the run stopped before"


def write_unfinished(
    plan: Plan, results: Path, logs: Path, since: float, batches: Mapping[str, Sequence[tuple[str, int]]]
) -> Path | None:
    """Write the table of designs as it stands, beside the one of a finished run; None if every design is done.

    since: when this run began (seconds since the epoch); older logs are of other runs. batches: models and seeds of each.
    """
    batch_of = {member: batch for batch, members in batches.items() for member in members}
    found, rows = [], []
    for pair in plan.pairs:
        for seed in plan.seeds:
            record = results / "hardware" / pair.model / f"seed{seed}" / pair.flow / "record.json"
            named = {"model": pair.model, "flow": pair.flow, "seed": seed}
            if record.exists():
                try:
                    read_json(record)
                    found.append(str(record))
                except NanotriggerError as error:
                    rows.append({**named, "status": str(error)})
                continue
            stanza, chunk = plan.models[pair.model].stanza, plan.chunks[pair.model]
            batch = batch_of.get((pair.model, seed))
            status = failure(results, logs, stanza, chunk, pair, seed, since, batch)
            rows.append({**named, "status": status})
    if not rows:
        return None
    path = results / "tables" / "hardware_unfinished.csv"
    with replace_when_whole(path) as temporary:
        integers(hardware_table(found, plan, rows)).to_csv(temporary, index=False, lineterminator="\n")
    return path
