"""What all flows share that start from Verilog: a QONNX file becomes adders (alkaid), a pipeline, and a simulation.

Every multiplication by a constant becomes shifts and adders shared across the layer, so a design takes no DSP and a new
jet every clock cycle.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from nanotrigger.flows.base import HardwareParams

SIMULATION = ("g++", "make", "perl")
"""Programs that build a simulation."""

TOP = "model"
FEW = 50_000
"""Vectors below which optimising the simulation costs more time than it saves."""


class VerilogParams(HardwareParams):
    """Keys of every flow that starts from this project's Verilog."""

    latency_cutoff: PositiveFloat = Field(5.0, description="adder delays per pipeline stage, in alkaid's units")
    delay_constraint: int = Field(
        2, ge=-1, description="extra adder depth each matrix may spend on fewer adders; -1: any"
    )
    overflow: Literal["wrap", "saturate"] = Field(
        "wrap", description="what hardware does behind quantisers whose range was traced on data"
    )


def create_project(artifact: Path, kind: str, folder: Path, params: VerilogParams) -> None:
    """Write Verilog, simulation sources and the format of the input port."""
    from alkaid.codegen import RTLModel
    from alkaid.trace import HWConfig, trace

    from nanotrigger.qonnx.adder_graph import QONNXTracer, input_quantiser
    from nanotrigger.qonnx.execute import load_model
    from nanotrigger.results.records import write_json

    model = load_model(artifact)
    tracer = QONNXTracer(model, HWConfig(1, -1, -1), {"hard_dc": params.delay_constraint}, params.overflow)
    graph = trace(*tracer.trace())
    rtl = RTLModel(
        graph,
        folder,
        TOP,
        latency_cutoff=params.latency_cutoff,
        clock_period=params.clock_ns,
        part_name=params.part,
        print_latency=False,
    )
    rtl.write()
    port = input_quantiser(model)
    np.savez(folder / "port.npz", step=port.step, low=port.low, high=port.high, rounding=port.rounding)
    write_json(folder / "design.json", {"latency_cycles": int(rtl.latency), "ii": 1, "adder_cost": float(graph.cost)})


def emulate(folder: Path, x: np.ndarray, params: VerilogParams) -> np.ndarray:
    """Simulate the Verilog with Verilator, cycle by cycle, on jets put onto the grid of the input port."""
    return _simulate(folder, folder, x, strict=True)


def simulate_netlist(
    folder: Path, x: np.ndarray, params: VerilogParams, sources: Sequence[Path], defines: Sequence[str] = ()
) -> np.ndarray:
    """Simulate what synthesis made in place of the Verilog, in the same pipeline of clock cycles.

    sources: Verilog files that hold the synthesised module and the models of its cells; defines: macros set for them.
    """
    bench = folder / "netlist"
    shutil.rmtree(bench, ignore_errors=True)
    (bench / "src/static").mkdir(parents=True)
    shutil.copytree(folder / "sim", bench / "sim", ignore=shutil.ignore_patterns("bin", "*.so"))
    shutil.copy(folder / "src" / f"{TOP}_wrapper.v", bench / "src")
    for source in sources:
        shutil.copy(source, bench / "src")
    outputs = _simulate(folder, bench, x, strict=False, defines=defines)
    shutil.rmtree(bench)
    return outputs


def _simulate(folder: Path, bench: Path, x: np.ndarray, strict: bool, defines: Sequence[str] = ()) -> np.ndarray:
    """Build the simulation that lies in `bench` and run the jets through it. strict: a lint warning is an error."""
    from alkaid.codegen import RTLModel
    from alkaid.stateful import FSM

    from nanotrigger.errors import ToolError
    from nanotrigger.qonnx.fixed_point import Quantiser
    from nanotrigger.tools.run import environment
    from nanotrigger.tools.verilator import provide

    with np.load(folder / "port.npz", allow_pickle=False) as port:
        on_grid = Quantiser(port["step"], port["low"], port["high"], str(port["rounding"]))(x)
    rtl = RTLModel(FSM.load(folder / "model/fsm.json.gz"), bench, TOP, ternary_fuse=False)
    rtl._dirty = not strict
    # measured: without optimisation a design builds in two thirds of the time and simulates ten times slower
    variables = provide(bench / "sim/bin", "-O0" if len(x) < FEW else "-O1")
    if not strict:
        flags = ["-Wno-fatal -Wno-lint -Wno-style -Wno-UNOPTFLAT -Wno-SPECIFYIGN", *(f"-D{name}" for name in defines)]
        variables["VERILATOR_FLAGS"] = " ".join(flags)
    with environment(variables):
        try:
            rtl._compile(openmp=False, nproc=1, _env=variables)
        except RuntimeError as error:
            raise ToolError(f"the simulation of {bench} does not build ({error})") from None
        return np.asarray(rtl.predict(on_grid, n_threads=1), np.float64)


def design(folder: Path) -> dict[str, Any]:
    """What `create_project` noted of the design: latency_cycles, ii, adder_cost."""
    from nanotrigger.results.records import read_json

    return read_json(folder / "design.json")
