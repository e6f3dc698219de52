"""The Verilog that XLS writes for a pipeline: how many ranks of registers a word passes on its way through."""

import re
from pathlib import Path

from nanotrigger.errors import ToolError

RANK = re.compile(r"^\s*// Registers for pipe stage (\d+):", re.MULTILINE)
CLOCKED = re.compile(r"^\s*always @ ?\(posedge clk\)", re.MULTILINE)


def register_ranks(path: Path) -> int:
    """Ranks of registers from the input port to the output port, both registered: clock edges until a word is out.

    Raises ToolError for a missing file, and for one whose ranks are not numbered one after the other with a clocked block
    each.
    """
    text = Path(path).read_text(errors="replace") if Path(path).is_file() else ""
    ranks = [int(number) for number in RANK.findall(text)]
    if len(ranks) < 2 or ranks != list(range(len(ranks))) or len(CLOCKED.findall(text)) != len(ranks):
        raise ToolError(
            f"{path}: not a pipeline as XLS writes it, with registered ports and its stages numbered from 0"
        )
    return len(ranks)
