"""Vivado's timing summary (`report_timing_summary`) of a design with one clock.

Written for the layout of Vivado 2017.1 and 2019.2, unchanged up to 2024.2 as public projects keep it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import decimal, read_report

SUMMARY = re.compile(r"^\| Design Timing Summary *$(.*?)^\| Clock Summary *$", re.M | re.S)
CLOCKS = re.compile(r"^\| Clock Summary *$(.*?)^\| Intra Clock Table *$", re.M | re.S)
CLOCK = re.compile(r"^ *(\S+) +\{[^}]*\} +(\S+) +(\S+) *$", re.M)


@dataclass(frozen=True)
class Timing:
    """Slacks in ns: wns of the slowest path, whs of the worst hold path (None: no such path); period_ns: of the clock."""

    version: str
    wns_ns: float
    whs_ns: float | None
    period_ns: float

    @property
    def fmax_mhz(self) -> float:
        """The highest clock at which the slowest path is still met."""
        return 1000 / (self.period_ns - self.wns_ns)


def read_timing(path: Path) -> Timing:
    """Slack and period. Raises ToolError for another layout, for no constrained path and for more than one clock."""
    text = read_report(path)
    version = re.search(r"^\| Tool Version\s*: Vivado v\.(\S+)", text, re.M)
    summary, clocks = SUMMARY.search(text), CLOCKS.search(text)
    if not version or not summary or not clocks:
        raise ToolError(f"{path}: not a timing summary by Vivado")
    lines = [line.split() for line in summary[1].splitlines() if line.strip() and not line.startswith(("|", "-"))]
    head = next((i for i, line in enumerate(lines) if line[:2] == ["WNS(ns)", "TNS(ns)"]), None)
    if head is None or len(lines) < head + 3 or len(lines[head + 2]) != 12:
        raise ToolError(f"{path}: the design's timing summary has another layout")
    # WNS, TNS, failing and total endpoints, then the same of hold and of pulse width
    values = lines[head + 2]
    if values[0] == "NA":
        raise ToolError(f"{path}: no path has a requirement (WNS is NA): is there a clock and logic between registers?")
    found = CLOCK.findall(clocks[1])
    if len(found) != 1:
        raise ToolError(f"{path}: {len(found)} clocks; the highest clock is known for a design with one")
    _, period, frequency = found[0]
    timing = Timing(
        version=version[1],
        wns_ns=decimal(path, "WNS", values[0]),
        whs_ns=None if values[4] == "NA" else decimal(path, "WHS", values[4]),
        period_ns=decimal(path, "the clock's period", period),
    )
    if abs(1000 / timing.period_ns - decimal(path, "the clock's frequency", frequency)) > 0.01 * float(frequency):
        raise ToolError(f"{path}: a period of {period} ns is not {frequency} MHz; this layout is not known")
    if timing.wns_ns >= timing.period_ns:
        raise ToolError(
            f"{path}: a slack of {timing.wns_ns} ns within a period of {period} ns; this layout is not known"
        )
    return timing
