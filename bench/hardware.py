"""From QONNX to gates: the rtl flow, step by step, on one core.

Designs are those of the quickstart, smallest first; outputs are compared with the QONNX file's. Vectors are the test jets,
repeated; their time begins after the build and holds what the host does before and behind the hardware. yosys' cache is warm.
The whole flow is that of the largest HGQ model, in one new process: Python's start and imports, project, emulation of all
test jets, synthesis, simulation of the netlist on 1,000 jets, record.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bench._designs import Model, check, designs
from bench.base import Measurement, Options, in_new_process, one_core, repeated

VECTORS = 100_000
VECTORS_S = 2.0
FLOW_S = 180.0


def measure(options: Options) -> Iterator[Measurement]:
    from nanotrigger.tools.run import run_tool
    from nanotrigger.tools.yosys import PROGRAM

    models = designs(options, "rtl")
    with one_core(), tempfile.TemporaryDirectory() as scratch:
        run_tool([PROGRAM, "-V"], Path(scratch), "warm_yosys.log", timeout_s=900)
        for model in models:
            folder = Path(scratch) / model.name.replace("/", "_")
            yield from _steps(model, folder)
            shutil.rmtree(folder)
        if hgq := [model for model in models if model.method == "hgq"]:
            largest = max(hgq, key=lambda model: model.ebops)
            count = iter(range(100))
            seconds = repeated(lambda: in_new_process(whole_flow, largest, Path(scratch) / f"whole{next(count)}"))
            yield Measurement(largest.name, "whole rtl flow", "s", seconds, at_most=FLOW_S)


def _steps(model: Model, folder: Path) -> Iterator[Measurement]:
    from nanotrigger.flows import _verilog, rtl
    from nanotrigger.qonnx import adder_graph  # noqa: F401  its imports are not what is measured

    params = rtl.Params()

    def row(quantity: str, function: Callable[[], None], **asked: float) -> Measurement:
        return Measurement(model.name, quantity, "s", repeated(function), **asked)

    def project() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rtl.create_project(model.qonnx, "qonnx", folder, params)

    simulation = None

    def build() -> None:
        nonlocal simulation
        simulation = _verilog.build_simulation(folder)

    found = None

    def simulate() -> None:
        nonlocal found
        found = _verilog.simulate(folder, vectors, simulation)

    def netlist() -> None:
        nonlocal found
        found = rtl.simulate_netlist(folder, jets, params)

    vectors = np.resize(model.jets, (VECTORS, *model.jets.shape[1:]))
    yield row("QONNX to Verilog", project)
    yield row("Verilator build", build)
    simulated = row(f"simulation of {VECTORS:,} vectors", simulate, at_most=VECTORS_S)
    check(found, _reference(model, folder, vectors), f"{model.name}: the simulated Verilog")
    yield simulated
    rates = tuple(VECTORS / seconds for seconds in simulated.values)
    yield Measurement(model.name, "simulated vectors per second", "1/s", rates)
    yield row("synthesis by yosys", lambda: rtl.synthesize(folder, params))
    jets = model.jets[: params.netlist_jets]
    simulated = row(f"simulation of the netlist, {len(jets):,} jets", netlist)
    check(found, _reference(model, folder, jets), f"{model.name}: the netlist")
    yield simulated


def _reference(model: Model, folder: Path, vectors: np.ndarray) -> np.ndarray:
    from nanotrigger.flows import rtl

    expected = np.resize(model.expected, (len(vectors), model.expected.shape[1]))
    return rtl.reference(folder, vectors, expected)


def whole_flow(model: Model, folder: Path) -> None:
    """What the workflow does with one model, from its file to its record."""
    from nanotrigger.flows import rtl

    params = rtl.Params()
    folder.mkdir()
    rtl.create_project(model.qonnx, "qonnx", folder, params)
    emulated = rtl.emulate(folder, model.jets, params)
    check(emulated, rtl.reference(folder, model.jets, model.expected), f"{model.name}: the simulated Verilog")
    rtl.synthesize(folder, params)
    jets = model.jets[: params.netlist_jets]
    netlist = rtl.simulate_netlist(folder, jets, params)
    check(netlist, rtl.reference(folder, jets, model.expected[: len(jets)]), f"{model.name}: the netlist")
    rtl.read_report(folder, params)
