"""Vivado HLS' and Vitis HLS' report of co-simulation (`<top>_cosim.rpt`): the RTL run on the C++ test bench.

Written for the layout of both tools; Vitis' has a column for the total of cycles after the seven others.
"""

from dataclasses import dataclass
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import cells, read_report, whole


@dataclass(frozen=True)
class Cosimulation:
    """A run that passed. Longest latency and interval in clock cycles; interval None: a single transaction has none."""

    rtl: str
    latency_max: int
    interval_max: int | None


def read_cosim(path: Path) -> Cosimulation:
    """The language that was simulated. Raises ToolError for another layout, and where the RTL did not pass."""
    rows = [row for line in read_report(path).splitlines() if (row := cells(line, "|"))]
    runs = [row for row in rows if row[0] in ("VHDL", "Verilog") and row[1:2] != ["NA"]]
    if len(runs) != 1 or len(runs[0]) not in (8, 9):
        raise ToolError(f"{path}: shows no co-simulation of one language, or in a layout that is not known")
    rtl, status, _, _, latency, _, _, interval, *_ = runs[0]
    if status != "Pass":
        raise ToolError(f"{path}: co-simulation of the {rtl} ended with '{status}', not with 'Pass'")
    interval_max = None if interval == "NA" else whole(path, "the longest interval", interval)
    return Cosimulation(rtl, whole(path, "the longest latency", latency), interval_max)
