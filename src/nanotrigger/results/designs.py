"""One design: a model in a flow, simulated against its QONNX file before and after synthesis, and its record."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.batches import lists_with
from nanotrigger.data.dataset import read_vectors
from nanotrigger.errors import NotRun, ToolError
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.plan import Flow
from nanotrigger.progress import doing
from nanotrigger.results.packing import pack, state, unpacked
from nanotrigger.results.records import read_array, read_json, write_json

NOT_EMULATED = "not emulated"
"""What the status of a row says that has no vectors, before the reason."""


def begin(result: str) -> None:
    """Remove the record to which a step leads that is run again: if the step fails, none is left that looks like its own."""
    (Path(result).parent / "record.json").unlink(missing_ok=True)


def create_project(flow: Flow, artifact: Path, kind: str, path: str) -> None:
    """Write a hardware project and pack it."""
    begin(path)
    with unpacked(Path(path).with_name("project")) as folder:
        flow.module.create_project(artifact, kind, folder, flow.params)
        pack(folder, Path(path))


def emulate(flow: Flow, project: str, vectors: str, outputs: str, path: str) -> None:
    """Run a hardware project on test jets and compare it with the QONNX file's outputs. What was built for it is not kept."""
    begin(path)
    with unpacked(Path(path).with_name("project_emulate"), project) as folder:
        result = _compare(flow.module.emulate, flow, folder, vectors, outputs, flow.params.emulated_jets)
    write_json(Path(path), result)


def synthesize(flow: Flow, project: str, path: str, archive: str) -> None:
    """Run the tools on a project; pack what they left."""
    begin(path)
    with unpacked(Path(path).with_name("project_synthesize"), project) as folder:
        before = state(folder)
        outcome = flow.module.synthesize(folder, flow.params)
        pack(folder, Path(archive), before)
    write_json(Path(path), outcome)


def simulate_netlist(flow: Flow, inputs: Any, path: str, archive: str) -> None:
    """Run what synthesis made on test jets, compare it with the QONNX file's outputs, and pack what is measured on the way.

    Where nothing was synthesised, or the flow leaves no netlist, nothing is compared and the result says so.
    inputs: paths `project`, `files` (what synthesis left), `synthesis`, `vectors` and `outputs`.
    """
    begin(path)
    run = getattr(flow.module, "simulate_netlist", None)
    with unpacked(Path(path).with_name("project_netlist"), inputs.project, inputs.files) as folder:
        before = state(folder)
        if run is None or read_json(Path(inputs.synthesis)).get("status"):
            result = {"vectors": None, "mismatches": None}
        else:
            with _made_by(inputs.files):
                result = _compare(run, flow, folder, inputs.vectors, inputs.outputs, flow.params.netlist_jets)
        pack(folder, Path(archive), before)
    write_json(Path(path), result)


@contextmanager
def _made_by(files: str) -> Iterator[None]:
    """Say beside an error of what synthesis left how to have it anew: its own job ended well. files: its archive."""
    try:
        yield
    except ToolError as error:
        run = Path(files).parents[4]
        remove = " ".join([files, *lists_with(run, files)])
        raise ToolError(
            f"{error}\nWhere the tools left something damaged: delete {remove} and run again, which repeats the synthesis."
        ) from None


def _compare(
    run: Callable[..., Any], flow: Flow, project: Path, vectors: str, outputs: str, count: int | None
) -> dict[str, Any]:
    """Count the rows that differ from the QONNX file's outputs among the first `count` of the test split; all if None.

    Mismatches are recorded, not hidden and not fatal here: the table shows them and the check of the results fails.
    Where the simulation cannot run here, nothing is claimed and the reason is recorded.
    """
    expected = read_array(Path(outputs))[:count]
    x = read_vectors(Path(vectors)).x[:count]
    count = len(x)
    if reference := getattr(flow.module, "reference", None):
        expected = reference(project, x, expected)
    start = time.monotonic()
    try:
        with doing(f"simulating {count} vectors"):
            found = np.asarray(run(project, x, flow.params))
    except NotRun as reason:
        return {"vectors": None, "mismatches": None, "status": str(reason)}
    if found.shape != expected.shape:
        raise ToolError(f"{project}: simulation gave outputs {found.shape}, the QONNX file {expected.shape}")
    rows = np.flatnonzero((found != expected).any(1))
    result = {"vectors": count, "mismatches": len(rows), "seconds": round(time.monotonic() - start, 3)}
    if len(rows):
        first = int(rows[0])
        result |= {"first_row": first, "found": found[first].tolist(), "expected": expected[first].tolist()}
    return result


def write_record(flow: Flow, model: str, seed: int, inputs: Any, path: str) -> None:
    """Join what synthesis reported, what the simulations found and what the file's own run counted into a record.

    inputs: paths of the archives `project`, `files` and `simulated`, and of `synthesis`, `emulation`, `netlist`, `metrics`.
    """
    outcome, emulated, netlist, metrics = (
        read_json(Path(file)) for file in (inputs.synthesis, inputs.emulation, inputs.netlist, inputs.metrics)
    )
    if outcome.get("status"):
        record = ResourceRecord(tool=flow.module.__name__.rpartition(".")[2], status=outcome["status"])
    else:
        archives = (inputs.project, inputs.files, inputs.simulated)
        with unpacked(Path(path).with_name("project_report"), *archives) as folder, _made_by(inputs.files):
            record = flow.module.read_report(folder, flow.params)
    if reason := emulated.get("status"):
        record = replace(record, status=f"{record.status}; {NOT_EMULATED}: {reason}")
    if reason := netlist.get("status"):
        record = replace(record, notes=(*record.notes, f"netlist not simulated: {reason}"))
    write_json(Path(path), joined(flow, model, seed, record, emulated, netlist, metrics))


def joined(
    flow: Flow,
    model: str,
    seed: int,
    record: ResourceRecord,
    emulated: dict[str, Any],
    netlist: dict[str, Any],
    metrics: dict[str, Any],
) -> dict[str, Any]:
    """The row of a design: its record with what its simulations and its model's file counted."""
    return {
        "model": model,
        "seed": seed,
        "flow": flow.name,
        "part": flow.params.part,
        "clock_ns": flow.params.clock_ns,
        **asdict(record),
        "vectors": emulated["vectors"],
        "mismatches": emulated["mismatches"],
        "netlist_vectors": netlist["vectors"],
        "netlist_mismatches": netlist["mismatches"],
        "overflows": metrics["overflows"],
    }
