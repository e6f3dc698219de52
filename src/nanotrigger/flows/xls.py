"""XLS: QONNX -> Google's open HLS compiler, which schedules and writes the pipeline -> Verilator -> yosys.

The open high-level synthesiser beside hls4ml. alkaid reads the QONNX file, chooses the exact width of every value and
writes XLS' intermediate representation; from there XLS decides: its optimisation passes (narrowing, strength reduction,
common subexpressions, reassociation of sums), the clock cycle of every operation and with it the pipeline's registers and
latency, and the Verilog. With `arithmetic: adders` alkaid has turned the constant matrices into shared adders before,
and XLS schedules those; with `multipliers` XLS is given a product per weight, as a loop would be, and that too is its own.
A clock period is met in XLS' delay model of an ASIC process, since it has none of an FPGA: how far that is from the
part's own logic delay, `logic_delay_ns` in the record says.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from nanotrigger.flows import _verilog, _xilinx
from nanotrigger.flows._verilog import TOP, ArithmeticParams, reference  # noqa: F401  part of the contract
from nanotrigger.flows._xilinx import (  # noqa: F401  part of the contract
    XilinxParams,
    requires,
    simulate_netlist,
    synthesize,
)
from nanotrigger.flows.base import ResourceRecord

accepts = ("qonnx",)


class Params(ArithmeticParams, XilinxParams):
    """Config stanza of an XLS flow."""

    arithmetic: Literal["adders", "multipliers"] = Field(
        "adders", description="what XLS is given: alkaid's adders, or a multiplication per weight"
    )
    delay_model: Literal["sky130", "asap7"] = Field(
        "sky130", description="XLS' delays of operations, by which it schedules to clock_ns"
    )
    pipeline_stages: PositiveInt | None = Field(
        None,
        description="clock cycles from input to output register, in equal shares; as few as clock_ns allows if absent",
    )


def create_project(artifact: Path, kind: str, folder: Path, params: Params) -> None:
    """Have XLS write the pipeline, and put it where the project has its module."""
    from alkaid.stateful.fsm import ModuloSchedule
    from alkaid.trace.pipeline import to_pipeline

    from nanotrigger.qonnx.multipliers import multiplier_graph
    from nanotrigger.reports.xls import register_ranks
    from nanotrigger.tools.xls import compile_pipeline

    adders = params.arithmetic == "adders"
    tracer, graph = (_verilog.adder_graph if adders else multiplier_graph)(artifact, params)
    verilog = compile_pipeline(
        folder / "xls",
        graph,
        TOP,
        clock_ns=params.clock_ns,
        delay_model=params.delay_model,
        pipeline_stages=params.pipeline_stages,
        timeout_s=params.timeout_s,
    )
    # alkaid's own pipeline of one stage lends its ports, and when to read them, to the simulation
    pipeline = to_pipeline(graph, n_stages=1, verbose=False)
    (output,) = pipeline.out_signals
    output.schedule = ModuloSchedule((register_ranks(verilog),), 1)
    cost = float(graph.cost) if adders else None
    _verilog.write_project(folder, tracer, pipeline, params, cost, ternary_fuse=False)
    for alkaids in (*folder.glob("src/logic*.v"), *folder.glob("src/static/*.v")):
        alkaids.unlink()
    (folder / f"src/{TOP}.v").write_text(verilog.read_text())


def emulate(folder: Path, x: np.ndarray, params: Params) -> np.ndarray:
    """Simulate XLS' Verilog with Verilator, cycle by cycle, on jets put onto the grid of the input port."""
    return _verilog.emulate(folder, x, params, strict=False)


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Cell counts and logic delay; latency from the pipeline that XLS built."""
    from nanotrigger.tools.xls import xls_version

    record = _xilinx.read_report(folder, params)
    return replace(
        record,
        tool="alkaid, XLS, yosys",
        version=f"{xls_version()}, {record.version}",
        notes=(
            *record.notes,
            f"arithmetic: {params.arithmetic}",
            f"scheduled by XLS' delay model {params.delay_model}, not by delays of the part",
        ),
    )
