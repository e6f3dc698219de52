"""A design's record: what cannot run here is named, and nothing is claimed for it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nanotrigger.errors import NotRun
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.results import designs
from nanotrigger.results.checks import problems
from nanotrigger.results.records import read_json, write_json


@pytest.fixture
def design(tmp_path):
    """A flow that cannot emulate here, and the files of its design."""

    def cannot(folder, x, params):
        raise NotRun("icpx not on PATH")

    module = SimpleNamespace(
        __name__="nanotrigger.flows.hls4ml",
        emulate=cannot,
        simulate_netlist=cannot,
        read_report=lambda folder, params: ResourceRecord(tool="oneAPI", lut=5, notes=("a note",)),
    )
    params = SimpleNamespace(part="Agilex7", clock_ns=5.0, emulated_jets=None, netlist_jets=10)
    np.save(tmp_path / "outputs.npy", np.zeros((10, 5)))
    write_json(tmp_path / "metrics.json", {"overflows": 0})
    return SimpleNamespace(name="oneapi", module=module, params=params)


def record(tmp_path, flow, outcome):
    write_json(tmp_path / "synthesis.json", outcome)
    files = {name: str(tmp_path / f"{name}.json") for name in ("synthesis", "emulation", "netlist", "metrics")}
    designs.write_record(flow, "m", 0, SimpleNamespace(**files), tmp_path / "record.json")
    return read_json(tmp_path / "record.json")


def test_a_design_that_cannot_be_emulated_claims_no_vectors(tmp_path, design, monkeypatch):
    jets = SimpleNamespace(x=np.zeros((10, 16)))
    monkeypatch.setattr(designs, "read_vectors", lambda path: jets)
    write_json(tmp_path / "synthesis.json", {})
    paths = [str(tmp_path), "toy.h5", str(tmp_path / "outputs.npy")]
    designs.emulate(design, *paths, tmp_path / "emulation.json")
    designs.simulate_netlist(design, *paths, str(tmp_path / "synthesis.json"), tmp_path / "netlist.json")
    row = record(tmp_path, design, {})
    assert row["status"] == "done; not emulated: icpx not on PATH"
    assert (row["vectors"], row["mismatches"], row["netlist_vectors"], row["netlist_mismatches"]) == (None,) * 4
    assert row["notes"] == ["a note", "netlist not simulated: icpx not on PATH"]
    absent = record(tmp_path, design, {"status": "icpx not on PATH"})
    assert absent["status"] == "icpx not on PATH; not emulated: icpx not on PATH" and absent["lut"] is None
    # the check of the results accepts a row that says so, and no other without vectors
    table = pd.DataFrame([row, {**row, "status": "done"}]).drop(columns=["notes", "cells"])
    table.to_csv(tmp_path / "hardware.csv", index=False)
    table = pd.read_csv(tmp_path / "hardware.csv")
    models = pd.DataFrame(columns=["model"])
    assert problems(models, table[:1]) == []
    assert problems(models, table) == ["m, seed 0, oneapi: was not emulated"]
