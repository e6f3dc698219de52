"""Vivado: the same Verilog as the rtl flow's, placed and routed on a part, out of context.

Out of context no pin is placed, so the figures are of the network alone; its first and last registers are within it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from nanotrigger.errors import NotRun, ToolError
from nanotrigger.flows import _verilog
from nanotrigger.flows._verilog import TOP, VerilogParams, create_project, emulate, reference  # noqa: F401  the contract
from nanotrigger.flows.base import ResourceRecord
from nanotrigger.tools.vendor import Installation

accepts = ("qonnx",)
requires = _verilog.SIMULATION


class Params(VerilogParams, Installation):
    """Config stanza of a Vivado flow."""


def licences(params: Params) -> tuple[str, ...]:
    """What a synthesis takes."""
    return ("vivado",)


CONSTRAINTS = "create_clock -period {period} -name clk [get_ports clk]\n"

IMPLEMENTATION = """
read_verilog [glob src/static/*.v src/*.v]
read_xdc -mode out_of_context vivado/clock.xdc
synth_design -top {top} -part {part} -mode out_of_context
report_utilization -file vivado/utilisation_synthesised.rpt
opt_design
place_design
phys_opt_design
route_design
report_route_status -file vivado/route_status.rpt
report_utilization -file vivado/utilisation.rpt
report_timing_summary -file vivado/timing.rpt
report_power -file vivado/power.rpt
write_checkpoint -force vivado/routed.dcp
write_verilog -force -mode funcsim vivado/netlist.v
"""


def synthesize(folder: Path, params: Params) -> dict[str, Any]:
    """Synthesis, placement and routing by Vivado where it is installed."""
    import shutil

    from nanotrigger.tools.vendor import absent, locate, run_vendor

    if not locate(["vivado"], params, folder):
        return {"status": absent("vivado", params)}
    shutil.rmtree(folder / "vivado", ignore_errors=True)
    (folder / "vivado").mkdir()
    (folder / "vivado/clock.xdc").write_text(CONSTRAINTS.format(period=params.clock_ns))
    (folder / "vivado/implementation.tcl").write_text(IMPLEMENTATION.format(top=TOP, part=params.part))
    options = ["-mode", "batch", "-nojournal", "-nolog", "-notrace", "-source", "vivado/implementation.tcl"]
    run_vendor(["vivado", *options], folder, "vivado/vivado.log", params.timeout_s, params)
    return {}


def simulate_netlist(folder: Path, x: np.ndarray, params: Params) -> np.ndarray:
    """Simulate the routed cells with yosys' models of them.

    Raises NotRun where the netlist has a cell that yosys does not model; Vivado's own models are not read.
    """
    try:
        # the file brings a module of its own for the part's global reset, which a simulation without it leaves out
        return _verilog.simulate_netlist(folder, x, params, ["+/xilinx/cells_sim.v", "-DGLBL vivado/netlist.v"])
    except ToolError as error:
        raise NotRun(f"yosys' models of cells do not build it ({error})") from None


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Resources, highest clock and power after routing; latency from the pipeline that was built."""
    from nanotrigger.reports.vivado_power import read_power
    from nanotrigger.reports.vivado_timing import read_timing
    from nanotrigger.reports.vivado_utilisation import read_utilisation

    design = _verilog.design(folder)
    used = read_utilisation(folder / "vivado/utilisation.rpt")
    timing = read_timing(folder / "vivado/timing.rpt")
    power = read_power(folder / "vivado/power.rpt")
    if used.state == "Synthesized":
        raise ToolError(f"{folder}: the last report of utilisation is of a design that was not placed")
    if abs(timing.period_ns - params.clock_ns) > 0.001:
        raise ToolError(f"{folder}: timing is for a clock of {timing.period_ns:g} ns, not of {params.clock_ns:g} ns")
    notes = [
        *design["notes"],
        f"dynamic power alone, of assumed activity (confidence {power.confidence}); "
        f"the part's static power is {power.static_mw:.0f} mW",
    ]
    if timing.wns_ns < 0:
        notes.append(f"misses its clock of {params.clock_ns:g} ns by {-timing.wns_ns:g} ns")
    if timing.whs_ns is not None and timing.whs_ns < 0:
        notes.append(f"violates hold by {-timing.whs_ns:g} ns")
    if used.uram:
        notes.append(f"{used.uram} blocks of UltraRAM")
    return ResourceRecord(
        tool="alkaid, Vivado",
        version=used.version,
        stage="place_and_route",
        **used.counts(),
        **_verilog.pipeline(folder, params),
        fmax_mhz=timing.fmax_mhz,
        power_mw=power.dynamic_mw,
        notes=tuple(notes),
    )
