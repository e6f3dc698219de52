"""A design's record: what cannot run here is named, and nothing is claimed for it."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nanotrigger import unpack
from nanotrigger.errors import NotRun, ToolError
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.results import designs
from nanotrigger.results.checks import claims, problems
from nanotrigger.results.packing import pack
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


ARCHIVES = {"project": "project.tar.gz", "files": "synthesis.tar.gz", "simulated": "netlist.tar.gz"}


def record(tmp_path, flow, outcome):
    write_json(tmp_path / "synthesis.json", outcome)
    files = {name: str(tmp_path / f"{name}.json") for name in ("synthesis", "emulation", "netlist", "metrics")}
    archives = {key: str(tmp_path / name) for key, name in ARCHIVES.items()}
    designs.write_record(flow, "m", 0, SimpleNamespace(**files, **archives), tmp_path / "record.json")
    return read_json(tmp_path / "record.json")


def test_a_design_that_cannot_be_emulated_claims_no_vectors(tmp_path, design, monkeypatch):
    jets = SimpleNamespace(x=np.zeros((10, 16)))
    monkeypatch.setattr(designs, "read_vectors", lambda path: jets)
    write_json(tmp_path / "synthesis.json", {})
    (tmp_path / "empty").mkdir()
    for name in ARCHIVES.values():
        pack(tmp_path / "empty", tmp_path / name)
    inputs = SimpleNamespace(
        project=str(tmp_path / "project.tar.gz"),
        files=str(tmp_path / "synthesis.tar.gz"),
        synthesis=str(tmp_path / "synthesis.json"),
        vectors="toy.h5",
        outputs=str(tmp_path / "outputs.npy"),
    )
    designs.emulate(design, inputs.project, inputs.vectors, inputs.outputs, str(tmp_path / "emulation.json"))
    designs.simulate_netlist(design, inputs, str(tmp_path / "netlist.json"), str(tmp_path / "netlist.tar.gz"))
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


def test_nothing_is_claimed_of_what_a_run_does_not_have():
    models = pd.DataFrame({"accuracy": [0.7, np.nan]})
    hardware = pd.DataFrame(columns=["vectors", "netlist_vectors", "lut", "area_um2"])
    said = "2 models equal their QONNX files on the whole test split; every accuracy is above a guess"
    assert claims(models, hardware) == f"{said}.\n"
    assert claims(models[1:], hardware) == "1 models equal their QONNX files on the whole test split.\n"
    hardware.loc[0] = [4000, np.nan, np.nan, np.nan]
    assert (
        claims(models, hardware)
        == said.replace("; every", "; 1 designs equal theirs on every emulated jet; every") + ".\n"
    )
    hardware.loc[1] = [4000, 1000, np.nan, 146822.0]
    claimed = claims(models, hardware)
    assert "; 2 designs equal theirs" in claimed and "; 1 netlists equal theirs on every simulated jet;" in claimed
    assert claimed.endswith("every synthesised design has logic.\n")


@pytest.fixture
def tools(tmp_path):
    """A flow whose steps leave files that later ones read, and the paths of one of its designs."""

    def create(artifact, kind, folder, params):
        (folder / "src").mkdir()
        (folder / "src/model.v").write_text(f"module of {artifact.name}")
        (folder / "log").write_text("created")

    def emulate(folder, x, params):
        (folder / "built.o").write_text("object")
        return np.zeros((len(x), 5))

    def synthesize(folder, params):
        assert not (folder / "built.o").exists(), "steps that may run side by side do not see each other's files"
        (folder / "log").write_text("created, synthesised")
        (folder / "netlist.v").write_text("cells")
        return {}

    def simulate_netlist(folder, x, params):
        assert (folder / "netlist.v").exists()
        (folder / "activity").write_text("17")
        return np.zeros((len(x), 5))

    def read_report(folder, params):
        assert (folder / "log").read_text() == "created, synthesised" and (folder / "src/model.v").exists()
        return ResourceRecord(tool="t", lut=int((folder / "activity").read_text()))

    steps = {f.__name__: f for f in (emulate, synthesize, simulate_netlist, read_report)}
    module = SimpleNamespace(__name__="nanotrigger.flows.toy", create_project=create, **steps)
    params = SimpleNamespace(part="p", clock_ns=5.0, emulated_jets=None, netlist_jets=10)
    place = tmp_path / "run/hardware/m/seed0/toy"
    np.save(tmp_path / "outputs.npy", np.zeros((10, 5)))
    write_json(tmp_path / "metrics.json", {"overflows": 0})
    names = ("emulation", "synthesis", "netlist")
    paths = {
        **{key: str(place / name) for key, name in ARCHIVES.items()},
        **{name: str(place / f"{name}.json") for name in names},
        "outputs": str(tmp_path / "outputs.npy"),
        "metrics": str(tmp_path / "metrics.json"),
        "vectors": "toy.h5",
    }
    return SimpleNamespace(name="toy", module=module, params=params), SimpleNamespace(**paths), place


def build(tmp_path, flow, paths, place):
    designs.create_project(flow, tmp_path / "model.onnx", "qonnx", paths.project)
    designs.emulate(flow, paths.project, paths.vectors, paths.outputs, paths.emulation)
    designs.synthesize(flow, paths.project, paths.synthesis, paths.files)
    designs.simulate_netlist(flow, paths, paths.netlist, paths.simulated)
    designs.write_record(flow, "m", 0, paths, str(place / "record.json"))


@pytest.fixture
def jets(monkeypatch):
    monkeypatch.setattr(designs, "read_vectors", lambda path: SimpleNamespace(x=np.zeros((10, 16))))


def test_a_finished_design_is_packed_and_opens_as_the_tools_saw_it(tmp_path, tools, jets, capsys):
    flow, paths, place = tools
    build(tmp_path, flow, paths, place)
    assert read_json(place / "record.json")["lut"] == 17
    assert {path.name for path in place.iterdir()} == {
        "project.tar.gz", "emulation.json", "synthesis.json", "synthesis.tar.gz", "netlist.json", "netlist.tar.gz",
        "record.json",
    }  # fmt: skip
    before = {path.name: path.read_bytes() for path in place.glob("*.tar.gz")}
    build(tmp_path, flow, paths, place)
    assert {path.name: path.read_bytes() for path in place.glob("*.tar.gz")} == before
    assert unpack.main([str(place), str(tmp_path / "opened")]) == 0
    opened = {path.name: path.read_text() for path in (tmp_path / "opened").rglob("*") if path.is_file()}
    assert opened == {
        "model.v": "module of model.onnx", "log": "created, synthesised", "netlist.v": "cells", "activity": "17"
    }  # fmt: skip
    assert unpack.main([str(place), str(tmp_path / "opened")]) == 1, "nothing that is there is overwritten"
    assert "Name another folder" in capsys.readouterr().err


def test_what_a_step_that_failed_left_is_kept_until_its_next_try(tmp_path, tools, jets):
    """Messages name logs in it; what it left is not taken for a result, and does not confuse the next try."""
    flow, paths, place = tools
    build(tmp_path, flow, paths, place)
    works = flow.module.synthesize

    def fails(folder, params):
        (folder / "vivado.log").write_text("licence expired")
        raise ToolError("vivado failed")

    flow.module.synthesize = fails
    before = (place / "synthesis.tar.gz").read_bytes()
    with pytest.raises(ToolError):
        designs.synthesize(flow, paths.project, paths.synthesis, paths.files)
    assert (place / "project_synthesize/vivado.log").read_text() == "licence expired"
    assert not (place / "record.json").exists()
    flow.module.synthesize = works
    designs.synthesize(flow, paths.project, paths.synthesis, paths.files)
    assert (place / "synthesis.tar.gz").read_bytes() == before and not (place / "project_synthesize").exists()


def test_an_error_of_what_synthesis_left_says_how_to_repeat_it(tmp_path, tools, jets):
    flow, paths, place = tools
    build(tmp_path, flow, paths, place)
    lists = tmp_path / "run/provenance/batches/1/0000/toy"
    lists.mkdir(parents=True)

    def garbage(folder, *arguments):
        raise ToolError("netlist.v: not a whole netlist")

    flow.module.simulate_netlist = flow.module.read_report = garbage
    damaged = f"netlist.v: not a whole netlist\nWhere the tools left something damaged: delete {paths.files} "
    with pytest.raises(ToolError, match=f"^{re.escape(damaged)}and run again, which repeats the synthesis"):
        designs.simulate_netlist(flow, paths, paths.netlist, paths.simulated)
    # in a run in batches the DAG sees the list
    (lists / "synthesis.tar.gz.list").write_text(f"00  {paths.files}\n")
    with pytest.raises(
        ToolError, match=f"delete {re.escape(paths.files)} {re.escape(str(lists))}/synthesis.tar.gz.list and"
    ):
        designs.write_record(flow, "m", 0, paths, str(place / "record.json"))
