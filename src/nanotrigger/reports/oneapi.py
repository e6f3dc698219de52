"""Reports of Intel's oneAPI compiler for FPGAs: lines of JSON (`reports/resources/json/*.ndjson`).

`summary.ndjson` holds the compiler's estimate, `loop_attr.ndjson` the schedule of its loops, `quartus.ndjson` the fit.
Written for the files that hls4ml keeps of its own designs as tests of its reports.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import decimal, read_report, whole


@dataclass(frozen=True)
class Estimate:
    """The compiler's own count before the fitter. interval_max: of all loops; ram: blocks of the part's own size."""

    alut: int
    ff: int
    ram: int
    dsp: int
    interval_max: int


@dataclass(frozen=True)
class Fit:
    """What a fitted design takes. alut: None where the report leaves it out; fmax_mhz: of the design's clock."""

    alm: int
    alut: int | None
    ff: int
    ram: int
    dsp: int
    fmax_mhz: float


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON object of every line. Raises ToolError if one is not."""
    try:
        lines = [json.loads(line) for line in read_report(path).splitlines() if line.strip()]
    except ValueError as error:
        raise ToolError(f"{path}: not lines of JSON ({error})") from None
    if not lines or not all(isinstance(line, dict) for line in lines):
        raise ToolError(f"{path}: not lines of JSON objects; this layout is not known")
    return lines


def read_estimate(folder: Path) -> Estimate:
    """Total of the design and the longest interval of its loops, from `summary.ndjson` and `loop_attr.ndjson`."""
    path = Path(folder) / "summary.ndjson"
    lines = read_lines(path)
    heads = [line for line in lines if line.get("summary_type") == "estimatedResources"]
    totals = [line for line in lines if line.get("parent") == "estimatedResources" and line.get("name") == "Total"]
    if len(heads) != 1 or len(totals) != 1:
        raise ToolError(f"{path}: has no total of estimated resources; this layout is not known")
    # the first column is the name
    columns = [str(name).strip() for name in heads[0].get("columns", [])][1:]
    total = dict(zip(columns, totals[0].get("data", []), strict=False))
    counts = (whole(path, name, str(total.get(name))) for name in ("ALUTs", "FFs", "RAMs", "DSPs"))
    return Estimate(*counts, interval_max=read_interval(Path(folder) / "loop_attr.ndjson"))


def read_interval(path: Path) -> int:
    """The longest interval over the loops of all kernels, in clock cycles."""
    loops = [line for line in read_lines(path) if line.get("type") == "loop"]
    if not loops:
        raise ToolError(f"{path}: shows no loop; this layout is not known")
    return max(whole(path, f"the interval of {loop.get('name')}", str(loop.get("ii"))) for loop in loops)


def read_fit(folder: Path) -> Fit:
    """The whole fitted design from `quartus.ndjson`."""
    path = Path(folder) / "quartus.ndjson"
    (first, *others) = read_lines(path)
    if others:
        raise ToolError(f"{path}: has {1 + len(others)} lines, not one; this layout is not known")
    return read_fit_nodes(path, first)


def read_fit_nodes(path: Path, content: dict[str, Any]) -> Fit:
    """The whole design among the nodes that Quartus' results are written as. Raises ToolError if it was not fitted."""
    try:
        (clock,) = content["quartusFitClockSummary"]["nodes"]
        (system,) = [n for n in content["quartusFitResourceUsageSummary"]["nodes"] if n["type"] == "system"]
        # after a clock is set on the part, the clock's own limit stands beside what it was set to
        fmax = clock.get("clock fmax", clock["clock"])
        alm, ff, ram, dsp = (system[name] for name in ("alm", "reg", "ram", "dsp"))
        alut = system.get("alut")
    except (KeyError, TypeError, ValueError):
        raise ToolError(f"{path}: shows no fit of one design, or in a layout that is not known") from None
    if "TBD" in (fmax, alm):
        raise ToolError(f"{path}: its figures are 'TBD': Quartus did not run")
    return Fit(
        # half of an ALM is counted where two functions share one
        alm=math.ceil(decimal(path, "alm", str(alm))),
        alut=None if alut is None else whole(path, "alut", str(alut)),
        ff=whole(path, "reg", str(ff)),
        ram=whole(path, "ram", str(ram)),
        dsp=math.ceil(decimal(path, "dsp", str(dsp))),
        fmax_mhz=decimal(path, "the clock's limit", str(fmax)),
    )
