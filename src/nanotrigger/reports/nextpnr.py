"""nextpnr's report of place and route (`--report`, JSON) for ECP5 parts."""

import json
from dataclasses import dataclass
from pathlib import Path

from nanotrigger.errors import ToolError

HARD_BLOCKS = ("MULT18X18D", "ALU54B", "DP16KD", "TRELLIS_RAMW")
"""Multipliers, accumulators, block RAM and LUT RAM."""


@dataclass(frozen=True)
class Routed:
    """One placement. luts: four-input LUTs in use, two of them in every carry cell; fmax_mhz: highest clock."""

    fmax_mhz: float
    luts: int
    flip_flops: int


def read_routed(path: Path) -> Routed:
    """Highest clock and cells in use of a routed design with one clock.

    Raises ToolError for a missing or foreign report, for hard blocks (which nothing here should use), and for a design
    without a path between flip-flops.
    """
    try:
        report = json.loads(Path(path).read_text())
        clocks, used = (
            list(report["fmax"].items()),
            {name: kind["used"] for name, kind in report["utilization"].items()},
        )
        luts, flip_flops, hard = used["TRELLIS_COMB"], used["TRELLIS_FF"], [used[name] for name in HARD_BLOCKS]
    except OSError as error:
        raise ToolError(f"{path}: nextpnr left no report ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(f"{path}: not nextpnr's report of an ECP5 design ({error!r})") from None
    if any(hard):
        taken = ", ".join(f"{number} {name}" for name, number in zip(HARD_BLOCKS, hard, strict=True) if number)
        raise ToolError(f"{path}: the design takes {taken}; only logic was expected")
    if not luts:
        raise ToolError(f"{path}: a design without a LUT: was everything optimised away?")
    if len(clocks) != 1:
        raise ToolError(f"{path}: names {len(clocks)} clocks with a path between flip-flops; one was expected")
    ((name, clock),) = clocks
    try:
        return Routed(float(clock["achieved"]), luts, flip_flops)
    except (KeyError, TypeError, ValueError) as error:
        raise ToolError(f"{path}: gives no highest frequency of the clock {name} ({error!r})") from None
