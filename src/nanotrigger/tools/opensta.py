"""OpenSTA: static timing and power of a netlist of standard cells. Not on PyPI; Debian's package is `opensta`."""

import re
import tempfile
from pathlib import Path

from nanotrigger.errors import ToolError
from nanotrigger.tools.debian import find_program
from nanotrigger.tools.run import run_tool

PROGRAM = "sta"

# OpenSTA goes on after an error in a script, and ends well
GUARD = """if {{[catch {{source {name}.body.tcl}} message]}} {{
  puts "Error: $message"
  exit 1
}}
exit 0
"""


def opensta_version() -> str | None:
    """Its version, as '2.0.17', or None where it is not installed. Raises ToolError if `sta` is another program."""
    found = find_program(PROGRAM)
    if found is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        text = run_tool([found[0], "-version"], Path(folder), "version.log", 60, found[1])
    if not (match := re.fullmatch(r"(\d+\.\d+\.\d+)\b.*", text.strip())):
        raise ToolError(f"{found[0]} is not OpenSTA: its version reads '{text.strip()[:80]}'")
    return match.group(1)


def run_script(folder: Path, script: str, name: str, timeout_s: float) -> Path:
    """Run a script in `folder`, kept there as `<name>.body.tcl`; what it prints is the report `<name>.rpt`.

    Raises ToolError if OpenSTA is absent, fails, or does not know a cell of the netlist.
    """
    found = find_program(PROGRAM)
    if found is None:
        raise ToolError("OpenSTA (sta) is not installed: run 'make asic-tools'")
    folder, report = Path(folder), Path(folder) / f"{name}.rpt"
    (folder / f"{name}.body.tcl").write_text(script)
    (folder / f"{name}.tcl").write_text(GUARD.format(name=name))
    command = [found[0], "-no_splash", "-no_init", "-exit", f"{name}.tcl"]
    text = run_tool(command, folder, report.name, timeout_s, found[1])
    if unknown := re.search(r".*(?:black box|Error:).*", text):
        raise ToolError(f"{report}: {unknown.group(0).strip()}")
    return report
