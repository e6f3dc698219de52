"""One design: a model in a flow, emulated against its QONNX file, and its record."""

import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from nanotrigger.data.dataset import read_dataset
from nanotrigger.errors import ToolError
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.plan import Flow
from nanotrigger.results.records import read_json, write_json


def emulate(flow: Flow, project: str, dataset: str, outputs: str, path: str) -> None:
    """Run a hardware project on test jets and count the rows that differ from the QONNX file's outputs.

    Mismatches are recorded, not hidden and not fatal here: the table shows them and the check of the results fails.
    """
    expected = np.load(outputs, allow_pickle=False)
    x = read_dataset(Path(dataset)).standardised("test").x
    count = min(flow.params.emulated_jets or len(x), len(x))
    start = time.monotonic()
    found = np.asarray(flow.module.emulate(Path(project), x[:count], flow.params))
    if found.shape != expected[:count].shape:
        raise ToolError(f"{project}: emulation gave outputs {found.shape}, the QONNX file {expected[:count].shape}")
    rows = np.flatnonzero((found != expected[:count]).any(1))
    result = {"vectors": count, "mismatches": len(rows), "seconds": round(time.monotonic() - start, 3)}
    if len(rows):
        first = int(rows[0])
        result |= {"first_row": first, "found": found[first].tolist(), "expected": expected[first].tolist()}
    write_json(Path(path), result)


def write_record(flow: Flow, model: str, seed: int, synthesis: str, emulation: str, path: str) -> None:
    """Join what synthesis reported and what emulation found into a design's record."""
    outcome, emulated = read_json(Path(synthesis)), read_json(Path(emulation))
    if outcome.get("status"):
        record = ResourceRecord(tool=flow.module.__name__.rpartition(".")[2], status=outcome["status"])
    else:
        record = flow.module.read_report(Path(synthesis).parent / "project", flow.params)
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
        },
    )
