"""What a Liberty library holds, as yosys reads it: areas, functions, flip-flops. The cells' names say nothing."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.results.records import read_json
from nanotrigger.tools.yosys import run_script

# bodies of cells that no netlist of gates and flip-flops needs may be missing
SCRIPT = """
read_liberty -ignore_miss_func -ignore_miss_dir -ignore_miss_data_latch cells.lib
write_json library_cells.json
"""

GATES = {
    "$_NOT_": lambda a: not a,
    "$_AND_": lambda a, b: a and b,
    "$_OR_": lambda a, b: a or b,
    "$_XOR_": lambda a, b: a != b,
    "$_NAND_": lambda a, b: not (a and b),
    "$_NOR_": lambda a, b: not (a or b),
    "$_XNOR_": lambda a, b: a == b,
    "$_ANDNOT_": lambda a, b: a and not b,
    "$_ORNOT_": lambda a, b: a or not b,
}
"""yosys' gates of which it builds a cell's function."""

NEEDED = {
    "inverter": (True, False),
    # without one ABC ends without a word
    "buffer": (False, True),
    "two-input NAND": (True, True, True, False),
}
"""Truth tables of gates that mapping cannot do without."""


@dataclass(frozen=True)
class Library:
    """The unit of area: the smallest two-input NAND, whatever its name, and its area."""

    nand2: str
    nand2_um2: float


def read_library(folder: Path, source: Path, timeout_s: float) -> Library:
    """Read `cells.lib` in `folder`, a copy of `source`, which errors name.

    Raises ToolError if yosys cannot read it, or if it lacks an inverter, a buffer, a two-input NAND or a D flip-flop.
    """
    try:
        run_script(folder, SCRIPT, "library", timeout_s)
    except ToolError:
        log = folder / "library.log"
        if reason := re.search(r"ERROR: (.+)", log.read_text(errors="replace") if log.is_file() else ""):
            raise ToolError(f"{source}: not a Liberty library that yosys can read ({reason.group(1)})") from None
        raise
    cells = read_json(folder / "library_cells.json")["modules"]
    found: dict[str, list[tuple[float, str]]] = {kind: [] for kind in (*NEEDED, "D flip-flop")}
    for name, cell in cells.items():
        # a cell without area is no gate that one can place
        if (area := _area(cell)) is None or area <= 0:
            continue
        if _is_flip_flop(cell):
            found["D flip-flop"].append((area, name))
            continue
        table = truth_table(cell)
        for kind, needed in NEEDED.items():
            if table == needed:
                found[kind].append((area, name))
    if missing := [kind for kind, these in found.items() if not these]:
        raise ToolError(
            f"{source}: among its {len(cells)} cells is no {', no '.join(missing)}; "
            "logic cannot be mapped without. Name a library that has them (key liberty)."
        )
    area, name = min(found["two-input NAND"])
    return Library(name, area)


def truth_table(cell: dict[str, Any]) -> tuple[bool, ...] | None:
    """The one output of a combinational cell for all its inputs, the last port fastest; None for other cells."""
    inputs = [port["bits"][0] for port in cell["ports"].values() if port["direction"] == "input"]
    outputs = [port["bits"][0] for port in cell["ports"].values() if port["direction"] == "output"]
    gates = list(cell["cells"].values())
    if len(outputs) != 1 or len(inputs) > 2 or any(gate["type"] not in GATES for gate in gates):
        return None
    drivers = {gate["connections"]["Y"][0]: gate for gate in gates}

    def value(bit: Any, known: dict[Any, bool]) -> bool:
        if bit in known:
            return known[bit]
        if bit in ("0", "1"):
            return bit == "1"
        gate = drivers[bit]
        operands = [gate["connections"][port][0] for port in ("A", "B") if port in gate["connections"]]
        return bool(GATES[gate["type"]](*(value(operand, known) for operand in operands)))

    try:
        return tuple(
            value(outputs[0], dict(zip(inputs, values, strict=True)))
            for values in itertools.product((False, True), repeat=len(inputs))
        )
    except KeyError:
        # an output without a function
        return None


def _area(cell: dict[str, Any]) -> float | None:
    try:
        return float(cell["attributes"]["area"])
    except (KeyError, ValueError):
        return None


def _is_flip_flop(cell: dict[str, Any]) -> bool:
    """Whether it holds a flip-flop that takes a data pin at a clock edge, with or without set and reset."""
    return any(re.match(r"\$_(DFF|DFFSR)_[PN]", gate["type"]) for gate in cell["cells"].values())
