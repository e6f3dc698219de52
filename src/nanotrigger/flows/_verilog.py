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
from nanotrigger.qonnx import host

SIMULATION = ("g++", "make", "perl")
"""Programs that build a simulation."""

TOP = "model"


class ArithmeticParams(HardwareParams):
    """Keys of every flow whose arithmetic alkaid lays out."""

    delay_constraint: int = Field(
        2, ge=-1, description="extra adder depth each matrix may spend on fewer adders; -1: any"
    )
    overflow: Literal["wrap", "saturate"] = Field(
        "wrap", description="what hardware does behind quantisers whose range was traced on data"
    )


class VerilogParams(ArithmeticParams):
    """Keys of every flow that starts from this project's Verilog."""

    latency_cutoff: PositiveFloat = Field(5.0, description="adder delays per pipeline stage, in alkaid's units")


def adder_graph(artifact: Path, params: ArithmeticParams) -> tuple[Any, Any]:
    """A QONNX file's tracer, which knows its ports, and its adders before they are cut into clock cycles (a CombLogic)."""
    from alkaid.trace import HWConfig, trace

    from nanotrigger.qonnx.adder_graph import QONNXTracer
    from nanotrigger.qonnx.execute import load_model

    options = {"hard_dc": params.delay_constraint}
    tracer = QONNXTracer(load_model(artifact), HWConfig(1, -1, -1), options, params.overflow)
    return tracer, trace(*tracer.trace())


def create_project(artifact: Path, kind: str, folder: Path, params: VerilogParams) -> None:
    """Write Verilog, simulation sources, and what a host does before and behind the hardware."""
    tracer, graph = adder_graph(artifact, params)
    write_project(folder, tracer, graph, params, float(graph.cost), latency_cutoff=params.latency_cutoff)


def write_project(
    folder: Path, tracer: Any, logic: Any, params: HardwareParams, adder_cost: float | None, **pipeline: Any
) -> None:
    """Write the Verilog of `logic`, its simulation, the host's part, and design.json.

    logic: an alkaid CombLogic, cut into clock cycles as `pipeline` says, or an FSM, which is one already.
    adder_cost: alkaid's estimate of the LUTs, None where the adders are not alkaid's.
    """
    from alkaid.codegen import RTLModel

    from nanotrigger.results.records import write_json

    rtl = RTLModel(
        logic, folder, TOP, clock_period=params.clock_ns, part_name=params.part, print_latency=False, **pipeline
    )
    rtl.write()
    host.write(tracer, folder)
    latency = {"latency_cycles": int(rtl.latency), "ii": 1}
    write_json(folder / "design.json", {**latency, "notes": tracer.notes, "adder_cost": adder_cost})


def emulate(folder: Path, x: np.ndarray, params: HardwareParams, strict: bool = True) -> np.ndarray:
    """Simulate the Verilog with Verilator, cycle by cycle, on jets put onto the grid of the input port.

    strict: a lint warning is an error.
    """
    return simulate(folder, x, build_simulation(folder, strict, params.timeout_s))


def build_simulation(folder: Path, strict: bool = True, timeout_s: float | None = None) -> Any:
    """The project's Verilog compiled by Verilator and loaded: an alkaid RTLModel. strict: a lint warning is an error.

    Raises ToolError where it does not build, or takes longer than `timeout_s` seconds.
    """
    import subprocess

    from alkaid.codegen import RTLModel

    from nanotrigger.errors import ToolError
    from nanotrigger.tools.run import environment, limited
    from nanotrigger.tools.verilator import provide

    rtl = RTLModel(_pipeline(folder), folder, TOP, ternary_fuse=False)
    variables = provide(folder / "sim/bin")
    if not strict:
        variables["VERILATOR_FLAGS"] = "-Wno-fatal -Wno-lint -Wno-style"
    what = f"the simulation of {folder}"
    with environment(variables), limited(timeout_s, f"building {what}"):
        try:
            rtl._compile(openmp=False, nproc=1, _env=variables)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            raise ToolError(f"{what} does not build ({error})") from None
    return rtl


def simulate(folder: Path, x: np.ndarray, simulation: Any) -> np.ndarray:
    """Outputs (jets, classes) of what `build_simulation` made of a project."""
    return host.outputs(folder, np.asarray(simulation.predict(host.inputs(folder, x), n_threads=1), np.float64))


def simulate_netlist(folder: Path, x: np.ndarray, params: HardwareParams, sources: Sequence[str]) -> np.ndarray:
    """Simulate what synthesis made in place of the Verilog, in the same pipeline of clock cycles.

    sources: what yosys' `read_verilog` takes, in `folder` or yosys' own behind `+/`: the synthesised module and the models
    of its cells.
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
    return host.outputs(folder, outputs)


def reference(folder: Path, x: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """What the simulations are compared with: the file's outputs, or its last integers where those outputs are rounded."""
    return host.reference(folder, x, expected)


def pipeline_latency(folder: Path) -> int:
    """Clock cycles from a jet at the input port to its outputs, as the output port shows them after that edge."""
    (sink,) = _pipeline(folder).out_signals
    return int(sink.schedule.bias)


def input_waves(folder: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """What the bits of the input port hold, (jets,) bool by name, a jet each clock cycle."""
    (source,) = _pipeline(folder).inp_signals
    values = host.inputs(folder, x)
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

    from nanotrigger.results.records import readable

    path = folder / "model/fsm.json.gz"
    with readable(path, AttributeError, TypeError):
        return FSM.load(path)


def pipeline(folder: Path, params: HardwareParams) -> dict[str, Any]:
    """What a ResourceRecord holds of the pipeline that was built, and alkaid's cost of it, by its names."""
    built = design(folder)
    kept = {key: built[key] for key in ("adder_cost", "latency_cycles", "ii")}
    return {**kept, "latency_ns": built["latency_cycles"] * params.clock_ns}


def design(folder: Path) -> dict[str, Any]:
    """What `create_project` noted of the design: latency_cycles, ii, adder_cost and notes."""
    from nanotrigger.results.records import read_json

    return read_json(folder / "design.json")
