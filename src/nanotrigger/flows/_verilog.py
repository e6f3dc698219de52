"""What all flows share that start from Verilog: a QONNX file becomes adders (alkaid), a pipeline, and a simulation.

Every multiplication by a constant becomes shifts and adders shared across the layer, so a design takes no DSP and a new
jet every clock cycle.
"""

from collections.abc import Iterator, Sequence
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
    from alkaid.codegen import RTLModel

    from nanotrigger.errors import ToolError
    from nanotrigger.tools.run import environment
    from nanotrigger.tools.verilator import provide

    rtl = RTLModel(_pipeline(folder), folder, TOP, ternary_fuse=False)
    # measured: without optimisation a design builds in two thirds of the time and simulates ten times slower
    variables = provide(folder / "sim/bin", "-O0" if len(x) < FEW else "-O1")
    with environment(variables):
        try:
            rtl._compile(openmp=False, nproc=1, _env=variables)
        except RuntimeError as error:
            raise ToolError(f"the simulation of {folder} does not build ({error})") from None
        return np.asarray(rtl.predict(_on_grid(folder, x), n_threads=1), np.float64)


def simulate_netlist(folder: Path, x: np.ndarray, params: VerilogParams, sources: Sequence[str]) -> np.ndarray:
    """Simulate what synthesis made in place of the Verilog, in the same pipeline of clock cycles.

    sources: Verilog files in `folder`, or yosys' own behind `+/`: the synthesised module and the models of its cells.
    """
    from nanotrigger.tools.aiger import netlist_graph

    (sink,) = _pipeline(folder).out_signals
    latency = pipeline_latency(folder)
    cycles = len(x) + latency
    waves = input_waves(folder, x[np.arange(cycles) % len(x)])
    graph = netlist_graph(folder, sources, TOP, params.timeout_s)
    found = graph.simulate(waves, cycles)
    outputs = np.zeros((len(x), sink.size))
    for element, name, weight in _port_bits(sink):
        outputs[:, element] += weight * found[name][latency:]
    return outputs


def pipeline_latency(folder: Path) -> int:
    """Clock cycles from a jet at the input port to its outputs, as the output port shows them after that edge."""
    (sink,) = _pipeline(folder).out_signals
    return int(sink.schedule.bias)


def input_waves(folder: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """What the bits of the input port hold, (jets,) bool by name, a jet each clock cycle."""
    (source,) = _pipeline(folder).inp_signals
    values = _on_grid(folder, x).reshape(len(x), -1)
    # floor division keeps two's complement: bit n of a negative number is that of its integer
    return {
        name: (np.floor(values[:, element] / abs(weight)).astype(np.int64) & 1).astype(bool)
        for element, name, weight in _port_bits(source)
    }


def _port_bits(signal: Any) -> Iterator[tuple[int, str, float]]:
    """Element, the port's bit and its weight, that of a sign bit negative, for a port of packed fixed-point numbers."""
    width, position = sum(max(sum(p), 0) for p in signal.precisions), 0
    for element, precision in enumerate(signal.precisions):
        bits = max(sum(precision), 0)
        for bit in range(bits):
            name = f"{signal.name}[{position}]" if width > 1 else signal.name
            sign = -1 if precision.signed and bit == bits - 1 else 1
            yield element, name, sign * 2.0 ** (bit - precision.fractional)
            position += 1


def _pipeline(folder: Path) -> Any:
    from alkaid.stateful import FSM

    return FSM.load(folder / "model/fsm.json.gz")


def _on_grid(folder: Path, x: np.ndarray) -> np.ndarray:
    """Jets as the input port holds them."""
    from nanotrigger.qonnx.fixed_point import Quantiser

    with np.load(folder / "port.npz", allow_pickle=False) as port:
        return Quantiser(port["step"], port["low"], port["high"], str(port["rounding"]))(x)


def design(folder: Path) -> dict[str, Any]:
    """What `create_project` noted of the design: latency_cycles, ii, adder_cost."""
    from nanotrigger.results.records import read_json

    return read_json(folder / "design.json")
