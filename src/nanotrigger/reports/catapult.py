"""Catapult HLS' report of the RTL it wrote (`rtl.rpt`): schedule, and the area of its operators before logic synthesis.

Written for the layout of Catapult 10.0a, which public projects keep for AMD parts; the table of processes is the same in
2024.2. Libraries without a column 'Area(LUTs)' give an area score, which is no count of LUTs and is not read as one.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import Row, by_columns, decimal, read_report

PROCESSES = "Processes/Blocks in Design"
MATERIALS = "Bill Of Materials (Datapath)"
AREA = "TOTAL AREA (After Assignment):"


@dataclass(frozen=True)
class CatapultReport:
    """latency and throughput in clock cycles; lut: estimate for AMD parts, None for libraries that give none."""

    version: str
    latency: int
    throughput: int
    area_score: float
    lut: int | None


def read_catapult(path: Path) -> CatapultReport:
    """The design's totals. Raises ToolError for another layout, and for a design without a latency."""
    text = read_report(path)
    version = re.search(r"^-- Version: +(\S+)", text, re.M)
    if not text.startswith("-- Catapult") or not version:
        raise ToolError(f"{path}: not a report by Catapult")
    lines = text.splitlines()
    schedule = _row(path, lines, PROCESSES, "Design Total:")

    def cycles(column: str) -> int:
        value = schedule.get(column, "")
        if not re.fullmatch(r"-?\d+", value):
            raise ToolError(f"{path}: {column} of the design is '{value}'; this layout is not known")
        if int(value) < 0:
            raise ToolError(f"{path}: the design has no {column.lower()} ({value}): a process of it never ends")
        return int(value)

    area = _row(path, lines, MATERIALS, AREA)
    if "Area Score" not in area:
        raise ToolError(f"{path}: has no area score; this layout is not known")
    lut = area.get("Area(LUTs)")
    return CatapultReport(
        version=version[1],
        latency=cycles("Latency"),
        throughput=cycles("Throughput"),
        area_score=decimal(path, "the area score", area["Area Score"]),
        lut=None if lut is None else round(decimal(path, "Area(LUTs)", lut)),
    )


def _row(path: Path, lines: list[str], title: str, name: str) -> Row:
    """The row `name` of the table below a title, by its columns."""
    starts = [i for i, line in enumerate(lines) if line.strip() == title]
    if len(starts) != 1 or len(lines) < starts[0] + 3:
        raise ToolError(f"{path}: has no table '{title}'; this layout is not known")
    head, rule = lines[starts[0] + 1 : starts[0] + 3]
    row = next((line for line in lines[starts[0] + 3 :] if line.strip().startswith(name)), None)
    if row is None or not re.fullmatch(r"[ -]+", rule):
        raise ToolError(f"{path}: the table '{title}' has no row '{name}'; this layout is not known")
    return by_columns(head, rule, row)
