"""Vivado's report of utilisation (`report_utilization`), after synthesis or after placement and routing.

Written for the layouts of Vivado 2017.1 and 2019.2 (7 series: 'Slice Logic', 'Memory', 'DSP'; UltraScale: 'CLB Logic',
'BLOCKRAM', 'ARITHMETIC'; 'CLB LUTs*' with an asterisk before `opt_design`) and for the column 'Prohibited' of later ones,
as public projects keep them. Versal's layout is another and is refused.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.reports._text import decimal, read_report, sections, table, whole

CARRIES = ("CARRY4", "CARRY8")


@dataclass(frozen=True)
class Utilisation:
    """What a design takes. bram36: 36 kbit tiles; carry: carry cells, CARRY4 or CARRY8 as the family has them.

    state: as Vivado names it, 'Synthesized', 'Fully Placed' or 'Routed'; cells: number of primitives of each type.
    """

    version: str
    state: str
    lut: int
    lut_memory: int
    ff: int
    carry: int
    dsp: int
    bram36: float
    uram: int
    cells: dict[str, int]

    def counts(self) -> dict[str, Any]:
        """What of it a ResourceRecord holds, by its names."""
        return {key: getattr(self, key) for key in ("lut", "ff", "dsp", "bram36", "carry", "cells")}


def read_utilisation(path: Path) -> Utilisation:
    """Resources of the whole design. Raises ToolError for another layout, and where the rows contradict each other."""
    text = read_report(path)
    version = re.search(r"^\| Tool Version\s*: Vivado v\.(\S+)", text, re.M)
    state = re.search(r"^\| Design State\s*: (.+?) *$", text, re.M)
    if not version or not state:
        raise ToolError(f"{path}: not a report of utilisation by Vivado")
    parts = sections(text)

    def used(*titles: str) -> dict[str, str]:
        title = next((title for title in titles if title in parts), None)
        if title is None:
            raise ToolError(f"{path}: has no section {' or '.join(titles)}; this layout is not known")
        rows = list(table(parts[title]))
        if not rows or not {"Site Type", "Used"} <= rows[0].keys():
            raise ToolError(f"{path}: section {title} has no table of used sites; this layout is not known")
        return {row["Site Type"].rstrip("*"): row["Used"] for row in rows}

    def count(rows: dict[str, str], *names: str) -> int:
        name = next((name for name in names if name in rows), None)
        if name is None:
            raise ToolError(f"{path}: has no row {' or '.join(names)}; this layout is not known")
        return whole(path, name, rows[name])

    logic = used("CLB Logic", "Slice Logic")
    lut, ff = count(logic, "CLB LUTs", "Slice LUTs"), count(logic, "CLB Registers", "Slice Registers")
    lut_memory = count(logic, "LUT as Memory")
    agree(path, "LUTs", lut, count(logic, "LUT as Logic") + lut_memory)
    agree(path, "registers", ff, count(logic, "Register as Flip Flop") + count(logic, "Register as Latch"))
    memory = used("BLOCKRAM", "Memory")
    if "Block RAM Tile" not in memory:
        raise ToolError(f"{path}: has no row Block RAM Tile; this layout is not known")
    tiles = decimal(path, "Block RAM Tile", memory["Block RAM Tile"])
    agree(path, "block RAM tiles", tiles, count(memory, "RAMB36/FIFO") + count(memory, "RAMB18") / 2)
    if "Primitives" not in parts:
        raise ToolError(f"{path}: has no section Primitives; this layout is not known")
    cells = {row["Ref Name"]: whole(path, row["Ref Name"], row["Used"]) for row in table(parts["Primitives"])}
    return Utilisation(
        version=version[1],
        state=state[1],
        lut=lut,
        lut_memory=lut_memory,
        ff=ff,
        carry=sum(cells.get(cell, 0) for cell in CARRIES),
        dsp=count(used("ARITHMETIC", "DSP"), "DSPs"),
        bram36=tiles,
        # 7-series parts have none, and no row of them
        uram=whole(path, "URAM", memory.get("URAM", "0")),
        cells=cells,
    )


def agree(path: Path, what: str, total: float, parts: float) -> None:
    """Raise ToolError if a total is not the sum of its parts: then a row means something else than was thought."""
    if total != parts:
        raise ToolError(f"{path}: {total:g} {what}, but their parts sum to {parts:g}; this layout is not known")
