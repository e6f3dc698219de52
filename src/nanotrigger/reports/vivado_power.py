"""Vivado's report of power (`report_power`).

Written for the layout of Vivado 2017.1; later ones add rows to the same table.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import cells, decimal, read_report, sections


@dataclass(frozen=True)
class Power:
    """In mW: dynamic power of the design, static power of the whole device. confidence: Vivado's own word for it."""

    dynamic_mw: float
    static_mw: float
    confidence: str


def read_power(path: Path) -> Power:
    """The summary. Raises ToolError for another layout, and where the parts do not sum to the total."""
    text = read_report(path)
    if not re.search(r"^\| Command\s*: report_power", text, re.M):
        raise ToolError(f"{path}: not a report of power by Vivado")
    summary = dict(row for line in sections(text).get("Summary", "").splitlines() if len(row := cells(line, "|")) == 2)

    def watts(name: str) -> float:
        if name not in summary:
            raise ToolError(f"{path}: the summary has no row {name}; this layout is not known")
        return decimal(path, name, summary[name])

    total, dynamic, static = (watts(f"{name} (W)") for name in ("Total On-Chip Power", "Dynamic", "Device Static"))
    # three figures of three decimals each
    if abs(total - dynamic - static) > 0.0021:
        raise ToolError(f"{path}: {dynamic} W and {static} W do not sum to {total} W; this layout is not known")
    if "Confidence Level" not in summary:
        raise ToolError(f"{path}: the summary has no row Confidence Level; this layout is not known")
    return Power(1000 * dynamic, 1000 * static, summary["Confidence Level"])
