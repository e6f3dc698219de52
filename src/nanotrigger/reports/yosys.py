"""yosys' cell statistics (`stat -json`) of Xilinx and standard cells, and longest path (`sta`) of Xilinx cells."""

import json
import re
from pathlib import Path

from nanotrigger.errors import ToolError

LUT_INPUTS = re.compile(r"LUT[1-6]$")
WIDE_MUX = {"MUXF7", "MUXF8"}
REGISTERS = {"FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1"}
SHIFT_REGISTERS = {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
CARRIES = {"CARRY4", "CARRY8"}
DSPS = {"DSP48E1", "DSP48E2"}
BLOCK_RAMS = {"RAMB18E1": 0.5, "RAMB18E2": 0.5, "RAMB36E1": 1.0, "RAMB36E2": 1.0}


def cell_types(path: Path) -> dict[str, int]:
    """Number of cells of each type. Raises ToolError for a missing or foreign report."""
    try:
        return json.loads(Path(path).read_text())["design"]["num_cells_by_type"]
    except (OSError, ValueError, KeyError) as error:
        raise ToolError(f"{path}: not yosys' statistics of a design ({error!r})") from None


def xilinx_cells(path: Path) -> dict[str, float]:
    """LUTs, flip-flops, DSPs, block RAM (in 36 kbit tiles) and carry cells of a mapped design.

    Raises ToolError for a missing or foreign report, and for a cell type that it cannot place.
    """
    cells = cell_types(path)
    counts: dict[str, float] = {"lut": 0, "ff": 0, "dsp": 0, "bram36": 0.0, "carry": 0}
    for cell, number in cells.items():
        if LUT_INPUTS.match(cell):
            counts["lut"] += number
        elif cell in SHIFT_REGISTERS:
            counts["lut"] += number * SHIFT_REGISTERS[cell]
        elif cell in REGISTERS:
            counts["ff"] += number
        elif cell in CARRIES:
            counts["carry"] += number
        elif cell in DSPS:
            counts["dsp"] += number
        elif cell in BLOCK_RAMS:
            counts["bram36"] += number * BLOCK_RAMS[cell]
        elif cell not in WIDE_MUX:
            raise ToolError(f"{path}: {number} cells of type {cell}, which are neither logic, register, DSP nor memory")
    if not counts["lut"]:
        raise ToolError(f"{path}: a design without a LUT: was everything optimised away?")
    return counts


def standard_cell_area(path: Path) -> float:
    """Area of a mapped design in the library's unit, um2 by convention (`stat -liberty`).

    Raises ToolError for a missing or foreign report, and for a cell that was not mapped and thus has no area.
    """
    if unmapped := [cell for cell in cell_types(path) if cell.startswith("$")]:
        raise ToolError(f"{path}: cells of type {', '.join(unmapped)} were not mapped to the library")
    try:
        area = float(json.loads(Path(path).read_text())["design"]["area"])
    except (KeyError, TypeError, ValueError) as error:
        raise ToolError(f"{path}: holds no area of the design ({error!r})") from None
    if not area > 0:
        raise ToolError(f"{path}: a design without area: was everything optimised away?")
    return area


def longest_path_ns(path: Path) -> float:
    """Longest delay from a register or input to a register or output, in ns: logic cells alone, no routing.

    yosys knows the cell delays of 7-series parts, whatever the family that was mapped to.
    """
    text = Path(path).read_text(errors="replace") if Path(path).is_file() else ""
    match = re.search(r"Latest arrival time in '[^']+' is (\d+)", text)
    if not match:
        raise ToolError(f"{path}: holds no longest path")
    return int(match.group(1)) / 1000
