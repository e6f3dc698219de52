"""One design: a model in a flow, simulated against its QONNX file before and after synthesis, and its record."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.data.dataset import read_vectors
from nanotrigger.errors import NotRun, ToolError
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.plan import Flow
from nanotrigger.progress import doing
from nanotrigger.results.records import read_array, read_json, write_json

NOT_EMULATED = "not emulated"
"""What the status of a row says that has no vectors, before the reason."""


def begin(project: str) -> None:
    """Remove the record to which a step leads that is run again: if the step fails, none is left that looks like its own."""
    (Path(project).parent / "record.json").unlink(missing_ok=True)


def emulate(flow: Flow, project: str, vectors: str, outputs: str, path: str) -> None:
    """Run a hardware project on test jets and compare it with the QONNX file's outputs."""
    _compare(flow.module.emulate, flow, project, vectors, outputs, flow.params.emulated_jets, path)


def simulate_netlist(flow: Flow, project: str, vectors: str, outputs: str, synthesis: str, path: str) -> None:
    """Run what synthesis made on test jets and compare it with the QONNX file's outputs.

    Where nothing was synthesised, or the flow leaves no netlist, nothing is compared and the result says so.
    """
    run = getattr(flow.module, "simulate_netlist", None)
    if run is None or read_json(Path(synthesis)).get("status"):
        write_json(Path(path), {"vectors": None, "mismatches": None})
    else:
        with _made_by(synthesis):
            _compare(run, flow, project, vectors, outputs, flow.params.netlist_jets, path)


@contextmanager
def _made_by(synthesis: str) -> Iterator[None]:
    """Say beside an error of what synthesis left how to have it anew: its own job ended well."""
    try:
        yield
    except ToolError as error:
        raise ToolError(
            f"{error}\nWhere the tools left something damaged: delete {synthesis} and run again, which repeats the synthesis."
        ) from None


def _compare(
    run: Callable[..., Any], flow: Flow, project: str, vectors: str, outputs: str, count: int | None, path: str
) -> None:
    """Count the rows that differ from the QONNX file's outputs among the first `count` of the test split; all if None.

    Mismatches are recorded, not hidden and not fatal here: the table shows them and the check of the results fails.
    Where the simulation cannot run here, nothing is claimed and the reason is recorded.
    """
    begin(project)
    expected = read_array(Path(outputs))[:count]
    x = read_vectors(Path(vectors)).x[:count]
    count = len(x)
    if reference := getattr(flow.module, "reference", None):
        expected = reference(Path(project), x, expected)
    start = time.monotonic()
    try:
        with doing(f"simulating {count} vectors"):
            found = np.asarray(run(Path(project), x, flow.params))
    except NotRun as reason:
        write_json(Path(path), {"vectors": None, "mismatches": None, "status": str(reason)})
        return
    if found.shape != expected.shape:
        raise ToolError(f"{project}: simulation gave outputs {found.shape}, the QONNX file {expected.shape}")
    rows = np.flatnonzero((found != expected).any(1))
    result = {"vectors": count, "mismatches": len(rows), "seconds": round(time.monotonic() - start, 3)}
    if len(rows):
        first = int(rows[0])
        result |= {"first_row": first, "found": found[first].tolist(), "expected": expected[first].tolist()}
    write_json(Path(path), result)


def write_record(flow: Flow, model: str, seed: int, inputs: Any, path: str) -> None:
    """Join what synthesis reported, what the simulations found and what the file's own run counted into a record."""
    outcome, emulated, netlist, metrics = (
        read_json(Path(file)) for file in (inputs.synthesis, inputs.emulation, inputs.netlist, inputs.metrics)
    )
    if outcome.get("status"):
        record = ResourceRecord(tool=flow.module.__name__.rpartition(".")[2], status=outcome["status"])
    else:
        with _made_by(inputs.synthesis):
            record = flow.module.read_report(Path(inputs.synthesis).parent / "project", flow.params)
    if reason := emulated.get("status"):
        record = replace(record, status=f"{record.status}; {NOT_EMULATED}: {reason}")
    if reason := netlist.get("status"):
        record = replace(record, notes=(*record.notes, f"netlist not simulated: {reason}"))
    write_json(
        Path(path),
        {
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
        },
    )
