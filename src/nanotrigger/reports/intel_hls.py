"""Reports of the Intel HLS compiler (`i++`): JavaScript files that each assign JSON to variables (`reports/lib/*.js`).

`report_data.js` holds the compiler's estimate (`areaJSON`), `quartus_data.js` the fit after `--quartus-compile`
(`quartusJSON`), `verification_data.js` what the simulated executable counted (`verifJSON`). Layout as hls4ml 1.3.0 reads
it, and as the compiler's own script writes `quartus_data.js`; no real file of one design was at hand.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import read_report, whole
from nanotrigger.reports.oneapi import Fit, read_fit_nodes

COLUMNS = ["ALUTs", "FFs", "RAMs", "DSPs", "MLABs"]


@dataclass(frozen=True)
class Estimate:
    """The compiler's own count before the fitter; ram: blocks of the part's own size."""

    alut: int
    ff: int
    ram: int
    dsp: int


@dataclass(frozen=True)
class Verification:
    """Longest latency and interval in clock cycles that the simulation of the component saw."""

    latency_max: int
    interval_max: int


def read_variable(path: Path, name: str) -> Any:
    """The JSON that a JavaScript file assigns to a variable. Raises ToolError if it does not."""
    text = read_report(path)
    match = re.search(rf"\bvar\s+{name}\s*=\s*", text)
    try:
        return json.JSONDecoder().raw_decode(text, match.end())[0]
    except (AttributeError, ValueError):
        raise ToolError(f"{path}: does not assign JSON to {name}; this layout is not known") from None


def read_estimate(path: Path) -> Estimate:
    """Total of the component from `report_data.js`."""
    area = read_variable(path, "areaJSON")
    columns, total = ((area or {}).get(key) for key in ("columns", "total"))
    # older compilers count no MLABs
    if not isinstance(total, list) or columns not in (COLUMNS, COLUMNS[:4]) or len(total) != len(columns):
        raise ToolError(f"{path}: the total of areaJSON is {total} by {columns}; this layout is not known")
    return Estimate(*(whole(path, name, str(value)) for name, value in zip(columns[:4], total[:4], strict=True)))


def read_fit(path: Path) -> Fit:
    """The whole fitted design from `quartus_data.js`. Raises ToolError where Quartus did not run (figures are 'TBD')."""
    return read_fit_nodes(path, read_variable(path, "quartusJSON"))


def read_verification(path: Path) -> Verification:
    """What the executable of a simulated component left in `verification_data.js`."""
    found = read_variable(path, "verifJSON")
    try:
        (function,) = found["functions"]
        _, latency, interval = function["data"]
        # each is 'min,max,average'
        return Verification(
            *(whole(path, "the longest cycles", value.split(",")[1].strip()) for value in (latency, interval))
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise ToolError(f"{path}: shows no simulation of one component, or in a layout that is not known") from None
